import { assert } from "../assert.ts";
import type { EncodedEntry } from "../format/map_entry.ts";

/** Whose tree refers to a block. */
export interface BlockOwner {
  /** The number by which the intent log knows it. */
  readonly branch: number;
  /** Told that it refers to blocks of so many cells more. */
  took(cells: number): void;
  /** Told that it gives a block up; true where nobody else has it, so that its cells come free. */
  gaveUp(id: number, birth: number, cells: number): boolean;
}

/** Whoever only reads: takes nothing, and gives nothing up. */
export const NOBODY: BlockOwner = {
  branch: 0,
  took: () => {
    assert(false, "who only reads takes nothing");
  },
  gaveUp: () => {
    assert(false, "who only reads gives nothing up");
  },
};

/** Told of every change of the map, for the intent log. */
export interface MapObserver {
  /** `owner` is null where a block only moved. */
  entryPut(id: number, entry: Uint8Array, owner: BlockOwner | null): void;
  runDropped(firstId: number, count: number, owner: BlockOwner): void;
}

/** What an entry of the map is made of. */
export interface StoredBlock extends EncodedEntry {
  /** Of a data block that was put; a move has none. */
  readonly owner: BlockOwner | null;
}
