import { systemRuntime } from "../../core/runtime.ts";
import { type TimeLimit, TimeLimitError } from "../../core/storage/time_limit.ts";

/**
 * Waits for one thing after the other, for each so long and no longer. All share one timer, which is set anew only when it fires:
 * setting one costs more than all else that happens to a chunk.
 */
export class Patience {
  readonly #limit: TimeLimit;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #since = 0;
  #fail: ((reason: unknown) => void) | null = null;

  /** As long as the limit says. */
  constructor(limit: TimeLimit) {
    this.#limit = limit;
  }

  /** Rejects with {@linkcode TimeLimitError}, or the caller's reason, where it takes longer. */
  async wait<T>(work: Promise<T>): Promise<T> {
    const { milliseconds, signal } = this.#limit;
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    work.then(resolve, reject);
    const abort = () => reject(signal!.reason);
    if (signal?.aborted) abort();
    signal?.addEventListener("abort", abort, { once: true });
    this.#since = systemRuntime.now();
    this.#fail = reject;
    this.#timer ??= setTimeout(this.#fired, milliseconds);
    try {
      return await promise;
    } finally {
      this.#fail = null;
      signal?.removeEventListener("abort", abort);
    }
  }

  readonly #fired = () => {
    this.#timer = undefined;
    if (this.#fail === null) return;
    const { milliseconds } = this.#limit;
    const left = this.#since + milliseconds - systemRuntime.now();
    if (left > 0) this.#timer = setTimeout(this.#fired, left);
    else this.#fail(new TimeLimitError(milliseconds));
  };

  /** Nothing is waited for any more. */
  end(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
