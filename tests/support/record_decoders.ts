/** Every decoder of core/format, with something that it decodes. */
import * as catalog from "../../core/format/catalog_record.ts";
import * as dirent from "../../core/format/dirent.ts";
import * as extent from "../../core/format/extent.ts";
import * as freeing from "../../core/format/freeing_record.ts";
import * as hiddenPlace from "../../core/format/hidden_place.ts";
import * as inode from "../../core/format/inode.ts";
import * as keySlot from "../../core/format/key_slot.ts";
import * as slotDirectory from "../../core/format/key_slot_directory.ts";
import * as logRecord from "../../core/format/log_record.ts";
import * as mapEntry from "../../core/format/map_entry.ts";
import * as node from "../../core/format/node.ts";
import * as place from "../../core/format/place.ts";
import * as pointer from "../../core/format/pointer.ts";
import * as redundancy from "../../core/format/redundancy.ts";
import * as rootRecord from "../../core/format/root_record.ts";
import * as space from "../../core/format/space_record.ts";
import * as superblock from "../../core/format/superblock.ts";
import * as xattr from "../../core/format/xattr.ts";
import { Page } from "../../core/btree/page.ts";
import { concat, viewOf } from "../../core/bytes.ts";
import { directoryBytes, olderEpochsBytes, slot } from "./header_records.ts";
import { padded, placeBytes } from "./place_bytes.ts";
import { branch, snapshot, volume } from "./catalog_records.ts";
import { furtherDecoders } from "./further_records.ts";

/** A decoder under test and something it decodes. */
export interface Decoder {
  readonly decode: (bytes: Uint8Array) => unknown;
  readonly valid: () => Uint8Array;
}

const text = new TextEncoder();
export const seal = { nonce: new Uint8Array(24).fill(3), tag: new Uint8Array(16).fill(4) };
const secretsKey = new Uint8Array(32).fill(6);
export const named = { sequence: 4, rootBytes: 300, memberEpoch: 2, member: 3, secretsKey };
export const entry: mapEntry.MapEntry = {
  kind: 1,
  level: 0,
  codec: 0,
  k: 1,
  m: 0,
  length: 4096,
  stored: 4096,
  epoch: 1,
  birth: 5,
  inner: null,
  places: [{ missing: false, cell: 77, ...seal }],
};
const inner = { secretId: 88, ...seal };
export const packedEntry: mapEntry.MapEntry = {
  ...entry,
  codec: 1,
  length: 16384,
  stored: 700,
  inner,
};

export const root: rootRecord.RootRecord = {
  features: 0,
  dense: false,
  sequence: 9,
  time: 1_700_000_000_000,
  nextBlockId: 100,
  nextObjectId: 10,
  members: [{ number: 0, stale: false, segments: 4, segmentsMax: 8 }],
  memberEpoch: 0,
  redundancy: { k: 1, m: 0 },
  blockBytes: 16384,
  epoch: 1,
  map: pointerBytes(),
  space: pointerBytes(),
  catalog: pointerBytes(),
  logId: new Uint8Array(16).fill(1),
  logChunk: { cells: 16, firsts: [4000] },
  parentHash: new Uint8Array(32).fill(2),
  takenLate: [space.packRun(10, 4), space.packRun(90, 16)],
  givenUpLate: [space.packRun(14, 1)],
};

export function pointerBytes(): Uint8Array {
  const bytes = new Uint8Array(pointer.pointerBytes(1));
  pointer.writePointer(bytes, 0, { cells: 2, epoch: 1, copies: [{ cell: 99, ...seal }] });
  return bytes;
}

export function paddedPointer(): Uint8Array {
  const bytes = new Uint8Array(pointer.pointerBytes(redundancy.PLACES_MAX));
  bytes.set(pointerBytes());
  return bytes;
}

function nodeBytes(): Uint8Array {
  const page = Page.empty(1, 0);
  for (let i = 0; i < 20; i++) page.insert(i, text.encode(`key ${10 + i}`), new Uint8Array(i));
  page.pack();
  node.writeNodeHeader(page.bytes, { tree: 1, level: 0, cells: page.cells(), id: 4, birth: 2 });
  return page.bytes;
}

export function logHead(): Uint8Array {
  const bytes = new Uint8Array(200);
  const head = {
    cells: 2,
    ends: true,
    base: 7,
    nextChunk: { cells: 16, firsts: [900] },
    mutationBytes: 40,
  };
  logRecord.writeLogHead(bytes, { ...head, previousTags: [new Uint8Array(16).fill(8)] });
  return bytes;
}

export function mutations(): Uint8Array {
  const one = [logRecord.MUTATION.put, 2, 3, 0, 1, 2, 7, 8, 9];
  return new Uint8Array([...one, logRecord.MUTATION.delete, 2, 0, 0, 1, 2, ...one]);
}

function extentBytes(): Uint8Array {
  const bytes = new Uint8Array(extent.EXTENT_BYTES);
  extent.encodeExtent({ ...extent.emptyExtent(), count: 9, firstId: 70, tailCells: 2 }, bytes);
  return bytes;
}

function inodeBytes(): Uint8Array {
  const bytes = new Uint8Array(inode.INODE_BYTES);
  inode.encodeInode({ ...inode.emptyInode(), mode: 0o100644, atime: -5, size: 99 }, viewOf(bytes));
  return bytes;
}

const direntBytes = () =>
  dirent.encodeDirent(new Uint8Array(300), text.encode("name"), { ino: 5, type: 8 });

export const deadRun: freeing.DeadRun = {
  branch: 3,
  death: 99,
  birth: 80,
  firstId: 3990,
  count: 5,
  cells: 20,
};

export const pendingTree: freeing.PendingTree = {
  kind: "tree",
  root: 4000,
  bornAfter: 80,
  firstId: 3000,
  cursor: new Uint8Array([3, 0, 0, 0, 0, 0, 9]),
  skip: 12,
};

export const pendingRuns: freeing.PendingRuns = {
  kind: "free",
  branch: 3,
  from: 88,
  to: 99,
  bornAfter: 70,
  bornUntil: 88,
};

/** Of a decoder that fills what it is given. */
function filling<T>(decode: (bytes: Uint8Array, into: T) => void, empty: () => T) {
  return (bytes: Uint8Array): T => {
    const into = empty();
    decode(bytes, into);
    return into;
  };
}

/** By the name under which `core/format` exports it. */
export const decoders: Record<string, Decoder> = {
  decodeHiddenPlace: {
    decode: hiddenPlace.decodeHiddenPlace,
    valid: () =>
      hiddenPlace.encodeHiddenPlace({
        orderKey: new Uint8Array(16).fill(5),
        segments: 100,
        first: 80,
      }),
  },
  checkDirent: { decode: dirent.checkDirent, valid: direntBytes },
  decodeExtent: {
    decode: filling(extent.decodeExtent, extent.emptyExtent),
    valid: extentBytes,
  },
  decodeInode: {
    decode: filling(inode.decodeInode, inode.emptyInode),
    valid: inodeBytes,
  },
  decodeSlotPayload: {
    decode: keySlot.decodeSlotPayload,
    valid: () => keySlot.encodeSlotPayload(slot),
  },
  decodeDescription: {
    decode: keySlot.decodeDescription,
    valid: () => keySlot.encodeDescription(slot),
  },
  decodeSlotDirectory: { decode: slotDirectory.decodeSlotDirectory, valid: directoryBytes },
  decodeOlderEpochs: { decode: slotDirectory.decodeOlderEpochs, valid: olderEpochsBytes },
  readLogHead: { decode: logRecord.readLogHead, valid: logHead },
  decodeMutations: { decode: (bytes) => [...logRecord.decodeMutations(bytes)], valid: mutations },
  readCell: { decode: (bytes) => place.readCell(padded(bytes), 0), valid: placeBytes },
  readPlace: { decode: (bytes) => place.readPlace(padded(bytes), 0), valid: placeBytes },
  readMapKey: {
    decode: mapEntry.readMapKey,
    valid: () => new Uint8Array([0, 1, 1, 1, 1, 1, 1, 1]),
  },
  decodeMapEntry: {
    decode: mapEntry.decodeMapEntry,
    valid: () => mapEntry.encodeMapEntry(packedEntry),
  },
  readNodeHeader: { decode: node.readNodeHeader, valid: nodeBytes },
  checkNode: { decode: node.checkNode, valid: nodeBytes },
  checkInnerNode: {
    decode: (bytes) => {
      node.checkNode(bytes);
      node.checkInnerNode(bytes, pointer.ID_POINTER_BYTES);
    },
    valid: nodeBytes,
  },
  readPointer: { decode: (bytes) => pointer.readPointer(bytes, 0), valid: pointerBytes },
  decodeRootRecord: {
    decode: rootRecord.decodeRootRecord,
    valid: () => rootRecord.encodeRootRecord(root),
  },
  readRestingKey: { decode: space.readRestingKey, valid: () => space.restingKey(5, 6) },
  decodeRuns: { decode: space.decodeRuns, valid: () => space.encodeRuns(root.takenLate) },
  decodeBitmap: { decode: space.decodeBitmap, valid: () => new Uint8Array(space.BITMAP_BYTES) },
  decodeCounters: {
    decode: catalog.decodeCounters,
    valid: () => catalog.encodeCounters({ nextVolume: 2, nextBranch: 3, nextPending: 4 }),
  },
  decodeVolume: { decode: catalog.decodeVolume, valid: () => catalog.encodeVolume(volume) },
  decodeBranch: { decode: catalog.decodeBranch, valid: () => catalog.encodeBranch(branch) },
  decodeSnapshot: { decode: catalog.decodeSnapshot, valid: () => catalog.encodeSnapshot(snapshot) },
  readNumberedKey: { decode: catalog.readNumberedKey, valid: () => catalog.numberedKey(2, 9) },
  readSnapshotKey: { decode: catalog.readSnapshotKey, valid: () => catalog.snapshotKey(2, 9) },
  decodeDeadRun: {
    decode: (bytes) => freeing.decodeDeadRun(bytes.subarray(0, 29), bytes.subarray(29)),
    valid: () => concat(freeing.deadRunKey(deadRun), freeing.encodeDeadRun(deadRun)),
  },
  decodePending: {
    decode: freeing.decodePending,
    valid: () => freeing.encodePending(pendingTree),
  },
  readPendingKey: { decode: freeing.readPendingKey, valid: () => freeing.pendingKey(9) },
  decodeSuperblock: {
    decode: superblock.decodeSuperblock,
    valid: () => superblock.encodeSuperblock({ ...named, root: pointerBytes() }),
  },
  ...furtherDecoders,
  checkXattr: {
    decode: xattr.checkXattr,
    valid: () => xattr.encodeXattr(text.encode("user.name"), new Uint8Array(5000)),
  },
};
