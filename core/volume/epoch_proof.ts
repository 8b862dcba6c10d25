import { decodeMapEntry } from "../format/map_entry.ts";
import { KIND } from "../format/seal_aad.ts";
import type { TreeStore } from "../tree/tree_store.ts";

/** Nodes that one step looks at. */
const NODES_PER_STEP = 64;

/** What a scan found. */
export interface EpochScan {
  /** Blocks and nodes that it looked at. */
  seen: number;
  /** Those that are sealed under another epoch than they should, or that cannot be read. */
  left: number;
}

/**
 * Looks through the newest root as it lies on the medium, past every cache: every block in the map, every node of map,
 * space and catalog, and the root. Counts in `scan` what is not sealed under the epoch. The root is held meanwhile.
 */
export function* scanEpochs(store: TreeStore, epoch: number, scan: EpochScan): Generator<void> {
  const { space } = store;
  space.holds++;
  try {
    const { root, inspector } = store.inspect();
    if (root === null || root.record.epoch !== epoch) {
      scan.left++;
      return;
    }
    const { map, space: spaceTree, catalog } = root.record;
    const visitor = {
      node: () => true,
      sealed: (found: number) => {
        scan.seen++;
        if (found !== epoch) scan.left++;
      },
      degraded: () => {},
      damaged: () => void scan.left++,
    };
    let nodes = 0;
    const trees = [
      [map, KIND.mapNode],
      [spaceTree, KIND.spaceNode],
      [catalog, KIND.catalogNode],
    ] as const;
    for (const [pointer, kind] of trees) {
      for (const leaf of inspector.leaves(pointer, kind, visitor)) {
        if (kind === KIND.mapNode) {
          for (let i = 0; i < leaf.count; i++) visitor.sealed(decodeMapEntry(leaf.value(i)).epoch);
        }
        if (++nodes % NODES_PER_STEP === 0) yield;
      }
    }
  } finally {
    space.holds--;
  }
}
