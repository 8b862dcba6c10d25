import type { PlacedBlock } from "../block/medium_inspector.ts";
import { readU32BE } from "../bytes.ts";
import { VaultError } from "../errors.ts";
import { contentCells, decodeMapEntry, placeCells, readMapKey } from "../format/map_entry.ts";
import { decodeMutations, MUTATION, type Mutation } from "../format/log_record.ts";
import type { Branch } from "./branch.ts";
import type { TreeStore } from "./tree_store.ts";

/** What was taken over from the intent log. */
export interface Replayed {
  /** Transactions that count. */
  readonly replayed: number;
  /** One more was left out: blocks that it names are not on the medium. */
  readonly unfinished: boolean;
}

/**
 * Applies what was acknowledged after the newest root. First every cell and id that the log names is taken, then
 * the mutations are applied, so that nothing that replay itself allocates can meet them.
 */
export function replayLog(store: TreeStore): Replayed {
  const isPlace = (cell: number, count: number) => store.growth.holds(cell, count);
  const { transactions: found, chunks } = store.log.read(isPlace);
  const { transactions, degraded } = withoutUnfinished(store, found);
  const unfinished = transactions.length < found.length;
  if (transactions.length === 0) return { replayed: 0, unfinished };
  store.growth.adopt();
  store.adoptLogChunks(chunks);
  for (const transaction of transactions) {
    for (const mutation of decodeMutations(transaction)) reserve(store, mutation);
  }
  for (const transaction of transactions) applyAll(store, transaction);
  for (const [id, bad] of degraded) store.damage.foundBlock(id, bad);
  return { replayed: transactions.length, unfinished };
}

/**
 * Leaves the last transaction out where blocks that it names are not on the medium: they and its record
 * are made durable by one sync, and that did not finish. Those before it were acknowledged before it was written. A block
 * that can be put together is there, but some of its places may never have been written.
 */
function withoutUnfinished(
  store: TreeStore,
  transactions: readonly Uint8Array[],
): { transactions: readonly Uint8Array[]; degraded: Map<number, number> } {
  const last = transactions.at(-1);
  if (last === undefined) return { transactions, degraded: new Map() };
  const blocks: PlacedBlock[] = [];
  for (const { operation, key, value } of decodeMutations(last)) {
    if (operation !== MUTATION.mapPut) continue;
    blocks.push({ id: readMapKey(key), entry: decodeMapEntry(value) });
  }
  const isPlaced = ({ entry }: PlacedBlock) =>
    entry.places.every(({ cell }) => store.growth.holds(cell, placeCells(entry)));
  const degraded = blocks.every(isPlaced) ? damagedPlaces(store, blocks) : null;
  return degraded !== null
    ? { transactions, degraded }
    : { transactions: transactions.slice(0, -1), degraded: new Map() };
}

/** Which blocks have bad places, and how many; null where one has too many. What is only missing with its member tells nothing. */
function damagedPlaces(
  store: TreeStore,
  blocks: readonly PlacedBlock[],
): Map<number, number> | null {
  const found = store.badPlaces(blocks);
  const damaged = new Map<number, number>();
  for (const { id, entry } of blocks) {
    const unread = found.get(id) ?? 0;
    const bad = unread - store.placesAway(entry);
    if (bad > 0 && unread > entry.m) return null;
    if (bad > 0) damaged.set(id, bad);
  }
  return damaged;
}

function reserve(store: TreeStore, mutation: Mutation): void {
  const { operation, key, value } = mutation;
  if (operation === MUTATION.mapPut) {
    const entry = decodeMapEntry(value);
    for (const { cell } of entry.places) store.growth.reserve(cell, placeCells(entry));
    store.blocks.nextId = Math.max(store.blocks.nextId, readMapKey(key) + 1);
  } else if (operation === MUTATION.nextBlockId) {
    store.blocks.nextId = Math.max(store.blocks.nextId, readMapKey(key));
  } else if (operation === MUTATION.nextObjectId) {
    store.nextObjectId = Math.max(store.nextObjectId, readMapKey(key));
  }
}

function applyAll(store: TreeStore, transaction: Uint8Array): void {
  let branch: Branch | null = null;
  for (const mutation of decodeMutations(transaction)) {
    if (mutation.operation === MUTATION.branch) branch = store.openBranch(branchOf(mutation));
    else apply(store, branch, mutation);
  }
}

function apply(store: TreeStore, branch: Branch | null, mutation: Mutation): void {
  const { operation, key, value } = mutation;
  if (operation === MUTATION.mapPut) return applyEntry(store, branch, mutation);
  if (operation === MUTATION.nextBlockId || operation === MUTATION.nextObjectId) return;
  if (branch === null) throw new VaultError("corrupt", "Cannot read intent log: no branch");
  if (operation === MUTATION.put) branch.put(key, value);
  else if (operation === MUTATION.delete) branch.delete(key);
  else store.blocks.drop(readMapKey(key), dropCount(value), branch);
}

/** A fresh block is of the branch that was named; one that had moved may be anybody's. */
function applyEntry(store: TreeStore, branch: Branch | null, { key, value }: Mutation): void {
  if (!store.blocks.replayEntry(readMapKey(key), value)) return;
  if (branch === null) throw new VaultError("corrupt", "Cannot read intent log: no branch");
  branch.cells += contentCells(decodeMapEntry(value));
}

function branchOf({ key }: Mutation): number {
  if (key.length !== 4) throw new VaultError("corrupt", "Cannot read intent log: bad branch");
  return readU32BE(key, 0);
}

function dropCount(value: Uint8Array): number {
  if (value.length !== 4) throw new VaultError("corrupt", "Cannot read intent log: bad drop");
  return new DataView(value.buffer, value.byteOffset, 4).getUint32(0, true);
}
