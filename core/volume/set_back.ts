import type { PlacedBlock } from "../block/medium_inspector.ts";
import type { OpenedRoot } from "../block/root_store.ts";
import { decodeMapEntry, readMapKey } from "../format/map_entry.ts";
import { decodeMutations, MUTATION } from "../format/log_record.ts";
import { memberOf } from "../format/place.ts";
import { KIND } from "../format/seal_aad.ts";
import { MEMBER_CELLS } from "../limits.ts";
import type { JoinedMedia } from "../storage/joined_media.ts";
import type { TreeStore } from "../tree/tree_store.ts";

/** Ids below the newest one, among which the newest block of a member is looked for. */
const IDS_LOOKED_AT = 4096;

/**
 * Members that name the newest root, or the one before it, as after a crash, and lack what was acknowledged: they were set back to
 * how they were a short while before, while others went on. Of the last transaction in the log nobody knows whether it was
 * acknowledged, so that it tells nothing.
 */
export function membersSetBack(
  { store, media }: { readonly store: TreeStore; readonly media: JoinedMedia },
  { holders, behind }: OpenedRoot,
): number[] {
  const { space: { members }, growth, log, blocks } = store;
  if (members.length === 1) return [];
  const { transactions, lackedBy } = log.read((cell, count) => growth.holds(cell, count));
  const logged = transactions.slice(0, -1).flatMap(blocksOf);
  const asked = members.filter(({ number, stale }) => {
    return !stale && !behind.includes(number) && media.medium(number) !== undefined;
  });
  return asked.map(({ number }) => number).filter((number) => {
    if (lackedBy.includes(number)) return true;
    const isOnIt = (cell: number) => memberOf(cell) === number;
    const rooted = holders.includes(number) ? [] : newestOn(blocks, number);
    // Whoever was set back lacks the newest, whatever else he has.
    const newest = [...rooted, ...logged]
      .findLast(({ entry }) => entry.places.some(({ cell }) => isOnIt(cell)));
    return newest !== undefined && store.badPlaces([newest], isOnIt).size > 0;
  });
}

function newestOn(blocks: TreeStore["blocks"], member: number): PlacedBlock[] {
  const cells = { from: member * MEMBER_CELLS, end: (member + 1) * MEMBER_CELLS };
  const from = Math.max(0, blocks.nextId - IDS_LOOKED_AT);
  return blocks.idsWithin(cells, IDS_LOOKED_AT, from)
    .map((id) => ({ id, entry: blocks.entry(id)! }))
    .filter(({ entry }) => entry.kind === KIND.data);
}

function blocksOf(transaction: Uint8Array): PlacedBlock[] {
  return [...decodeMutations(transaction)]
    .filter(({ operation }) => operation === MUTATION.mapPut)
    .map(({ key, value }) => ({ id: readMapKey(key), entry: decodeMapEntry(value) }));
}
