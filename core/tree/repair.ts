import { leftAlone } from "../block/block_store.ts";
import { contentCells } from "../format/map_entry.ts";
import { CELL_BYTES } from "../limits.ts";
import type { TreeStore } from "./tree_store.ts";

/**
 * Writes anew what reads have found bad: blocks at once, nodes of map, space and catalog with the next root. There is room for
 * what is no larger than the vault's own blocks; `hasRoom` says so of others.
 */
export function repairFound(store: TreeStore, hasRoom: (blockBytes: number) => boolean): void {
  const { damage, blocks } = store;
  const found = damage.take();
  for (const [id, bad] of found.blocks) {
    const entry = blocks.entry(id);
    if (entry === null) continue; // dropped since
    const isLarge = entry.length > store.blockBytes;
    const repaired = (!isLarge || hasRoom(contentCells(entry) * CELL_BYTES)) && rewrite(store, id);
    damage.forgetBlock(id); // rewriting it met the same damage
    if (repaired) damage.tell({ what: "block", id, bad, repaired });
    else damage.leaveBlock(id, bad);
  }
  for (const node of found.nodes) {
    store.physical.find(({ name }) => name === node.tree)?.tree.rewritePath(node.key);
    damage.tell({ what: node.tree, bad: node.bad, repaired: true });
  }
}

/** Moves a block; false where it can be read no more, or there is no room: nothing has changed then. */
function rewrite({ blocks }: TreeStore, id: number): boolean {
  const { begunWrites } = blocks;
  try {
    blocks.move(id);
    return true;
  } catch (error) {
    if (blocks.begunWrites !== begunWrites || !leftAlone(error)) throw error;
    return false;
  }
}
