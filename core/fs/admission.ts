import { isFull, isOverQuota } from "../errors.ts";
import { CELL_BYTES } from "../limits.ts";
import type { VolumeStore } from "../volume/volume_store.ts";
import { FREE_BLOCKS_PER_GROUP, type Removal } from "./removal.ts";

/** Cells that the tree's nodes on the way to a few records may take. */
const RECORD_CELLS = 16;
/** Groups of deleted blocks freed before a full medium is reported. */
const RECLAIM_GROUPS = 16;

/** Asks for space before anything changes, so that ENOSPC leaves everything as it was. */
export class Admission {
  readonly #store: VolumeStore;
  readonly #removal: Removal;

  constructor(store: VolumeStore, removal: Removal) {
    this.#store = store;
    this.#removal = removal;
  }

  /** Space for `cells` of data and a few records. */
  write(cells: number): void {
    this.#admit(cells, "write");
  }

  /**
   * The same for data of which some have their space already: `kept` says how many, if anybody has to know. A quota wants that
   * exactly; what a full vault has left over for growth is bounded anyway.
   */
  writeOver(cells: number, kept: (exactly: boolean) => number): void {
    // All of it is dirty already, and its cells are promised.
    if (cells === 0) return this.#admit(0, "kept");
    let known = (this.#store.setAside ?? 0) > 0 ? kept(true) : 0;
    try {
      if (known < cells) this.#admit(cells - known, "write");
    } catch (error) {
      if (!isFull(error) && !isOverQuota(error)) throw error;
      // What gave way may have had the blocks that this replaces.
      known = kept(isOverQuota(error));
      if (known === 0) throw error;
      if (known < cells) this.#admit(cells - known, "write");
    }
    if (known > 0) this.#admit(cells, "kept");
  }

  #admit(cells: number, purpose: "write" | "kept" | "cut", blockBytes?: number): void {
    try {
      this.#store.admit(cells + RECORD_CELLS, purpose, blockBytes);
    } catch (error) {
      if (!isFull(error)) throw error;
      this.#removal.reclaim(RECLAIM_GROUPS * FREE_BLOCKS_PER_GROUP);
      this.#store.admit(cells + RECORD_CELLS, purpose, blockBytes);
    }
  }

  /** Space for something that gives space back. */
  remove(): void {
    this.#store.admit(RECORD_CELLS, "delete");
  }

  /** The same, where full blocks of so many cells are sealed again for it. */
  replace(cells: number): void {
    if (cells === 0) this.remove();
    else this.#admit(cells, "kept");
  }

  /** The same, where one block is sealed again at once, and has so many cells left. */
  cut(cells: number): void {
    if (cells === 0) this.remove();
    else this.#admit(cells, "cut", cells * CELL_BYTES);
  }
}
