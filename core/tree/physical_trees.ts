import type { PhysicalPages } from "../block/physical_pages.ts";
import type { DamagedNode } from "../block/damage.ts";
import type { Page } from "../btree/page.ts";
import type { Tree } from "../btree/tree.ts";
import { concat } from "../bytes.ts";
import { KEY_BYTES_MAX } from "../format/node.ts";

/** A tree whose nodes are named by place. */
export interface PhysicalTree {
  readonly name: DamagedNode["tree"];
  readonly tree: Tree;
  readonly pages: PhysicalPages;
}

/** Makes every node go elsewhere with the next root whose copies' first cells match. */
export function rewriteNodes(
  trees: readonly PhysicalTree[],
  matches: (cells: readonly number[]) => boolean,
): void {
  for (const { tree, pages } of trees) tree.rewrite((page: Page) => matches(pages.cellsOf(page)));
}

/**
 * Makes up to `most` leaves of a tree, from the one of key `from` on, go elsewhere with the next root, and so the nodes
 * above them. Returns where to go on, or null behind the last leaf.
 */
export function rewriteLeaves(tree: Tree, from: Uint8Array, most: number): Uint8Array | null {
  let next: Uint8Array | null = from;
  for (let leaves = 0; leaves < most && next !== null; leaves++) next = rewriteLeaf(tree, next);
  return next;
}

function rewriteLeaf(tree: Tree, from: Uint8Array): Uint8Array | null {
  let first: Uint8Array | null = null;
  tree.scan(from, (key) => {
    first = key.slice();
    return false;
  });
  if (first === null) return null;
  return successor(tree.rewritePath(first));
}

/** The lowest key above this one. */
function successor(key: Uint8Array): Uint8Array {
  if (key.length < KEY_BYTES_MAX) return concat(key, new Uint8Array(1));
  const next = key.slice();
  for (let i = next.length - 1; i >= 0 && ++next[i] === 0; i--);
  return next;
}
