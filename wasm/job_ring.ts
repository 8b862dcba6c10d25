/**
 * A ring of jobs in shared memory: one thread adds, any thread takes. All fields are 32-bit words.
 *
 * Control words, each in a cache line of its own: how many jobs were added and taken, a count that
 * changes whenever a sleeping worker should look again, how many workers sleep, a count of finished
 * jobs, whether the adding thread waits for it, the first failure, and whether to end.
 *
 * A slot: state, kind, descriptors, count, extents, result, who took it, then per extent address, length and offset (low
 * and high word).
 *
 * @module
 */
import { assert } from "../core/assert.ts";

/** A stretch of kernel memory and its byte offset on the medium. */
export interface JobExtent {
  readonly address: number;
  readonly length: number;
  readonly offset: number;
}

/** What a job does; those without I/O have no extents. */
export type JobKind = "seal-and-write" | "read-and-open" | "seal" | "open";

/** Descriptors to seal or open, and the extents to write after or read before. */
export interface Job {
  readonly kind: JobKind;
  /** Address of the first descriptor; they lie one behind another. */
  readonly descriptors: number;
  readonly count: number;
  /** At most {@linkcode EXTENTS_MAX}. */
  readonly extents: readonly JobExtent[];
}

/** Extents of one job at most. */
export const EXTENTS_MAX = 16;
/** Jobs in the ring, a power of two so that wrapping counts stay right. */
export const JOBS = 128;

const LINE_WORDS = 16;
const CONTROL_LINES = 8;
const SLOT_HEAD_WORDS = 7;
const SLOT_WORDS = 80;
const TWO_32 = 2 ** 32;

/** Bytes of kernel memory a ring takes. */
export const RING_BYTES = 4 * (CONTROL_LINES * LINE_WORDS + JOBS * SLOT_WORDS);

const KINDS: readonly JobKind[] = ["seal-and-write", "read-and-open", "seal", "open"];
const STATE = { free: 0, queued: 1, done: 2 } as const;

/** Busy looks at the finished count before sleeping: about 10 µs, a fraction of a job. */
const SPINS = 2000;

/** The ring as one thread sees it. */
export class JobRing {
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #added: number;
  readonly #taken: number;
  readonly #wake: number;
  readonly #sleepers: number;
  readonly #finished: number;
  readonly #waiting: number;
  readonly #failure: number;
  readonly #ended: number;
  readonly #slots: number;
  readonly #thread: number;

  /** A ring of {@linkcode RING_BYTES} zeroed bytes at `address`, as `thread` uses it. */
  constructor(words: Int32Array<SharedArrayBuffer>, address: number, thread: number) {
    this.#thread = thread;
    const line = (index: number) => address / 4 + index * LINE_WORDS;
    this.#words = words;
    this.#added = line(0);
    this.#taken = line(1);
    this.#wake = line(2);
    this.#sleepers = line(3);
    this.#finished = line(4);
    this.#waiting = line(5);
    this.#failure = line(6);
    this.#ended = line(7);
    this.#slots = line(CONTROL_LINES);
  }

  #slot(number: number): number {
    return this.#slots + (number & (JOBS - 1)) * SLOT_WORDS;
  }

  /** Adds job `number` (they count up from 0) to a slot that is done or free. */
  add(number: number, job: Job): void {
    const words = this.#words, slot = this.#slot(number);
    assert(job.extents.length <= EXTENTS_MAX, "extents fit a job");
    assert(words[slot] !== STATE.queued, "a slot is reused only when its job is done");
    words[slot + 1] = KINDS.indexOf(job.kind);
    words[slot + 2] = job.descriptors;
    words[slot + 3] = job.count;
    words[slot + 4] = job.extents.length;
    words[slot + 5] = 0;
    words[slot + 6] = -1;
    job.extents.forEach((extent, index) => {
      const at = slot + SLOT_HEAD_WORDS + 4 * index;
      words[at] = extent.address;
      words[at + 1] = extent.length;
      words[at + 2] = extent.offset % TWO_32;
      words[at + 3] = Math.floor(extent.offset / TWO_32);
    });
    Atomics.store(words, slot, STATE.queued);
    Atomics.add(words, this.#added, 1);
    Atomics.add(words, this.#wake, 1);
    if (Atomics.load(words, this.#sleepers) > 0) Atomics.notify(words, this.#wake, 1);
  }

  /** Takes the oldest queued job: its number modulo 2^32, or -1 where there is none. */
  take(): number {
    const words = this.#words;
    for (;;) {
      const taken = Atomics.load(words, this.#taken);
      if (taken === Atomics.load(words, this.#added)) return -1;
      const next = (taken + 1) | 0;
      if (Atomics.compareExchange(words, this.#taken, taken, next) !== taken) continue;
      Atomics.store(words, this.#slot(taken) + 6, this.#thread);
      return taken >>> 0;
    }
  }

  /** The job in a taken slot. */
  read(number: number): Job {
    const words = this.#words, slot = this.#slot(number);
    const extents = Array.from({ length: words[slot + 4] }, (_, index) => {
      const at = slot + SLOT_HEAD_WORDS + 4 * index;
      return {
        address: words[at] >>> 0,
        length: words[at + 1] >>> 0,
        offset: (words[at + 2] >>> 0) + (words[at + 3] >>> 0) * TWO_32,
      };
    });
    return {
      kind: KINDS[words[slot + 1]],
      descriptors: words[slot + 2] >>> 0,
      count: words[slot + 3] >>> 0,
      extents,
    };
  }

  /** Marks a taken job done; `result` is 0, a count of bad tags, or a negative failure. */
  finish(number: number, result: number): void {
    const words = this.#words, slot = this.#slot(number);
    words[slot + 5] = result;
    // A read's failure belongs to whoever asks for its outcome; nobody asks for that of another job.
    const isRead = KINDS[words[slot + 1]] === "read-and-open";
    if (result < 0 && !isRead) Atomics.compareExchange(words, this.#failure, 0, result);
    Atomics.store(words, slot, STATE.done);
    Atomics.add(words, this.#finished, 1);
    if (Atomics.load(words, this.#waiting) !== 0) Atomics.notify(words, this.#finished);
  }

  /** A thread has ended with jobs that it had taken: nobody must wait for them, so they end with `result`. */
  abandon(thread: number, result: number): void {
    const words = this.#words;
    for (let number = 0; number < JOBS; number++) {
      const slot = this.#slot(number);
      const isQueued = Atomics.load(words, slot) === STATE.queued;
      if (isQueued && Atomics.load(words, slot + 6) === thread) this.finish(number, result);
    }
  }

  /** Whether job `number` is done, provided its slot was not reused since. */
  isDone(number: number): boolean {
    return Atomics.load(this.#words, this.#slot(number)) === STATE.done;
  }

  /** The result of a job that is done. */
  result(number: number): number {
    return this.#words[this.#slot(number) + 5];
  }

  /** The first failure since the last call, or 0. */
  takeFailure(): number {
    return Atomics.exchange(this.#words, this.#failure, 0);
  }

  /** Waits until job `number`, which another thread runs, is done. */
  awaitDone(number: number): void {
    const words = this.#words;
    for (let spin = 0; spin < SPINS; spin++) if (this.isDone(number)) return;
    Atomics.store(words, this.#waiting, 1);
    for (;;) {
      // The count is read before the state: a job finished in between changes it, and wait returns.
      const finished = Atomics.load(words, this.#finished);
      if (this.isDone(number)) break;
      Atomics.wait(words, this.#finished, finished);
    }
    Atomics.store(words, this.#waiting, 0);
  }

  /** Takes a job, sleeping until there is one; -1 when the ring has ended and is empty. */
  takeOrSleep(): number {
    const words = this.#words;
    for (;;) {
      // Read first: whatever is added, or an end, after this changes it, and wait returns at once.
      const wake = Atomics.load(words, this.#wake);
      const number = this.take();
      if (number >= 0 || Atomics.load(words, this.#ended) !== 0) return number;
      Atomics.add(words, this.#sleepers, 1);
      Atomics.wait(words, this.#wake, wake);
      Atomics.sub(words, this.#sleepers, 1);
    }
  }

  /** Wakes every worker and makes it end once the ring is empty. */
  end(): void {
    Atomics.store(this.#words, this.#ended, 1);
    Atomics.add(this.#words, this.#wake, 1);
    Atomics.notify(this.#words, this.#wake);
  }
}
