import type { Runtime } from "../runtime.ts";

/** Work that goes on without a pause: then others get a turn. Longer where nobody waits but for this. */
const TURN_MS = 2;
const LONG_TURN_MS = 200;
/** A pause is never longer than this: whoever wants to stop is heard. */
const PAUSE_MS = 250;

/** Keeps work that others wait for below a rate. */
export class Pace {
  readonly #runtime: Pick<Runtime, "now">;
  readonly #bytesPerMs: number;
  #from: number;
  #bytes = 0;
  readonly #turnMs: number;
  #turn: number;

  /** `rateBytes` in a second; infinity: only turns are given. */
  constructor(runtime: Pick<Runtime, "now">, rateBytes: number) {
    this.#runtime = runtime;
    this.#bytesPerMs = rateBytes / 1000;
    this.#turnMs = rateBytes === Infinity ? LONG_TURN_MS : TURN_MS;
    this.#from = this.#turn = runtime.now();
  }

  /** So many bytes were read: waits until more may be, and rejects where `signal` says so. */
  async wait(bytes: number, signal?: AbortSignal): Promise<void> {
    this.#bytes += bytes;
    signal?.throwIfAborted();
    for (;;) {
      const now = this.#runtime.now();
      const ahead = this.#bytes / this.#bytesPerMs - (now - this.#from);
      if (ahead <= 0 && now - this.#turn < this.#turnMs) return;
      await new Promise((resolve) => setTimeout(resolve, Math.min(PAUSE_MS, Math.max(0, ahead))));
      signal?.throwIfAborted();
      this.#turn = this.#runtime.now();
      if (ahead <= 0) break;
    }
    // A pause of others, or a slow medium, is not caught up with.
    if (this.#bytes / this.#bytesPerMs < this.#runtime.now() - this.#from) {
      this.#from = this.#runtime.now();
      this.#bytes = 0;
    }
  }
}
