/** Random and mutated bytes into every decoder: a value, null, or a `VaultError`; nothing else, and at once. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import fc from "fast-check";
import { VaultError } from "../../core/errors.ts";
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
import { directoryBytes, olderEpochsBytes, slot } from "../support/header_records.ts";
import { padded, placeBytes } from "../support/place_bytes.ts";
import { branch, snapshot, volume } from "../support/catalog_records.ts";
import { furtherDecoders } from "../support/further_records.ts";

const RUNS = Number(Deno.env.get("SIGMAVAULT_FUZZ_RUNS") ?? 400);

/** A decoder under test and something it decodes. */
interface Decoder {
  readonly decode: (bytes: Uint8Array) => unknown;
  readonly valid: () => Uint8Array;
}

const text = new TextEncoder();
const seal = { nonce: new Uint8Array(24).fill(3), tag: new Uint8Array(16).fill(4) };
const secretsKey = new Uint8Array(32).fill(6);
const named = { sequence: 4, rootBytes: 300, memberEpoch: 2, member: 3, secretsKey };
const entry: mapEntry.MapEntry = {
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
const packedEntry: mapEntry.MapEntry = { ...entry, codec: 1, length: 16384, stored: 700, inner };

const root: rootRecord.RootRecord = {
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

function pointerBytes(): Uint8Array {
  const bytes = new Uint8Array(pointer.pointerBytes(1));
  pointer.writePointer(bytes, 0, { cells: 2, epoch: 1, copies: [{ cell: 99, ...seal }] });
  return bytes;
}

function paddedPointer(): Uint8Array {
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

function logHead(): Uint8Array {
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

function mutations(): Uint8Array {
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

const deadRun: freeing.DeadRun = {
  branch: 3,
  death: 99,
  birth: 80,
  firstId: 3990,
  count: 5,
  cells: 20,
};

const pendingTree: freeing.PendingTree = {
  kind: "tree",
  root: 4000,
  bornAfter: 80,
  firstId: 3000,
  cursor: new Uint8Array([3, 0, 0, 0, 0, 0, 9]),
  skip: 12,
};

const pendingRuns: freeing.PendingRuns = {
  kind: "free",
  branch: 3,
  from: 88,
  to: 99,
  bornAfter: 70,
  bornUntil: 88,
};

/** By the name under which `core/format` exports it. */
const decoders: Record<string, Decoder> = {
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
    decode: (bytes) => extent.decodeExtent(bytes, extent.emptyExtent()),
    valid: extentBytes,
  },
  decodeInode: {
    decode: (bytes) => inode.decodeInode(bytes, inode.emptyInode()),
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

function decodeSafely(decode: Decoder["decode"], bytes: Uint8Array): void {
  const before = bytes.slice();
  try {
    decode(bytes);
  } catch (error) {
    if (!(error instanceof VaultError)) throw error;
    assert.ok(error.kind === "corrupt" || error.kind === "invalid", error.kind);
  }
  assert.deepEqual(bytes, before, "decoding changes nothing");
}

Deno.test("codecs: every decoder of core/format is under test here", async () => {
  const folder = new URL("../../core/format/", import.meta.url);
  const files = readdirSync(folder).filter((name) => /^[a-z_]+(?<!_test)\.ts$/.test(name));
  const found: string[] = [];
  for (const file of files) {
    const module = await import(new URL(file, folder).href) as object;
    found.push(...Object.keys(module).filter((name) => /^(decode|read|check)[A-Z]/.test(name)));
  }
  assert.ok(files.length > 10);
  assert.deepEqual(found.sort(), Object.keys(decoders).sort());
});

for (const [name, { decode, valid }] of Object.entries(decoders)) {
  Deno.test(`codecs: ${name} takes any bytes`, () => {
    decode(valid());
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 6000, size: "max" }), (bytes) => {
        decodeSafely(decode, bytes);
      }),
      { numRuns: RUNS / 4 },
    );
    for (let length = 0; length < Math.min(300, valid().length); length++) {
      decodeSafely(decode, valid().subarray(0, length));
    }
  });

  Deno.test(`codecs: ${name} takes its own records with changes`, () => {
    const change = fc.tuple(fc.nat(), fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 127, 128, 255)));
    fc.assert(
      fc.property(
        fc.array(change, { minLength: 1, maxLength: 8 }),
        fc.nat(40),
        (changes, extra) => {
          const record = valid();
          const bytes = new Uint8Array(record.length + (extra > 30 ? extra : 0));
          bytes.set(record);
          // Most of what a decoder believes stands near the start.
          for (const [at, value] of changes) {
            const within = value % 2 === 0 ? Math.min(64, bytes.length) : bytes.length;
            bytes[at % within] = value;
          }
          decodeSafely(decode, bytes);
        },
      ),
      { numRuns: RUNS },
    );
  });
}

Deno.test("codecs: what is encoded is decoded", () => {
  for (const each of [entry, packedEntry]) {
    assert.deepEqual(mapEntry.decodeMapEntry(mapEntry.encodeMapEntry(each)), each);
  }
  // What saves no cell is stored as it is; and no node is compressed.
  for (const wrong of [{ length: 4096 }, { stored: 0 }, { stored: 12289 }, { kind: 2 }]) {
    const bytes = mapEntry.encodeMapEntry({ ...packedEntry, ...wrong });
    assert.throws(() => mapEntry.decodeMapEntry(bytes), { kind: "corrupt" });
  }
  assert.deepEqual(rootRecord.decodeRootRecord(rootRecord.encodeRootRecord(root)), root);
  const read = pointer.readPointer(pointerBytes(), 0);
  assert.deepEqual(read, { cells: 2, epoch: 1, copies: [{ cell: 99, ...seal }] });
  const padded = { ...named, root: paddedPointer() };
  assert.deepEqual(superblock.decodeSuperblock(superblock.encodeSuperblock(padded)), padded);
  assert.deepEqual(logRecord.readLogHead(logHead())?.nextChunk, { cells: 16, firsts: [900] });
  assert.deepEqual(catalog.decodeVolume(catalog.encodeVolume(volume)), volume);
  assert.deepEqual(catalog.decodeBranch(catalog.encodeBranch(branch)), branch);
  assert.deepEqual(catalog.decodeSnapshot(catalog.encodeSnapshot(snapshot)), snapshot);
  const run = freeing.decodeDeadRun(freeing.deadRunKey(deadRun), freeing.encodeDeadRun(deadRun));
  assert.deepEqual(run, deadRun);
  for (const pending of [pendingTree, pendingRuns]) {
    assert.deepEqual(freeing.decodePending(freeing.encodePending(pending)), pending);
  }
  const operations = [...logRecord.decodeMutations(mutations())].map(({ operation }) => operation);
  assert.deepEqual(operations, [1, 2, 1]);
});

const cellNumber = fc.integer({ min: 0, max: 2 ** 40 - 1 });
const number = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });

Deno.test("codecs: entries, runs, keys and superblocks of any numbers come back", () => {
  fc.assert(
    fc.property(cellNumber, number, fc.integer({ min: 1, max: 1 << 20 }), (cell, birth, length) => {
      const places = [{ ...entry.places[0], cell }];
      const other = { ...entry, birth, length, stored: length, places };
      assert.deepEqual(mapEntry.decodeMapEntry(mapEntry.encodeMapEntry(other)), other);
      const packed = { ...other, codec: 1, length: 4096 + length % 1044480, stored: 4096 };
      if (packed.length > 4096) {
        assert.deepEqual(mapEntry.decodeMapEntry(mapEntry.encodeMapEntry(packed)), packed);
      }
      const record = {
        ...root,
        sequence: birth,
        nextBlockId: birth,
        logChunk: { cells: 7, firsts: [cell] },
      };
      assert.deepEqual(rootRecord.decodeRootRecord(rootRecord.encodeRootRecord(record)), record);
      const key = new Uint8Array(8);
      mapEntry.writeMapKey(key, birth);
      assert.equal(mapEntry.readMapKey(key), birth);
      const at = space.readRestingKey(space.restingKey(cell, length));
      assert.deepEqual(at, { sequence: cell, part: length });
    }),
  );
  const run = fc.tuple(fc.integer({ min: 0, max: 2 ** 40 }), fc.integer({ min: 1, max: 256 }));
  fc.assert(fc.property(fc.array(run), (runs) => {
    const packed = runs.map(([cell, count]) => space.packRun(cell, count));
    assert.deepEqual(space.decodeRuns(space.encodeRuns(packed)), packed);
    const pairs = packed.map((one) => [space.runCell(one), space.runCount(one)]);
    assert.deepEqual(pairs, runs);
  }));
});
