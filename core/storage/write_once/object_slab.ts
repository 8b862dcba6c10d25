import { assert } from "../../assert.ts";
import {
  type CellRun,
  FOOTER_RUNS_MAX,
  ladderCells,
  OBJECT_CELLS_MAX,
} from "../../format/write_once.ts";
import { CELL_BYTES } from "../../limits.ts";

/** Runs of a footer that are left to dropped cells. */
export const DROPPED_RUNS_MAX = 128;
const HELD_RUNS_MAX = FOOTER_RUNS_MAX - DROPPED_RUNS_MAX;
/** Cells (512 KiB) that have to be saved for two objects to be made instead of one. */
const SAVED_CELLS_MIN = 128;

/** The object that is being filled: cells in the order in which they were first written. */
export class ObjectSlab {
  /** Cells that it takes beside the footer. */
  readonly #cellsMax: number;
  /** Made when first written to: who only reads needs none. */
  #bytes = new Uint8Array(0);
  readonly #places = new Map<number, number>();
  #held: { cell: number; count: number }[] = [];

  /** Fills objects of at most so many bytes. */
  constructor(objectBytesMax: number) {
    assert(objectBytesMax <= OBJECT_CELLS_MAX * CELL_BYTES, "an object has its limit");
    this.#cellsMax = objectBytesMax / CELL_BYTES - 1;
  }

  /** True where nothing waits. */
  get isEmpty(): boolean {
    return this.#places.size === 0;
  }

  /** Cells that wait. */
  get cells(): number {
    return this.#places.size;
  }

  /** True where the next cell may not fit. */
  get isFull(): boolean {
    return this.#places.size === this.#cellsMax || this.#held.length === HELD_RUNS_MAX;
  }

  /** The runs of the first cells, in the order of their places. */
  heldIn(cells: number): CellRun[] {
    const held: CellRun[] = [];
    let left = cells;
    for (const { cell, count } of this.#held) {
      if (left === 0) break;
      held.push({ cell, count: Math.min(count, left) });
      left -= Math.min(count, left);
    }
    return held;
  }

  /** The bytes of a cell that waits, to be read or changed; null where it does not. */
  find(cell: number): Uint8Array | null {
    const place = this.#places.get(cell);
    return place === undefined ? null : this.#at(place);
  }

  /** A place for a cell that does not wait yet; the caller fills it. */
  add(cell: number): Uint8Array {
    assert(!this.isFull && !this.#places.has(cell), "a cell has one place");
    if (this.#bytes.length === 0) this.#bytes = new Uint8Array(this.#cellsMax * CELL_BYTES);
    return this.#at(this.#note(cell));
  }

  /** Gives a cell the next place. */
  #note(cell: number): number {
    const place = this.#places.size;
    this.#places.set(cell, place);
    const last = this.#held.at(-1);
    if (last !== undefined && last.cell + last.count === cell) last.count++;
    else this.#held.push({ cell, count: 1 });
    return place;
  }

  /** The cells that wait from `cell` on. */
  *from(cell: number): Generator<Uint8Array> {
    for (const [waiting, place] of this.#places) if (waiting >= cell) yield this.#at(place);
  }

  #at(place: number): Uint8Array {
    return this.#bytes.subarray(place * CELL_BYTES, (place + 1) * CELL_BYTES);
  }

  /**
   * How many cells the next object takes: all, but where an object of half the size and another one together are smaller by
   * as much as makes up for one object more.
   */
  get nextCells(): number {
    const { cells } = this;
    const size = ladderCells(cells + 1);
    const first = size / 2 - 1;
    const rest = cells - first;
    const saved = rest > 0 ? size / 2 - ladderCells(rest + 1) : 0;
    return saved >= SAVED_CELLS_MIN ? first : cells;
  }

  /** The object of the first cells: those, noise up to a size of the ladder, and room for the footer in its last cell. */
  build(cells: number, random: (bytes: Uint8Array<ArrayBuffer>) => void): Uint8Array<ArrayBuffer> {
    const used = cells * CELL_BYTES;
    const object = new Uint8Array(ladderCells(cells + 1) * CELL_BYTES);
    object.set(this.#bytes.subarray(0, used));
    random(object.subarray(used, object.length - CELL_BYTES));
    return object;
  }

  /** The first cells wait no more. */
  removeFirst(cells: number): void {
    const left = [...this.#places.keys()].slice(cells);
    this.#bytes.copyWithin(0, cells * CELL_BYTES, this.#places.size * CELL_BYTES);
    this.#places.clear();
    this.#held = [];
    for (const cell of left) this.#note(cell);
  }
}
