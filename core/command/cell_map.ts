import { HEADER_SEGMENTS, headerSegments } from "../block/kept_segments.ts";
import { KIND } from "../format/seal_aad.ts";
import { CELL_BYTES, SEGMENT_CELLS } from "../limits.ts";
import type { Vault } from "../vault/vault.ts";

/** What a cell holds. */
export const CELL = { free: 0, data: 1, tree: 2, map: 3, header: 4 } as const;
/** In the order of their numbers. */
export const CELL_NAMES = ["free", "data", "tree", "map", "header"] as const;

/** What every cell of a vault holds: only whoever has the key can draw this. */
export function cellMap(vault: Vault): Uint8Array {
  const { blocks, space, dense } = vault.opened.volume.store;
  const cells = new Uint8Array(space.segments * SEGMENT_CELLS);
  // Nodes of the block map and of space have no id: what is taken and has none is theirs.
  for (let cell = 0; cell < cells.length; cell++) {
    cells[cell] = space.isFree(cell, 1) ? CELL.free : CELL.map;
  }
  blocks.entries((_id, { kind, length, places }) => {
    const count = Math.ceil(length / CELL_BYTES);
    for (const { cell } of places) {
      cells.fill(kind === KIND.data ? CELL.data : CELL.tree, cell, cell + count);
    }
  });
  // What a dense vault sets aside is taken, but nothing is there that this vault knows of.
  cells.fill(CELL.free, 0, headerSegments(dense) * SEGMENT_CELLS);
  return cells.fill(CELL.header, 0, HEADER_SEGMENTS * SEGMENT_CELLS);
}
