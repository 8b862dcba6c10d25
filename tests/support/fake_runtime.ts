import type { Runtime } from "../../core/runtime.ts";
import { RandomStream } from "./random_stream.ts";

/** 2030-01-01, so that a forgotten real clock stands out. */
const START_MS = Date.UTC(2030, 0, 1);

/** A deterministic {@linkcode Runtime}: the clock stands still until advanced, randomness is seeded. */
export class FakeRuntime implements Runtime {
  readonly #stream: RandomStream;
  #now: number;

  /** Starts at `startMs` (since 1970) with the random stream of `seed`. */
  constructor(seed = 1, startMs: number = START_MS) {
    this.#stream = new RandomStream(seed);
    this.#now = startMs;
  }

  /** The fake time. */
  now(): number {
    return this.#now;
  }

  /** Moves the clock; a negative step sets it back, as a user can. */
  advance(milliseconds: number): void {
    this.#now += milliseconds;
  }

  /** Fills from the seeded stream. */
  random(bytes: Uint8Array<ArrayBuffer>): void {
    this.#stream.fill(bytes);
  }
}

/** Every look at the clock takes 5 ms, so that a medium seems slow. */
export function slowRuntime(): Runtime {
  const runtime = new FakeRuntime(3);
  return {
    now: () => {
      runtime.advance(5);
      return runtime.now();
    },
    random: (bytes) => runtime.random(bytes),
  };
}
