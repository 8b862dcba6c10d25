import type { Abortable } from "../storage/object_store.ts";

/** Lets only so many calls go on at once; the others wait in line. */
export class CallLine {
  readonly #atOnce: number;
  #going = 0;
  /** Begin, in the order in which they came. */
  readonly #waiting = new Set<() => void>();

  /** So many. */
  constructor(atOnce: number) {
    this.#atOnce = atOnce;
  }

  /** Does `work` when it is its turn; who gives up while waiting leaves the line. */
  async take<T>({ signal }: Abortable, work: () => Promise<T>): Promise<T> {
    signal?.throwIfAborted();
    if (this.#going >= this.#atOnce) await this.#turn(signal);
    else this.#going++;
    try {
      return await work();
    } finally {
      // Whoever has waited longest takes this place over.
      const [next] = this.#waiting;
      if (next === undefined) this.#going--;
      else next();
    }
  }

  async #turn(signal?: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const begin = () => {
      this.#waiting.delete(begin);
      resolve();
    };
    const abort = () => {
      if (this.#waiting.delete(begin)) reject(signal!.reason);
    };
    this.#waiting.add(begin);
    signal?.addEventListener("abort", abort, { once: true });
    try {
      await promise;
    } finally {
      signal?.removeEventListener("abort", abort);
    }
  }
}

/** A line for each provider: those who wait for one are in nobody's way at the others. */
export class CallLines {
  readonly #atOnce: number;
  readonly #lines = new Map<string, CallLine>();

  /** So many of each. */
  constructor(atOnce: number) {
    this.#atOnce = atOnce;
  }

  /** Does `work` when it is its turn at a provider. */
  async take<T>(provider: string, options: Abortable, work: () => Promise<T>): Promise<T> {
    let line = this.#lines.get(provider);
    if (line === undefined) this.#lines.set(provider, line = new CallLine(this.#atOnce));
    return await line.take(options, work);
  }
}
