import type { LaterBody } from "./exchange.ts";
import type { Request } from "./request.ts";

/** A request's id in the two halves that its reply repeats. */
export interface UniqueId {
  readonly uniqueLow: number;
  readonly uniqueHigh: number;
}

interface PendingReply extends UniqueId {
  /** Clock's milliseconds when the kernel asked to interrupt it; -1 before. */
  interruptedAt: number;
}

/** What the owner of pending replies does with each result. */
export interface PendingEvents {
  /** The promise of this request was kept: the answer is empty, or puts itself into the reply. */
  kept(id: UniqueId, body: LaterBody | void): void;
  /** It was broken. */
  failed(id: UniqueId, error: unknown): void;
  /** The caller was interrupted and waited long enough. */
  interrupted(id: UniqueId): void;
}

/**
 * Requests that wait for durability. An interrupted one is not answered at once: runtimes like Go's interrupt their own threads all
 * the time, and a failed fsync alarms programs. Only when the medium takes longer than the grace does the caller get EINTR.
 */
export class PendingReplies {
  readonly #byUnique = new Map<number, PendingReply>();
  readonly #events: PendingEvents;
  readonly #graceMs: number;
  #wake: () => void = () => {};
  #settled = Promise.resolve();
  #interrupts = 0;

  constructor(events: PendingEvents, graceMs: number) {
    this.#events = events;
    this.#graceMs = graceMs;
  }

  /** How many requests wait. */
  get size(): number {
    return this.#byUnique.size;
  }

  /** Answers the request when `promise` settles. */
  add(request: Request, promise: Promise<void | LaterBody>): void {
    const { unique, uniqueLow, uniqueHigh } = request;
    const entry = { uniqueLow, uniqueHigh, interruptedAt: -1 };
    if (this.#byUnique.size === 0) this.#rearm();
    this.#byUnique.set(unique, entry);
    promise.then(
      (body) => this.#finish(unique, (id) => this.#events.kept(id, body)),
      (error) => this.#finish(unique, (id) => this.#events.failed(id, error)),
    );
  }

  /** The kernel asks to interrupt a request; one that was answered already is none of our business. */
  interrupt(unique: number): void {
    const entry = this.#byUnique.get(unique);
    if (entry === undefined || entry.interruptedAt >= 0) return;
    entry.interruptedAt = performance.now();
    this.#interrupts++;
  }

  /** Fails interrupted requests whose grace is over at `nowMs`. */
  expire(nowMs: number): void {
    if (this.#interrupts === 0) return;
    for (const [unique, entry] of this.#byUnique) {
      if (entry.interruptedAt < 0 || nowMs - entry.interruptedAt < this.#graceMs) continue;
      this.#byUnique.delete(unique);
      this.#interrupts--;
      this.#events.interrupted(entry);
    }
  }

  /** The session is over: nobody waits for these answers any more. */
  abandon(): void {
    this.#byUnique.clear();
    this.#interrupts = 0;
  }

  /** Resolves when the next request settles. */
  nextSettled(): Promise<void> {
    return this.#settled;
  }

  #rearm(): void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#settled = promise;
    this.#wake = resolve;
  }

  #finish(unique: number, answer: (id: UniqueId) => void): void {
    const entry = this.#byUnique.get(unique);
    if (entry !== undefined) {
      this.#byUnique.delete(unique);
      if (entry.interruptedAt >= 0) this.#interrupts--;
      answer(entry);
    }
    this.#wake();
    this.#rearm();
  }
}
