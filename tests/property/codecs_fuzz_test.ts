/** Random and mutated bytes into every decoder: a value, null, or a `VaultError`; nothing else, and at once. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import fc from "fast-check";
import { VaultError } from "../../core/errors.ts";
import * as catalog from "../../core/format/catalog_record.ts";
import { decodeAbout, encodeAbout } from "../../core/format/foreign_block.ts";
import * as freeing from "../../core/format/freeing_record.ts";
import * as logRecord from "../../core/format/log_record.ts";
import * as mapEntry from "../../core/format/map_entry.ts";
import * as pointer from "../../core/format/pointer.ts";
import * as rootRecord from "../../core/format/root_record.ts";
import * as space from "../../core/format/space_record.ts";
import * as superblock from "../../core/format/superblock.ts";
import { branch, snapshot, volume } from "../support/catalog_records.ts";
import {
  deadRun,
  type Decoder,
  decoders,
  entry,
  logHead,
  mutations,
  named,
  packedEntry,
  paddedPointer,
  pendingRuns,
  pendingTree,
  pointerBytes,
  root,
  seal,
} from "../support/record_decoders.ts";

const foreignAbout = {
  guid: new Uint8Array(16).fill(1),
  root: 77,
  blockBytes: 16384,
  compression: "zstd" as const,
  time: 1_700_000_000_000,
  referencedBytes: 4096,
};
const RUNS = Number(Deno.env.get("SIGMAVAULT_FUZZ_RUNS") ?? 400);

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

Deno.test("codecs: a label that is no UTF-8 is refused", () => {
  const bytes = decoders.decodeDescription.valid();
  bytes.fill(128, 16, 80);
  bytes[1] = 64;
  assert.throws(() => decoders.decodeDescription.decode(bytes), { kind: "corrupt" });
});

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
  const about = { ...foreignAbout, name: "\uFEFFmonday" };
  assert.deepEqual(decodeAbout(encodeAbout(about)), about);
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
