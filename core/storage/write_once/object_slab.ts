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

  /** Runs of cells, in the order of their places. */
  get held(): readonly CellRun[] {
    return this.#held;
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
    const place = this.#places.size;
    this.#places.set(cell, place);
    const last = this.#held.at(-1);
    if (last !== undefined && last.cell + last.count === cell) last.count++;
    else this.#held.push({ cell, count: 1 });
    return this.#at(place);
  }

  /** The cells that wait from `cell` on. */
  *from(cell: number): Generator<Uint8Array> {
    for (const [waiting, place] of this.#places) if (waiting >= cell) yield this.#at(place);
  }

  #at(place: number): Uint8Array {
    return this.#bytes.subarray(place * CELL_BYTES, (place + 1) * CELL_BYTES);
  }

  /** The object: cells, noise up to a size of the ladder, and room for the footer in its last cell. */
  build(random: (bytes: Uint8Array<ArrayBuffer>) => void): Uint8Array<ArrayBuffer> {
    const used = this.#places.size * CELL_BYTES;
    const object = new Uint8Array(ladderCells(this.#places.size + 1) * CELL_BYTES);
    object.set(this.#bytes.subarray(0, used));
    random(object.subarray(used, object.length - CELL_BYTES));
    return object;
  }

  /** Begins the next object. */
  clear(): void {
    this.#places.clear();
    this.#held = [];
  }
}
