import { assert } from "../assert.ts";
import { viewOf } from "../bytes.ts";

/** Values lie in chunks of this many bytes. */
const CHUNK_BYTES = 65536;
/** In front of each value. */
const LENGTH_BYTES = 2;
/** In place of a value: there was none. */
const ABSENT = -1;
/** Memory that one key takes beside its bytes: an entry of a map and the head of a string. */
const ENTRY_BYTES = 100;

/** What each changed key of a tree held before, in as little memory as can be: a transaction may change a million of them. */
export class UndoLog {
  /** Keys as strings of one character for each byte → where the value lies. */
  readonly #places = new Map<string, number>();
  readonly #chunks: Uint8Array[] = [];
  #end = 0;

  /** Memory that it takes, about. */
  bytes = 0;

  /** Remembers what a key held, null: nothing; unless the key is known. `valueOf` is asked only then. */
  add(key: Uint8Array, valueOf: () => Uint8Array | null): void {
    const name = String.fromCharCode(...key);
    if (this.#places.has(name)) return;
    const value = valueOf();
    this.#places.set(name, value === null ? ABSENT : this.#store(value));
    this.bytes += ENTRY_BYTES + key.length + (value?.length ?? 0);
  }

  /** Each key with what it held, in the order of adding; values are views. */
  *entries(): Generator<[Uint8Array, Uint8Array | null]> {
    for (const [name, place] of this.#places) {
      const key = Uint8Array.from(name, (character) => character.charCodeAt(0));
      yield [key, place === ABSENT ? null : this.#value(place)];
    }
  }

  #store(value: Uint8Array): number {
    const length = LENGTH_BYTES + value.length;
    assert(length <= CHUNK_BYTES, "a tree's value fits a chunk");
    const room = this.#chunks.length * CHUNK_BYTES - this.#end;
    if (room < length) {
      this.#end += room;
      this.#chunks.push(new Uint8Array(CHUNK_BYTES));
    }
    const place = this.#end;
    const chunk = this.#chunks[this.#chunks.length - 1];
    const at = place % CHUNK_BYTES;
    viewOf(chunk).setUint16(at, value.length);
    chunk.set(value, at + LENGTH_BYTES);
    this.#end += length;
    return place;
  }

  #value(place: number): Uint8Array {
    const chunk = this.#chunks[Math.floor(place / CHUNK_BYTES)];
    const at = place % CHUNK_BYTES;
    const from = at + LENGTH_BYTES;
    return chunk.subarray(from, from + viewOf(chunk).getUint16(at));
  }
}
