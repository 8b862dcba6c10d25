import { VaultError } from "../errors.ts";
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
    try {
      this.#store.admit(cells + RECORD_CELLS, "write");
    } catch (error) {
      if (!(error instanceof VaultError) || error.errno !== "ENOSPC") throw error;
      this.#removal.reclaim(RECLAIM_GROUPS * FREE_BLOCKS_PER_GROUP);
      this.#store.admit(cells + RECORD_CELLS, "write");
    }
  }

  /** Space for something that gives space back. */
  remove(cells: number): void {
    this.#store.admit(cells + RECORD_CELLS, "delete");
  }
}
