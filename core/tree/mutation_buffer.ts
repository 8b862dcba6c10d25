import { MUTATION_HEAD_BYTES } from "../format/log_record.ts";

/** Mutations that wait for a log record or a root, encoded as FORMAT.md §11 says. */
export class MutationBuffer {
  private bytes = new Uint8Array(64 * 1024);
  private length = 0;
  /** Bytes of groups that have ended. */
  private ended = 0;
  private readonly limit: number;
  /** More came than the limit: only a root can make it durable. */
  overflowed = false;

  /** Keeps at most `limit` bytes. */
  constructor(limit: number) {
    this.limit = limit;
  }

  /** Appends a mutation to the group that is open. */
  add(operation: number, key: Uint8Array, value: Uint8Array): void {
    if (this.overflowed) return;
    const size = MUTATION_HEAD_BYTES + key.length + value.length;
    if (this.length + size > this.limit) {
      this.overflowed = true;
      return;
    }
    if (this.length + size > this.bytes.length) this.widen(this.length + size);
    const { bytes } = this;
    let at = this.length;
    bytes[at++] = operation;
    bytes[at++] = key.length;
    bytes[at++] = value.length;
    bytes[at++] = value.length >>> 8;
    bytes.set(key, at);
    bytes.set(value, at + key.length);
    this.length += size;
  }

  private widen(size: number): void {
    const wider = new Uint8Array(Math.min(this.limit, Math.max(size, 2 * this.bytes.length)));
    wider.set(this.bytes.subarray(0, this.length));
    this.bytes = wider;
  }

  /** Ends the group: it is logged whole or not at all. */
  endGroup(): void {
    this.ended = this.length;
  }

  /** A view of the groups that have ended. */
  endedBytes(): Uint8Array {
    return this.bytes.subarray(0, this.ended);
  }

  /** Forgets the groups that have ended: they are durable. */
  clearEnded(): void {
    this.bytes.copyWithin(0, this.ended, this.length);
    this.length -= this.ended;
    this.ended = 0;
  }

  /** Forgets everything: a root holds it. */
  clear(): void {
    this.length = 0;
    this.ended = 0;
    this.overflowed = false;
  }
}
