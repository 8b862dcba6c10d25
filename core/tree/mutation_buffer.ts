import { assert } from "../assert.ts";
import { putU32BE } from "../bytes.ts";
import { MUTATION, MUTATION_HEAD_BYTES } from "../format/log_record.ts";

const NONE = new Uint8Array(0);

/** Mutations that wait for a log record or a root, encoded as FORMAT.md §11 says. */
export class MutationBuffer {
  private bytes = new Uint8Array(64 * 1024);
  private length = 0;
  /** Bytes of groups that have ended. */
  private ended = 0;
  private readonly limit: number;
  /** The branch that was named last. */
  private branch = 0;
  private readonly branchKey = new Uint8Array(4);
  /** More came than the limit: only a root can make it durable. */
  overflowed = false;

  /** Keeps at most `limit` bytes. */
  constructor(limit: number) {
    this.limit = limit;
  }

  /** Appends a mutation of a branch to the group that is open. */
  addTo(branch: number, operation: number, key: Uint8Array, value: Uint8Array): void {
    if (branch !== this.branch) {
      this.branch = branch;
      putU32BE(this.branchKey, 0, branch);
      this.add(MUTATION.branch, this.branchKey, NONE);
    }
    this.add(operation, key, value);
  }

  /** Appends a mutation that is of no branch to the group that is open. */
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

  /** Forgets the groups that have ended: they are durable. None is open. */
  clearEnded(): void {
    assert(this.ended === this.length, "a log record holds every group");
    this.clear();
  }

  /** Forgets everything: a root holds it. */
  clear(): void {
    this.branch = 0;
    this.length = 0;
    this.ended = 0;
    this.overflowed = false;
  }
}
