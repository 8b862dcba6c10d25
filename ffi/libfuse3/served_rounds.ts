/** Rounds of 64 requests after which those have been served that waited: the kernel hands them out in order. */
const ROUNDS_MAX = 32;

/**
 * Waits until what the kernel had to say has been served. Before Linux 6.16, what it was writing already when it was told to
 * forget it is written from a copy, and may still have been waiting to be served.
 */
export class ServedRounds {
  #waiting: (() => void)[] = [];
  #rounds = 0;
  #over = false;

  /** Resolves when all requests have been served that are waiting now. */
  wait(): Promise<void> {
    if (this.#over) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push(resolve);
    this.#rounds = 0;
    return promise;
  }

  /** Some requests were served; `empty`: all that there were. */
  served(empty: boolean): void {
    if (this.#waiting.length > 0 && (empty || ++this.#rounds > ROUNDS_MAX)) this.#resolve();
  }

  /** Nothing is served any more. */
  end(): void {
    this.#over = true;
    this.#resolve();
  }

  #resolve(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
