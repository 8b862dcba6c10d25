import type { PlacedBlock } from "../block/medium_inspector.ts";
import type { OpenedRoot } from "../block/root_store.ts";
import { VaultError } from "../errors.ts";
import { decodeMapEntry, placeCells, readMapKey } from "../format/map_entry.ts";
import { decodeMutations, MUTATION } from "../format/log_record.ts";
import { memberOf } from "../format/place.ts";
import { KIND } from "../format/seal_aad.ts";
import { CELL_BYTES, MEMBER_CELLS } from "../limits.ts";
import type { JoinedMedia } from "../storage/joined_media.ts";
import type { ReadLog } from "../tree/intent_log.ts";
import type { TreeStore } from "../tree/tree_store.ts";

/** Ids below the newest one, among which the newest blocks of a member are looked for. */
const IDS_LOOKED_AT = 4096;
/** Pieces of evidence that are wanted, with none against them: one alone may be damage. That a member lags behind is one. */
const EVIDENCE_MIN = 2;

/** An open vault, as far as it is known before its log is taken over. */
interface Found {
  readonly store: TreeStore;
  readonly media: JoinedMedia;
}

/**
 * Members that name the newest root, or the one before it, as after a crash, and lack what was acknowledged last: they were set back
 * to how they were a short while before, while others went on. Of the last transaction in the log nobody knows whether it was
 * acknowledged, so that it tells nothing; nor does what cannot be read. What every member lacks is damage.
 */
export function membersSetBack(found: Found, { holders, behind }: OpenedRoot): number[] {
  const { store: { space: { members }, growth, log }, media } = found;
  if (members.length === 1) return [];
  const read = log.read((cell, count) => growth.holds(cell, count));
  const asked = members.filter(({ number, stale }) => {
    return !stale && !behind.includes(number) && media.medium(number) !== undefined;
  });
  const setBack = asked.map(({ number }) => number).filter((number) => {
    const isLagging = !holders.includes(number);
    let wanted = EVIDENCE_MIN - (isLagging ? 1 : 0);
    for (const isLacking of evidence(found, read, { number, isLagging })) {
      if (isLacking === false) return false;
      if (isLacking && --wanted === 0) return true;
    }
    return false;
  });
  return setBack.length < asked.length ? setBack : [];
}

/** Whether a member lacks what it should have, the newest first; null where that cannot be read. */
function* evidence(
  found: Found,
  { transactions, acknowledged }: ReadLog,
  { number, isLagging }: { readonly number: number; readonly isLagging: boolean },
): Generator<boolean | null> {
  const known = transactions.slice(0, -1);
  for (const [i, { there, lacking }] of acknowledged.toReversed().entries()) {
    if (there.includes(number)) yield false;
    if (lacking.includes(number)) yield true;
    for (const block of blocksOf(known[known.length - 1 - i]).toReversed()) {
      if (isOn(block, number)) yield lacksBlock(found, block, number);
    }
  }
  if (!isLagging) return;
  for (const block of newestOn(found, number).toReversed()) {
    yield lacksBlock(found, block, number);
  }
}

function isOn({ entry }: PlacedBlock, member: number): boolean {
  return entry.places.some(({ cell }) => memberOf(cell) === member);
}

/** True where another content lies where a member should have a block; null where that cannot be read. */
function lacksBlock({ store, media }: Found, block: PlacedBlock, member: number): boolean | null {
  const isOnIt = (cell: number) => memberOf(cell) === member;
  // A second time where it does not open: a bit may be wrong on the way.
  const opens = () => store.badPlaces([block], isOnIt).size === 0;
  if (opens() || opens()) return false;
  const bytes = placeCells(block.entry) * CELL_BYTES;
  const cells = block.entry.places.map(({ cell }) => cell).filter(isOnIt);
  return cells.every((cell) => media.canRead(cell * CELL_BYTES, bytes)) || null;
}

/** Nothing where the map cannot be read there: damage is met, and told, by who needs it. */
function newestOn({ store: { blocks } }: Found, member: number): PlacedBlock[] {
  const cells = { from: member * MEMBER_CELLS, end: (member + 1) * MEMBER_CELLS };
  const from = Math.max(0, blocks.nextId - IDS_LOOKED_AT);
  try {
    return blocks.idsWithin(cells, IDS_LOOKED_AT, from)
      .map((id) => ({ id, entry: blocks.entry(id)! }))
      .filter(({ entry }) => entry.kind === KIND.data);
  } catch (error) {
    if (error instanceof VaultError) return [];
    throw error;
  }
}

function blocksOf(transaction: Uint8Array): PlacedBlock[] {
  return [...decodeMutations(transaction)]
    .filter(({ operation }) => operation === MUTATION.mapPut)
    .map(({ key, value }) => ({ id: readMapKey(key), entry: decodeMapEntry(value) }));
}
