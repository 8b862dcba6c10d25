/** While others hold what is waited for, it is looked so often: milliseconds. */
const LOOK_MS = 50;

/** Lets timers, messages and requests of others have their turn. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/** A longer pause, for whoever can only wait until others have come to their end. */
export function longTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, LOOK_MS));
}
