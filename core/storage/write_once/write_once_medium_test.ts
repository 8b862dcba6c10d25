import assert from "node:assert/strict";
import { FaultyObjects } from "../../../tests/support/faulty_objects.ts";
import { openWriteOnce } from "../../../tests/support/open_write_once.ts";
import { RandomStream } from "../../../tests/support/random_stream.ts";
import { CELL_BYTES, KIB, MIB, SEGMENT_BYTES } from "../../limits.ts";
import { WriteOnceMedium } from "./write_once_medium.ts";

/** Behind both header copies. */
const BASE = 2 * SEGMENT_BYTES;
const SMALL = { objectBytesMax: 64 * KIB, graceSyncs: 0 };
const DATA_NAME = /^[0-9a-f]{32}$/;

function fill(medium: WriteOnceMedium, cell: number, byte: number, cells = 1): void {
  medium.direct.write(BASE + cell * CELL_BYTES, new Uint8Array(cells * CELL_BYTES).fill(byte));
}

function byteAt(medium: WriteOnceMedium, cell: number): number {
  const into = new Uint8Array(CELL_BYTES);
  medium.direct.read(BASE + cell * CELL_BYTES, into);
  assert.ok(into.every((byte) => byte === into[0]));
  return into[0];
}

function again({ content }: FaultyObjects): WriteOnceMedium {
  return openWriteOnce(new FaultyObjects({ content }), SMALL);
}

Deno.test("write-once medium: after a failed sync no later one claims success", async () => {
  for (const where of ["data", "header"] as const) {
    const objects = new FaultyObjects();
    const medium = openWriteOnce(objects, SMALL);
    fill(medium, 0, 1);
    medium.direct.sync();
    if (where === "data") fill(medium, 0, 2);
    else medium.direct.write(0, new Uint8Array(10));
    objects.syncFails = true;
    for (let i = 0; i < 3; i++) assert.throws(() => medium.direct.sync(), { errno: "EIO" });
    await assert.rejects(medium.close(), { errno: "EIO" });
  }
});

Deno.test("write-once medium: storage that is full takes no more, keeps what it has, and goes on when it is not", () => {
  const objects = new FaultyObjects();
  const medium = openWriteOnce(objects, SMALL);
  for (let cell = 0; cell < 40; cell++) fill(medium, cell, 1 + cell);
  medium.direct.sync();
  objects.bytesMax = objects.bytes + 3 * 64 * KIB;
  assert.throws(() => {
    for (let round = 0; round < 10; round++) {
      for (let cell = 0; cell < 14; cell++) fill(medium, 100 + round * 14 + cell, 99);
      medium.direct.sync();
    }
  }, { errno: "ENOSPC" });
  const left = again(objects);
  for (let cell = 0; cell < 40; cell++) assert.equal(byteAt(left, cell), 1 + cell);
  objects.bytesMax = Infinity;
  medium.direct.sync();
  assert.equal(byteAt(again(objects), 113), 99, "what waited goes out when there is room");
});

Deno.test("write-once medium: an era that finds no room leaves nothing behind", () => {
  for (const what of ["a checkpoint", "a claim"]) {
    const objects = new FaultyObjects();
    const medium = openWriteOnce(objects, SMALL);
    for (let cell = 0; cell < 12_000; cell += 2) fill(medium, cell, 1);
    medium.direct.sync();
    objects.claimsFail = what === "a claim";
    let most = 0;
    for (let i = 0; i < 400; i++) {
      const before = objects.content.size;
      objects.bytesMax = objects.bytes + (what === "a claim" ? 8 * MIB : 64 * KIB);
      fill(medium, 2 * i, 2);
      medium.direct.sync();
      most = Math.max(most, objects.content.size - before);
    }
    assert.equal(most, 1, "a sync adds its own object");
    objects.bytesMax = Infinity;
    objects.claimsFail = false;
    for (let i = 0; i < 60; i++) {
      fill(medium, 2 * i, 3);
      medium.direct.sync();
    }
    assert.ok(objects.bytes < medium.objectUse()!.objectBytes + 10 * MIB, "then it begins");
    assert.deepEqual([byteAt(again(objects), 2), byteAt(again(objects), 798)], [3, 2]);
  }
});

Deno.test("write-once medium: random overwriting takes bounded space and work, however large the syncs", () => {
  for (const cellsPerSync of [64, 256, 4096]) {
    const objects = new FaultyObjects();
    const medium = openWriteOnce(objects, { graceSyncs: 0 });
    const stream = new RandomStream(cellsPerSync);
    const liveCells = (64 * MIB) / CELL_BYTES;
    for (let cell = 0; cell < liveCells; cell += 64) fill(medium, cell, 1, 64);
    medium.direct.sync();
    const before = objects.bytesMade;
    const writtenBytes = 160 * MIB;
    for (let done = 0; done < writtenBytes; done += cellsPerSync * CELL_BYTES) {
      for (let i = 0; i < cellsPerSync; i += 4) fill(medium, 4 * stream.below(liveCells / 4), 2, 4);
      medium.direct.sync();
    }
    const { objectBytes, liveBytes } = medium.objectUse()!;
    assert.ok(objectBytes < 1.3 * liveBytes + 24 * MIB, `${cellsPerSync}: ${objectBytes}`);
    const made = (objects.bytesMade - before) / writtenBytes;
    assert.ok(made < 4, `${cellsPerSync}: ${made} times what was written`);
  }
});

Deno.test("write-once medium: a thin object that cannot be read stays, and syncs go on", () => {
  const objects = new FaultyObjects();
  const medium = openWriteOnce(objects, { graceSyncs: 0, cacheBytes: 0, readBytes: 4 * KIB });
  const fresh = () => [...objects.content.keys()].filter((name) => DATA_NAME.test(name));
  fill(medium, 9000, 1);
  medium.direct.sync();
  const before = new Set(fresh());
  for (let cell = 0; cell < 8000; cell++) fill(medium, cell, 1);
  medium.direct.sync();
  const filled = fresh().filter((name) => !before.has(name));
  for (let cell = 0; cell < 8000; cell++) {
    if (cell % 4 > 0) medium.direct.discard(BASE + cell * CELL_BYTES, CELL_BYTES);
  }
  // One loses its footer, one is gone.
  const [damaged, gone] = filled;
  const bytes = objects.content.get(damaged)!.slice();
  bytes[bytes.length - 5] ^= 1;
  objects.content.set(damaged, bytes);
  objects.content.delete(gone);
  for (let i = 0; i < 60; i++) {
    fill(medium, 8000 + i, 2);
    medium.direct.sync();
  }
  assert.ok(objects.content.has(damaged), "others may be able to read it");
  const emptied = filled.filter((name) => !objects.content.has(name));
  assert.ok(emptied.length > filled.length / 2, "the others were emptied and are deleted");
  assert.throws(() => byteAt(medium, 1100), { kind: "corrupt" });
});

Deno.test("write-once medium: key slots of a writer that is too late are not left there", () => {
  const { content } = new FaultyObjects();
  const open = () => new WriteOnceMedium(new FaultyObjects({ content }), SMALL);
  const change = (medium: WriteOnceMedium, byte: number) => {
    medium.direct.write(0, new Uint8Array(10).fill(byte));
    medium.direct.sync();
  };
  change(open(), 1);
  const late = open();
  const first = open();
  for (const byte of [2, 3, 4]) change(first, byte);
  assert.throws(() => change(late, 9), { kind: "conflict" });
  assert.deepEqual([...content.values()].map((bytes) => bytes[0]), [4]);
});
