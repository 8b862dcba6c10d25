import type { Runtime } from "../runtime.ts";

/** Clock of a rate. */
export interface RateClock extends Pick<Runtime, "now"> {
  /** Resolves so many milliseconds later; rejects with the signal's reason. */
  wait(milliseconds: number, signal?: AbortSignal): Promise<void>;
}

/** Milliseconds of silence that may be made up for afterwards: a burst. */
const BURST_MS = 100;

/** Lets bytes pass below a rate, whoever they belong to. */
export class ByteRate {
  readonly #bytesPerSecond: number;
  readonly #clock: RateClock;
  /** When all that has passed so far is paid for. */
  #paidMs = -Infinity;

  /** Bytes a second, more than 0. */
  constructor(bytesPerSecond: number, clock: RateClock) {
    this.#bytesPerSecond = bytesPerSecond;
    this.#clock = clock;
  }

  /** Resolves when so many bytes may pass. */
  async pass(bytes: number, signal?: AbortSignal): Promise<void> {
    const now = this.#clock.now();
    this.#paidMs = Math.max(this.#paidMs, now - BURST_MS) + bytes * 1000 / this.#bytesPerSecond;
    if (this.#paidMs > now) await this.#clock.wait(this.#paidMs - now, signal);
  }
}

/** Waits by the system's timer. */
export function waitMs(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal!.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    if (signal?.aborted) stop();
    else signal?.addEventListener("abort", stop, { once: true });
  });
}
