import type { MediumInspector, PlacedBlock } from "../block/medium_inspector.ts";
import type { Page } from "../btree/page.ts";
import { VaultError } from "../errors.ts";
import { decodeMapEntry, placeCells, readMapKey } from "../format/map_entry.ts";
import type { RootRecord } from "../format/root_record.ts";
import { KIND } from "../format/seal_aad.ts";

/** Data blocks opened at a time. */
const BATCH_BLOCKS = 64;

/** What of a root cannot be read. */
export interface RootLosses {
  /** Nodes of block map, space and catalog. */
  nodes: number;
  /** Blocks, tree nodes of volumes among them. */
  blocks: number;
}

/**
 * Reads everything that a root reaches: a root is a consistent state where nothing of it is lost. Yields the cells read
 * since it did last, so that others get a turn; `lost` counts on the way, and `seen` is told of every copy of a node without id.
 */
export function* checkRoot(
  record: RootRecord,
  inspector: MediumInspector,
  lost: RootLosses,
  seen: (cell: number) => void = () => {},
): Generator<number> {
  const trees = [
    [record.catalog, KIND.catalogNode],
    [record.space, KIND.spaceNode],
    [record.map, KIND.mapNode],
  ] as const;
  for (const [pointer, kind] of trees) {
    const node = (cell: number) => {
      seen(cell);
      return true;
    };
    const visitor = { node, degraded: () => {}, damaged: () => lost.nodes++ };
    for (const leaf of inspector.leaves(pointer, kind, visitor)) {
      yield 1;
      if (kind === KIND.mapNode) yield* checkBlocks(leaf, inspector, lost);
    }
  }
}

function* checkBlocks(leaf: Page, inspector: MediumInspector, lost: RootLosses): Generator<number> {
  const data: PlacedBlock[] = [];
  for (let i = 0; i < leaf.count; i++) {
    const block = { id: readMapKey(leaf.key(i)), entry: decodeMapEntry(leaf.value(i)) };
    if (block.entry.kind === KIND.data) data.push(block);
    else if (!opens(block, inspector)) lost.blocks++;
  }
  for (let at = 0; at < data.length; at += BATCH_BLOCKS) {
    const batch = data.slice(at, at + BATCH_BLOCKS);
    const bad = inspector.badPlaces(batch);
    for (const { id, entry } of batch) if ((bad.get(id) ?? 0) > entry.m) lost.blocks++;
    yield batch.reduce((sum, { entry }) => sum + entry.places.length * placeCells(entry), 0);
  }
}

function opens(block: PlacedBlock, inspector: MediumInspector): boolean {
  try {
    inspector.volumeNode(block);
    return true;
  } catch (error) {
    if (error instanceof VaultError) return false;
    throw error;
  }
}
