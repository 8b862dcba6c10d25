import type { KeyValueTree } from "../volume/volume_store.ts";
import { END, FAMILY_BYTES, type ReadSet } from "./read_set.ts";

/** Longest key of a tree. */
const KEY_BYTES_MAX = 64;

/** A key as a string of one character for each byte: strings and keys have the same order. */
export function nameOfKey(key: Uint8Array): string {
  return String.fromCharCode(...key);
}

/** The bytes of such a string. */
export function keyOfName(name: string): Uint8Array {
  return Uint8Array.from(name, (character) => character.charCodeAt(0));
}

/** A tree with changes of its own over another one, which stays as it is; what is read of that one is noted. */
export class OverlayTree implements KeyValueTree {
  readonly #base: KeyValueTree;
  readonly #reads: ReadSet;
  /** Null where the key was deleted. */
  readonly #changes = new Map<string, Uint8Array | null>();
  /** The keys of the changes, in order. */
  #names: string[] = [];
  /** Bytes of keys and values that were changed. */
  bytes = 0;
  /** Mutations so far. */
  applied = 0;

  constructor(base: KeyValueTree, reads: ReadSet) {
    this.#base = base;
    this.#reads = reads;
  }

  /** What is different here, in order; null: deleted. */
  *changes(): Generator<[Uint8Array, Uint8Array | null]> {
    for (const name of this.#names) yield [keyOfName(name), this.#changes.get(name) ?? null];
  }

  /** Forgets all changes. */
  clear(): void {
    this.#changes.clear();
    this.#names = [];
    this.bytes = 0;
  }

  get(key: Uint8Array): Uint8Array | null {
    const name = nameOfKey(key);
    const changed = this.#changes.get(name);
    if (changed !== undefined) return changed;
    this.#reads.addKey(name);
    return this.#base.get(key);
  }

  put(key: Uint8Array, value: Uint8Array): void {
    this.#set(nameOfKey(key), value.slice());
  }

  delete(key: Uint8Array): boolean {
    if (this.get(key) === null) return false;
    this.#set(nameOfKey(key), null);
    return true;
  }

  scan(from: Uint8Array, visit: (key: Uint8Array, value: Uint8Array) => boolean): void {
    const start = nameOfKey(from);
    let at = this.#indexOf(start);
    let last = END;
    const show = (name: string, value: Uint8Array | null): boolean => {
      if (value === null || visit(keyOfName(name), value)) return true;
      last = name;
      return false;
    };
    const showOwnBefore = (limit: string): boolean => {
      while (at < this.#names.length && this.#names[at] < limit) {
        const name = this.#names[at++];
        if (!show(name, this.#changes.get(name) ?? null)) return false;
      }
      return true;
    };
    this.#base.scan(from, (key, value) => {
      const name = nameOfKey(key);
      if (!showOwnBefore(name)) return false;
      if (this.#names[at] !== name) return show(name, value);
      at++;
      return show(name, this.#changes.get(name) ?? null);
    });
    if (last === END) showOwnBefore(END);
    this.#noteRange(start, { from: start, to: last });
  }

  floor(key: Uint8Array, visit: (key: Uint8Array, value: Uint8Array) => void): boolean {
    const start = nameOfKey(key);
    const own = this.#ownFloor(start);
    const below = this.#baseFloor(key);
    this.#noteRange(start, { from: below?.name ?? "", to: start });
    const found = below === null || (own !== null && own.name >= below.name) ? own : below;
    if (found === null) return false;
    visit(keyOfName(found.name), found.value);
    return true;
  }

  /**
   * Who looks for records of one inode takes those of others for the end, whichever they are: only what is of that inode in the
   * range was read. Otherwise making two files side by side would be a conflict.
   */
  #noteRange(start: string, { from, to }: { readonly from: string; readonly to: string }): void {
    const family = start.slice(0, FAMILY_BYTES);
    const isOfOne = family.length === FAMILY_BYTES && /[^\0]/.test(family.slice(1));
    if (!isOfOne) return this.#reads.addRange(from, to);
    const end = family + END;
    this.#reads.addRange(from < family ? family : from, to > end ? end : to);
  }

  #ownFloor(start: string): { name: string; value: Uint8Array } | null {
    let at = this.#indexOf(start);
    if (this.#names[at] !== start) at--;
    for (; at >= 0; at--) {
      const name = this.#names[at];
      const value = this.#changes.get(name) ?? null;
      if (value !== null) return { name, value };
    }
    return null;
  }

  /** The last entry of the base up to `key` that was not deleted here. */
  #baseFloor(key: Uint8Array): { name: string; value: Uint8Array } | null {
    for (let bound: Uint8Array | null = key; bound !== null;) {
      let found: { key: Uint8Array; value: Uint8Array } | null = null;
      const take = (at: Uint8Array, value: Uint8Array) => {
        found = { key: at.slice(), value: value.slice() };
      };
      if (!this.#base.floor(bound, take) || found === null) return null;
      const { key: at, value }: { key: Uint8Array; value: Uint8Array } = found;
      const name = nameOfKey(at);
      if (this.#changes.get(name) !== null) return { name, value };
      bound = keyBefore(at);
    }
    return null;
  }

  #set(name: string, value: Uint8Array | null): void {
    this.applied++;
    const before = this.#changes.get(name);
    if (before === undefined) {
      this.#names.splice(this.#indexOf(name), 0, name);
      this.bytes += name.length;
    }
    this.bytes += (value?.length ?? 0) - (before?.length ?? 0);
    this.#changes.set(name, value);
  }

  /** How many changed keys lie before `name`. */
  #indexOf(name: string): number {
    let low = 0;
    for (let high = this.#names.length; low < high;) {
      const middle = (low + high) >>> 1;
      if (this.#names[middle] < name) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** The last possible key before `key`; null before the first one. */
function keyBefore(key: Uint8Array): Uint8Array | null {
  const last = key.length - 1;
  if (last < 0) return null;
  if (key[last] === 0) return key.slice(0, last);
  const before = new Uint8Array(KEY_BYTES_MAX).fill(0xff);
  before.set(key);
  before[last]--;
  before.fill(0xff, last + 1);
  return before;
}
