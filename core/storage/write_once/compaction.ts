import { CELL_BYTES } from "../../limits.ts";
import type { ObjectCache } from "./object_cache.ts";
import type { ObjectLog } from "./object_log.ts";
import type { StoredObject } from "./stored_state.ts";

/** Cells copied per sync, so that none takes long: 1 MiB, and at most one object beyond it. */
const CELLS_PER_SYNC = 256;
/** Objects that are looked for at once. */
const THIN_MAX = 256;
/** Cells that may be lost to padding and dead cells (16 MiB) beside a quarter of what is of use. */
const LOST_CELLS = 4096;

/** Copies what is of use in thin objects into the next ones, as sealed bytes, so that the thin ones can go. */
export class Compaction {
  readonly #log: ObjectLog;
  readonly #cache: ObjectCache;
  readonly #copy: (cell: number, bytes: Uint8Array) => void;
  #thin: number[] = [];
  #lookAt = 0;

  constructor(
    parts: { log: ObjectLog; cache: ObjectCache },
    copy: (cell: number, bytes: Uint8Array) => void,
  ) {
    this.#log = parts.log;
    this.#cache = parts.cache;
    this.#copy = copy;
  }

  /** Copies a bounded number of cells where too much is lost. */
  step(): void {
    const { state } = this.#log;
    if (state.objectCells - state.liveCells < LOST_CELLS + state.liveCells / 4) return;
    if (this.#thin.length === 0) this.#look();
    for (let copied = 0; copied < CELLS_PER_SYNC && this.#thin.length > 0;) {
      const id = this.#thin.pop()!;
      const object = state.objects.get(id);
      if (object !== undefined) copied += this.#empty(id, object);
    }
  }

  /** Looks for thin objects; when there were none, not again before a tenth more is lost. */
  #look(): void {
    const { state } = this.#log;
    const lost = state.objectCells - state.liveCells;
    if (lost < this.#lookAt) return;
    const thin = [...state.objects].filter(([, { cells, live }]) => live * 2 < cells)
      .sort(([, a], [, b]) => b.live / b.cells - a.live / a.cells);
    this.#thin = thin.slice(-THIN_MAX).map(([id]) => id);
    this.#lookAt = this.#thin.length > 0 ? 0 : lost * 1.1;
  }

  #empty(id: number, object: StoredObject): number {
    let copied = 0;
    let offset = 0;
    for (const { cell, count } of this.#log.footerOf(object)) {
      for (let i = 0; i < count; i++, offset++) {
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
