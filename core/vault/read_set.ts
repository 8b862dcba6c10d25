import { VaultError } from "../errors.ts";

/** Reads that one transaction may remember: it bounds its memory. */
const READS_MAX = 1 << 20;
/** After every key. */
export const END = "\uffff";

/** Bytes of a key that say whose record it is: type and inode. */
export const FAMILY_BYTES = 7;
/** In place of a family: a range that is not within one. */
const ANY = END;

const familyOf = (key: string) => key.slice(0, FAMILY_BYTES);

/** Which keys of a tree were read, and which ranges were looked through. Keys are strings of one character for each byte. */
export class ReadSet {
  readonly #keys = new Set<string>();
  /** What all keys of a range begin with → its first key → its last one. */
  readonly #ranges = new Map<string, Map<string, string>>();
  #rangeCount = 0;

  addKey(key: string): void {
    this.#keys.add(key);
    this.#requireRoom();
  }

  /** Everything from `from` to `to`, both included: what is there, and that nothing else is. */
  addRange(from: string, to: string): void {
    const family = familyOf(from);
    const isWithin = to === family + END || familyOf(to) === family;
    const name = isWithin && family.length === FAMILY_BYTES ? family : ANY;
    const ranges = this.#ranges.get(name) ?? new Map<string, string>();
    this.#ranges.set(name, ranges);
    const known = ranges.get(from);
    if (known === undefined) this.#rangeCount++;
    if (known === undefined || known < to) ranges.set(from, to);
    this.#requireRoom();
  }

  /** True where a change of `key` changes what was read. */
  covers(key: string): boolean {
    return this.#keys.has(key) || this.#isIn(familyOf(key), key) || this.#isIn(ANY, key);
  }

  #isIn(family: string, key: string): boolean {
    for (const [from, to] of this.#ranges.get(family) ?? []) {
      if (from <= key && key <= to) return true;
    }
    return false;
  }

  clear(): void {
    this.#keys.clear();
    this.#ranges.clear();
    this.#rangeCount = 0;
  }

  #requireRoom(): void {
    if (this.#keys.size + this.#rangeCount <= READS_MAX) return;
    throw new VaultError("unavailable", "Cannot read so much in one transaction: make several", {
      operation: "transaction",
      errno: "ENOMEM",
    });
  }
}
