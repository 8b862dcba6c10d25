import type { PlacedBlock } from "../block/medium_inspector.ts";
import { VaultError } from "../errors.ts";
import { cellsFor, decodeMapEntry, readMapKey } from "../format/map_entry.ts";
import { decodeMutations, MUTATION, type Mutation } from "../format/log_record.ts";
import { SEGMENT_CELLS } from "../limits.ts";
import type { TreeStore } from "./tree_store.ts";

/**
 * Applies what was acknowledged after the newest root. First every cell and id that the log names is taken, then
 * the mutations are applied, so that nothing that replay itself allocates can meet them. Returns how many
 * transactions there were.
 */
export function replayLog(store: TreeStore): number {
  const segments = store.mediumSegments();
  const { transactions: found, chunks } = store.log.read(segments * SEGMENT_CELLS);
  const transactions = withoutUnfinished(store, found);
  if (transactions.length === 0) return 0;
  store.space.adopt(segments);
  store.adoptLogChunks(chunks);
  for (const transaction of transactions) {
    for (const mutation of decodeMutations(transaction)) reserve(store, mutation);
  }
  for (const transaction of transactions) {
    for (const mutation of decodeMutations(transaction)) apply(store, mutation);
  }
  return transactions.length;
}

/**
 * Leaves the last transaction out where blocks that it names are not on the medium: they and its record
 * are made durable by one sync, and that did not finish. Those before it were acknowledged before it was written.
 */
function withoutUnfinished(
  store: TreeStore,
  transactions: readonly Uint8Array[],
): readonly Uint8Array[] {
  const last = transactions.at(-1);
  if (last === undefined) return transactions;
  const blocks: PlacedBlock[] = [];
  for (const { operation, key, value } of decodeMutations(last)) {
    if (operation !== MUTATION.mapPut) continue;
    blocks.push({ id: readMapKey(key), entry: decodeMapEntry(value) });
  }
  return store.areReadable(blocks) ? transactions : transactions.slice(0, -1);
}

function reserve(store: TreeStore, mutation: Mutation): void {
  const { operation, key, value } = mutation;
  if (operation === MUTATION.mapPut) {
    const { length, places } = decodeMapEntry(value);
    store.space.reserve(places[0].cell, cellsFor(length));
    store.blocks.nextId = Math.max(store.blocks.nextId, readMapKey(key) + 1);
  } else if (operation === MUTATION.nextBlockId) {
    store.blocks.nextId = Math.max(store.blocks.nextId, readMapKey(key));
  } else if (operation === MUTATION.nextObjectId) {
    store.nextObjectId = Math.max(store.nextObjectId, readMapKey(key));
  }
}

function apply(store: TreeStore, mutation: Mutation): void {
  const { operation, key, value } = mutation;
  switch (operation) {
    case MUTATION.put:
      store.volume.put(key, value);
      break;
    case MUTATION.delete:
      store.volume.delete(key);
      break;
    case MUTATION.mapPut:
      store.blocks.replayEntry(readMapKey(key), value);
      break;
    case MUTATION.mapDrop:
      store.blocks.drop(readMapKey(key), dropCount(value));
      break;
  }
}

function dropCount(value: Uint8Array): number {
  if (value.length !== 4) throw new VaultError("corrupt", "Cannot read intent log: bad drop");
  return new DataView(value.buffer, value.byteOffset, 4).getUint32(0, true);
}
