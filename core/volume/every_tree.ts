import { Tree } from "../btree/tree.ts";
import { firstOfLine } from "../tree/lineage.ts";
import type { TreeStore } from "../tree/tree_store.ts";

/**
 * Every tree of a line: the heads of its branches and all their snapshots, those that are deleted and only kept for their clones
 * too. All heads are stored. Roots are those that the cache has, so that whoever has a page in memory has the same one. `but`: a
 * branch that is left out.
 */
export function* everyTree(store: TreeStore, line: number, but = 0): Generator<Tree> {
  const { catalog, branches } = store;
  const pages = store.readPages();
  for (const { id, root } of catalog.branches()) {
    if (id === but || firstOfLine(catalog, id) !== line) continue;
    const open = branches.get(id);
    open?.refresh();
    if (open !== undefined) yield open.tree;
    else if (root !== 0) yield new Tree(pages, pages.page(root));
    const roots: number[] = [];
    catalog.snapshots(id, 0, (snapshot) => roots.push(snapshot.root) > 0);
    for (const snapshot of roots) yield new Tree(pages, pages.page(snapshot));
  }
}

/** How many trees there are. */
export function countTrees({ catalog }: TreeStore): number {
  let count = 0;
  for (const { id } of catalog.branches()) {
    count++;
    catalog.snapshots(id, 0, () => ++count > 0);
  }
  return count;
}

/** True where any tree of a line has a record. All heads are stored. */
export function hasRecord(store: TreeStore, line: number, key: Uint8Array): boolean {
  for (const tree of everyTree(store, line)) if (tree.get(key) !== null) return true;
  return false;
}
