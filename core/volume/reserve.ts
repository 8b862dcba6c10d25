import { CELL_BYTES } from "../limits.ts";

/** Cells that a root takes beside changed pages: the log's first chunk, its record, the paths of map and space. */
const ROOT_CELLS = 48;
/** What a root gives up comes back three roots later: room for these, and for the one that starts them. */
export const RESERVE_CELLS_MIN: number = 4 * ROOT_CELLS;
/** Commits that change nothing keep about so many cells at rest. */
export const RESTING_CELLS_MIN: number = 2 * ROOT_CELLS;
/** A full vault commits to make room only where that brings so much: it is then not full again at once. */
export const COMMIT_GAIN_CELLS = 128;
/** Cells of tree pages that putting one dirty block may change. */
const TREE_CELLS_PER_BLOCK = 4;
/** A vault keeps this share for deleting on a full medium. */
const RESERVE_SHARE = 1 / 64;
/** But not more than this (256 MiB). */
const RESERVE_CELLS_MAX = 65536;

/** What the next root has to write, and how large the vault can be. */
export interface Burden {
  /** Changed tree pages. */
  readonly dirtyBytes: number;
  /** Blocks that are dirty in memory. */
  readonly promisedBlocks: number;
  /** Cells of the vault. */
  readonly capacity: number;
  /** Copies of every node, root and log record. */
  readonly copies: number;
}

/**
 * Cells that must stay free: for the trees that grow with what is written, for roots, and for deleting. For a root alone, what
 * it takes at worst: no less may be left before a change.
 */
export function reservedCells(burden: Burden, purpose: "write" | "delete" | "root"): number {
  const { dirtyBytes, promisedBlocks, capacity, copies } = burden;
  const perPage = purpose === "root" ? 1 : 2;
  const once = RESERVE_CELLS_MIN + Math.ceil(perPage * dirtyBytes / CELL_BYTES) +
    Math.ceil(TREE_CELLS_PER_BLOCK * promisedBlocks);
  const trees = copies * once;
  if (purpose !== "write") return trees;
  return trees +
    Math.min(RESERVE_CELLS_MAX, RESERVE_CELLS_MIN + Math.ceil(capacity * RESERVE_SHARE));
}
