import { decodeMapEntry, type MapEntry } from "../format/map_entry.ts";

const FIRST_NODES = 256;
const FIRST_BYTES = 72 * FIRST_NODES;

/** The coordinates of all tree nodes, encoded as the map has them: some 90 bytes for each. */
export class TreeNodes {
  #ids = new Float64Array(FIRST_NODES);
  #ends = new Float64Array(FIRST_NODES);
  #bytes = new Uint8Array(FIRST_BYTES);
  #count = 0;

  /** Adds a node; ids ascend. */
  add(id: number, entry: Uint8Array): void {
    const from = this.#count === 0 ? 0 : this.#ends[this.#count - 1];
    if (this.#count === this.#ids.length) {
      this.#ids = copied(this.#ids, new Float64Array(2 * this.#count));
      this.#ends = copied(this.#ends, new Float64Array(2 * this.#count));
    }
    while (from + entry.length > this.#bytes.length) {
      this.#bytes = copied(this.#bytes, new Uint8Array(2 * this.#bytes.length));
    }
    this.#bytes.set(entry, from);
    this.#ids[this.#count] = id;
    this.#ends[this.#count++] = from + entry.length;
  }

  /** The entry of a node, or undefined. */
  get(id: number): MapEntry | undefined {
    let [low, high] = [0, this.#count - 1];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#ids[middle] < id) low = middle + 1;
      else high = middle;
    }
    if (this.#ids[low] !== id || low >= this.#count) return undefined;
    return decodeMapEntry(this.#bytes.slice(low === 0 ? 0 : this.#ends[low - 1], this.#ends[low]));
  }
}

function copied<T extends { set(from: T): void }>(from: T, to: T): T {
  to.set(from);
  return to;
}
