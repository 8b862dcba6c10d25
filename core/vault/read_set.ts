import { VaultError } from "../errors.ts";

/** Reads that one transaction may remember: it bounds its memory. */
const READS_MAX = 1 << 20;
/** After every key. */
export const END = "\uffff";

/** Which keys of a tree were read, and which ranges were looked through. Keys are strings of one character for each byte. */
export class ReadSet {
  readonly #keys = new Set<string>();
  /** First key of a range → its last one. */
  readonly #ranges = new Map<string, string>();

  addKey(key: string): void {
    this.#keys.add(key);
    this.#requireRoom();
  }

  /** Everything from `from` to `to`, both included: what is there, and that nothing else is. */
  addRange(from: string, to: string): void {
    const known = this.#ranges.get(from);
    if (known === undefined || known < to) this.#ranges.set(from, to);
    this.#requireRoom();
  }

  /** True where a change of `key` changes what was read. */
  covers(key: string): boolean {
    if (this.#keys.has(key)) return true;
    for (const [from, to] of this.#ranges) if (from <= key && key <= to) return true;
    return false;
  }

  clear(): void {
    this.#keys.clear();
    this.#ranges.clear();
  }

  #requireRoom(): void {
    if (this.#keys.size + this.#ranges.size <= READS_MAX) return;
    throw new VaultError("unavailable", "Cannot read so much in one transaction: make several", {
      operation: "transaction",
      errno: "ENOMEM",
    });
  }
}
