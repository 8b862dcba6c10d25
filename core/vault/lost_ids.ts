/** Blocks that cannot be read: single ones, and ranges whose entries in the block map are gone. */
export class LostIds {
  readonly #ids: Float64Array;
  readonly #ranges: readonly IdRange[];

  /** In any order. */
  constructor(ids: Iterable<number>, ranges: readonly IdRange[]) {
    this.#ids = Float64Array.from(ids).sort();
    this.#ranges = ranges;
  }

  /** True where one lies in `count` ids from `first` on. */
  within(first: number, count: number): boolean {
    let [low, high] = [0, this.#ids.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#ids[middle] < first) low = middle + 1;
      else high = middle;
    }
    if (low < this.#ids.length && this.#ids[low] < first + count) return true;
    return this.#ranges.some(({ from, end }) => from < first + count && first < end);
  }
}

/** Ids from `from` up to, and without, `end`. */
export interface IdRange {
  readonly from: number;
  readonly end: number;
}
