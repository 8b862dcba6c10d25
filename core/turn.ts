/** While others hold what is waited for, it is looked so often: milliseconds. */
const LOOK_MS = 50;

/** Lets timers, messages and requests of others have their turn. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/** Does one piece of work after the other. */
export type InTurn = <T>(work: () => Promise<T>) => Promise<T>;

/** A queue of its own: each piece of work begins when the one before has ended, however that ended. */
export function turns(): InTurn {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const next = last.then(work, work);
    last = next.catch(() => {}); // its caller hears of it
    return next;
  };
}

/** A longer pause, for whoever can only wait until others have come to their end. */
export function longTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, LOOK_MS));
}
