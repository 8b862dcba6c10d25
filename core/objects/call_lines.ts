import type { Abortable } from "../storage/object_store.ts";

/** Lets only so many calls of each provider go on at once; the others wait in line, and those of other providers do not. */
export class CallLines {
  readonly #atOnce: number;
  readonly #lines = new Map<string, Line>();

  /** So many of each. */
  constructor(atOnce: number) {
    this.#atOnce = atOnce;
  }

  /** Does `work` when it is its turn; who gives up while waiting leaves the line. */
  async take<T>(provider: string, { signal }: Abortable, work: () => Promise<T>): Promise<T> {
    signal?.throwIfAborted();
    let line = this.#lines.get(provider);
    if (line === undefined) this.#lines.set(provider, line = { going: 0, waiting: new Set() });
    if (line.going >= this.#atOnce) await turn(line, signal);
    else line.going++;
    try {
      return await work();
    } finally {
      // Whoever has waited longest takes this place over.
      const [next] = line.waiting;
      if (next === undefined) line.going--;
      else next();
    }
  }
}

interface Line {
  going: number;
  /** Begin, in the order in which they came. */
  readonly waiting: Set<() => void>;
}

async function turn({ waiting }: Line, signal?: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const begin = () => {
    waiting.delete(begin);
    resolve();
  };
  const abort = () => {
    if (waiting.delete(begin)) reject(signal!.reason);
  };
  waiting.add(begin);
  signal?.addEventListener("abort", abort, { once: true });
  try {
    await promise;
  } finally {
    signal?.removeEventListener("abort", abort);
  }
}
