/**
 * Which blocks a snapshot has, and which it has and another had not, by their ids.
 *
 * @module
 */
import type { Page } from "../btree/page.ts";
import { getU64, viewOf } from "../bytes.ts";
import { VaultError } from "../errors.ts";
import { decodeExtent, emptyExtent } from "../format/extent.ts";
import { KEY_TYPE } from "../format/volume_key.ts";
import type { PlacedSnapshot } from "../tree/catalog.ts";
import type { IdPages } from "../tree/id_pages.ts";
import { Lineage } from "../tree/lineage.ts";
import type { TreeStore } from "../tree/tree_store.ts";

/** Nodes looked at before others get their turn: a few milliseconds. */
const NODES_PER_STEP = 64;

/** Ids from `first` to before `end`. */
export interface IdSpan {
  readonly first: number;
  readonly end: number;
}

/** What differs between two snapshots, or all of one: ids in order, neighbours joined. */
export interface BlockDifference {
  readonly added: readonly IdSpan[];
  readonly gone: readonly IdSpan[];
}

/**
 * The blocks that a snapshot has and its base has not, and the other way round. Ids ascend with births, so on a line from
 * the base on, all below the base's next id is the base's; the dead runs between them say what it lost. Yields
 * every few nodes. Memory: 16 bytes for each run of blocks.
 */
export function* blockDifference(
  store: TreeStore,
  snapshot: PlacedSnapshot,
  base: PlacedSnapshot | null,
): Generator<void, BlockDifference> {
  if (base !== null) requireLine(store, snapshot, base);
  const lost = base === null ? [] : joined(gone(store, snapshot, base));
  const added: IdSpan[] = [];
  const pages = store.readPages();
  const walk = { pages, from: base?.nextBlockId ?? 0, added, nodes: 0 };
  yield* collect(walk, pages.page(snapshot.root));
  return { added: joined(added), gone: lost };
}

function requireLine({ catalog }: TreeStore, snapshot: PlacedSnapshot, base: PlacedSnapshot): void {
  const lineage = new Lineage(catalog);
  let at: PlacedSnapshot | null = snapshot;
  while (at !== null && at.sequence > base.sequence) at = lineage.predecessor(at);
  if (at?.branch === base.branch && at.sequence === base.sequence) return;
  throw new VaultError(
    "invalid",
    `Cannot send the snapshot raw: "${snapshot.name}" did not come from "${base.name}"; send all of it, or from another`,
  );
}

interface Walk {
  readonly pages: IdPages;
  readonly from: number;
  readonly added: IdSpan[];
  /** Looked at. */
  nodes: number;
}

function* collect(walk: Walk, page: Page): Generator<void> {
  const { pages, from, added } = walk;
  if (page.ref < from) return;
  if (++walk.nodes % NODES_PER_STEP === 0) yield;
  added.push({ first: page.ref, end: page.ref + 1 });
  const extent = emptyExtent();
  for (let i = 0; i < page.count; i++) {
    if (page.level > 0) {
      const child = getU64(viewOf(page.value(i)), 0);
      if (child < from) continue;
      yield* collect(walk, pages.page(child));
      pages.cache.trim();
      continue;
    }
    if (page.key(i)[0] !== KEY_TYPE.extent) continue;
    decodeExtent(page.value(i), extent);
    const [first, end] = [Math.max(from, extent.firstId), extent.firstId + extent.count];
    if (!extent.unwritten && end > first) added.push({ first, end });
  }
}

function gone(store: TreeStore, snapshot: PlacedSnapshot, base: PlacedSnapshot): IdSpan[] {
  const spans: IdSpan[] = [];
  for (const range of new Lineage(store.catalog).deaths(snapshot, base.sequence)) {
    store.catalog.deadRuns(range, ({ birth, firstId, count }) => {
      if (birth <= base.sequence) spans.push({ first: firstId, end: firstId + count });
      return true;
    });
  }
  return spans;
}

function joined(spans: IdSpan[]): IdSpan[] {
  const found: { first: number; end: number }[] = [];
  for (const { first, end } of spans.sort((a, b) => a.first - b.first)) {
    const last = found.at(-1);
    if (last !== undefined && first <= last.end) last.end = Math.max(last.end, end);
    else found.push({ first, end });
  }
  return found;
}
