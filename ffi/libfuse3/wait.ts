import { addressOf, type Libc } from "../libc/symbols.ts";
import type { ServedSession } from "./served_session.ts";

const POLLIN = 1;
/** Bytes of a `struct pollfd`: descriptor, events, revents. */
const POLLFD_BYTES = 8;
/** Room for two, kept above 64 bytes so that it lies outside the JavaScript heap and cannot move. */
const SET_BYTES = 128;
const EVENTFD_BYTES = 8n;

/** Waits until the FUSE device has a request or another thread calls. */
export class DescriptorWait {
  readonly #libc: Libc;
  readonly #session: ServedSession;
  /** One set for the blocking call and one for the call in the pool, which may still be under way. */
  readonly #blocking: PollSet;
  readonly #pooled: PollSet;
  readonly #drain = new Uint8Array(new ArrayBuffer(SET_BYTES));
  #underWay: Promise<void> | null = null;

  constructor(libc: Libc, session: ServedSession) {
    this.#libc = libc;
    this.#session = session;
    this.#blocking = new PollSet(session);
    this.#pooled = new PollSet(session);
  }

  /** Blocks this thread for at most `timeoutMs`; who has ended that. */
  block(timeoutMs: number): "nobody" | "request" | "call" {
    const { address, count } = this.#blocking;
    const ready = this.#libc.symbols.poll(address, count, timeoutMs);
    if (ready <= 0) return "nobody";
    return this.#acknowledge(this.#blocking) ? "call" : "request";
  }

  /** Waits for at most `timeoutMs` without blocking this thread. A wait that is still under way is joined. */
  inPool(timeoutMs: number): Promise<void> {
    this.#underWay ??= this.#pollInPool(timeoutMs);
    return this.#underWay;
  }

  /** Resolves when no call uses the descriptors any more. */
  async finish(): Promise<void> {
    await this.#underWay;
  }

  async #pollInPool(timeoutMs: number): Promise<void> {
    const { address, count } = this.#pooled;
    await this.#libc.symbols.pollInPool(address, count, timeoutMs);
    this.#acknowledge(this.#pooled);
    this.#underWay = null;
  }

  /** Empties the eventfd where it was written to. */
  #acknowledge(set: PollSet): boolean {
    if (!set.called) return false;
    const { symbols } = this.#libc;
    symbols.read(this.#session.wakeDescriptor, addressOf(this.#drain), EVENTFD_BYTES);
    return true;
  }
}

/** A `struct pollfd[2]` in memory that does not move. */
class PollSet {
  readonly #bytes = new Uint8Array(new ArrayBuffer(SET_BYTES));
  readonly #view = new DataView(this.#bytes.buffer);
  readonly address: bigint = addressOf(this.#bytes);
  readonly count: bigint;

  constructor(session: ServedSession) {
    const descriptors = session.wakeDescriptor < 0
      ? [session.descriptor]
      : [session.descriptor, session.wakeDescriptor];
    this.count = BigInt(descriptors.length);
    descriptors.forEach((descriptor, index) => {
      this.#view.setInt32(index * POLLFD_BYTES, descriptor, true);
      this.#view.setInt16(index * POLLFD_BYTES + 4, POLLIN, true);
    });
  }

  /** The eventfd is readable. */
  get called(): boolean {
    return this.count > 1n && (this.#view.getInt16(POLLFD_BYTES + 6, true) & POLLIN) !== 0;
  }
}
