import { VaultError } from "../../errors.ts";
import { ladderCells, OBJECT_CELLS_MAX } from "../../format/write_once.ts";
import { CELL_BYTES } from "../../limits.ts";
import type { ObjectCache } from "./object_cache.ts";
import type { ObjectLog } from "./object_log.ts";
import type { StoredObject } from "./stored_state.ts";

/** Cells copied per sync at least (1 MiB): as many as were written where that is more, so that it keeps up with them. */
const CELLS_PER_SYNC = 256;
/** Objects that are looked for at once. */
const THIN_MAX = 256;
/** Cells that may be lost to padding and dead cells (16 MiB) beside a quarter of what is of use. */
const LOST_CELLS = 4096;

/** What one step may do, in cells. */
export interface CompactionStep {
  /** Written since the step before. */
  readonly written: number;
  /** In the object that is being filled. */
  readonly waiting: number;
  /** Not more than this: what is copied needs room before it gives any. */
  readonly most: number;
}

/**
 * Copies what is of use in thin objects into the next ones, as sealed bytes, so that the thin ones can go. Of an object
 * whose live share is below half, copying one cell gives more than one back: to copy as much as is written is enough.
 */
export class Compaction {
  readonly #log: ObjectLog;
  readonly #cache: ObjectCache;
  readonly #copy: (cell: number, bytes: Uint8Array) => void;
  #thin: number[] = [];
  #lookAt = 0;
  /** Objects that could not be read: they stay, and whoever reads their cells is told. */
  readonly #unreadable = new Set<string>();

  constructor(
    parts: { log: ObjectLog; cache: ObjectCache },
    copy: (cell: number, bytes: Uint8Array) => void,
  ) {
    this.#log = parts.log;
    this.#cache = parts.cache;
    this.#copy = copy;
  }

  /** Copies a bounded number of cells where too much is lost, at most `most`. */
  step({ written, waiting, most }: CompactionStep): void {
    const { state } = this.#log;
    if (state.objectCells - state.liveCells < LOST_CELLS + state.liveCells / 4) return;
    if (this.#thin.length === 0) this.#look();
    let left = Math.min(most, cellsToCopy(Math.max(CELLS_PER_SYNC, written), waiting));
    while (left > 0 && this.#thin.length > 0) {
      const id = this.#thin.pop()!;
      const object = state.objects.get(id);
      if (object === undefined || !this.#isThin(object)) continue;
      left -= this.#copyFrom(id, object, left);
      if (left === 0) this.#thin.push(id);
    }
  }

  #isThin({ name, cells, live }: StoredObject): boolean {
    return live * 2 < cells && !this.#unreadable.has(name);
  }

  /** Looks for thin objects; when there were none, not again before a tenth more is lost. */
  #look(): void {
    const { state } = this.#log;
    const lost = state.objectCells - state.liveCells;
    if (lost < this.#lookAt) return;
    const thin = [...state.objects].filter(([, object]) => this.#isThin(object))
      .sort(([, a], [, b]) => b.live / b.cells - a.live / a.cells);
    this.#thin = thin.slice(-THIN_MAX).map(([id]) => id);
    this.#lookAt = this.#thin.length > 0 ? 0 : lost * 1.1;
  }

  #copyFrom(id: number, object: StoredObject, most: number): number {
    try {
      return this.#copyCells(id, object, most);
    } catch (error) {
      const isDamaged = error instanceof VaultError && error.kind === "corrupt";
      if (!isDamaged) throw error;
      this.#unreadable.add(object.name);
      return 0;
    }
  }

  /** Those that have been copied before are found in another object, or wait for one. */
  #copyCells(id: number, object: StoredObject, most: number): number {
    let copied = 0;
    let offset = 0;
    for (const { cell, count } of this.#log.footerOf(object)) {
      for (let i = 0; i < count; i++, offset++) {
        if (copied === most) return copied;
        const run = this.#log.state.index.find(cell + i);
        if (run?.object !== id || run.offset + cell + i - run.cell !== offset) continue;
        const bytes = new Uint8Array(CELL_BYTES);
        const size = object.cells * CELL_BYTES;
        this.#cache.read({ name: object.name, size }, offset * CELL_BYTES, bytes);
        this.#copy(cell + i, bytes);
        copied++;
      }
    }
    return copied;
  }
}

/** About so many, but as many as fill an object: what is not copied then would be noise. */
function cellsToCopy(about: number, waiting: number): number {
  const whole = waiting + about + 1;
  if (whole > OBJECT_CELLS_MAX) return about;
  const more = ladderCells(whole) - 1 - waiting;
  const fewer = ladderCells(whole) / 2 - 1 - waiting;
  return fewer * 2 >= about ? fewer : more;
}
