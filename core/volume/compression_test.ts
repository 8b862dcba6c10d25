import assert from "node:assert/strict";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { ArenaKernel } from "../../tests/support/arena_kernel.ts";
import { FaultyMedium } from "../../tests/support/faulty_medium.ts";
import { createKeyedVault, openKeyedVault } from "../../tests/support/keyed_vault.ts";
import { noiseByte } from "../../tests/support/noise_byte.ts";
import { BlockWriter } from "../block/block_writer.ts";
import { CODEC, encodeMapEntry, placeCells } from "../format/map_entry.ts";
import type { Redundancy } from "../format/redundancy.ts";
import { KIND } from "../format/seal_aad.ts";
import { CELL_BYTES, MIB } from "../limits.ts";
import type { Volume } from "./volume.ts";

const BLOCK_BYTES = 32768;
/** Blocks of a run: one that compresses, one of noise, one that compresses to little less, a short one. */
const RUN = 4;
const LAST_BYTES = 20_000;
const arena = new ArenaKernel(32 * MIB);

const ALWAYS = { isDue: () => true, tried: () => {} };

/** Bytes of block i of the run, of which `noise` do not compress. */
function content(i: number): Uint8Array {
  const noise = [100, BLOCK_BYTES, 25_000, 50][i];
  const bytes = new Uint8Array(i === RUN - 1 ? LAST_BYTES : BLOCK_BYTES).fill(7 + i);
  for (let at = 0; at < Math.min(noise, bytes.length); at++) {
    bytes[at] = noiseByte(i, at);
  }
  return bytes;
}

function put(volume: Volume, address: number): number {
  const firstId = volume.allocateIds(RUN);
  for (let i = 0; i < RUN; i++) arena.bytes.set(content(i), address + i * BLOCK_BYTES);
  const before = volume.referencedCells;
  const run = { firstId, count: RUN, address, lastLength: LAST_BYTES, trials: ALWAYS };
  const { cells } = volume.put(run);
  volume.settle();
  assert.equal(volume.referencedCells - before, cells);
  assert.equal(volume.cells(firstId, RUN), cells);
  volume.endGroup();
  return firstId;
}

function assertContent(volume: Volume, firstId: number, address: number): void {
  arena.bytes.fill(0xee, address, address + RUN * BLOCK_BYTES);
  volume.get(firstId, RUN, address);
  for (let i = 0; i < RUN; i++) {
    const at = address + i * BLOCK_BYTES;
    const expected = new Uint8Array(BLOCK_BYTES);
    expected.set(content(i));
    assert.deepEqual(arena.bytes.slice(at, at + BLOCK_BYTES), expected, `block ${i}`);
  }
}

const shapes: readonly Redundancy[] = [{ k: 1, m: 0 }, { k: 1, m: 1 }, { k: 4, m: 2 }];

for (const redundancy of shapes) {
  const { k, m } = redundancy;
  Deno.test(`compression with ${k}+${m}: blocks come back, also moved, opened again, and around bad places`, async () => {
    arena.reset();
    const medium = new FaultyMedium(new MemoryStorage({}));
    const shape = { segments: 14, segmentsMax: 14, blockBytes: BLOCK_BYTES, redundancy };
    const vault = await createKeyedVault({ medium, kernel: arena }, shape);
    const { volume } = vault.opened;
    const address = arena.reserve(RUN * BLOCK_BYTES);
    const firstId = put(volume, address);
    const entryOf = (id: number) => volume.store.blocks.entry(id)!;
    const codecs = [0, 1, 2, 3].map((i) => entryOf(firstId + i).codec);
    assert.deepEqual(codecs, [CODEC.zstd, CODEC.raw, CODEC.zstd, CODEC.zstd]);
    assertContent(volume, firstId, address);

    const before = entryOf(firstId);
    for (let i = 0; i < RUN; i++) volume.move(firstId + i);
    const after = entryOf(firstId);
    assert.deepEqual([after.codec, after.length, after.stored], [1, BLOCK_BYTES, before.stored]);
    assert.notEqual(after.places[0].cell, before.places[0].cell);
    assertContent(volume, firstId, address);

    for (let i = 0; i < m; i++) {
      const entry = entryOf(firstId);
      medium.flipBit(entry.places[i].cell * CELL_BYTES + placeCells(entry) * 50, 3);
    }
    assertContent(volume, firstId, address);
    if (m > 0) assert.notEqual(entryOf(firstId).places[0].cell, after.places[0].cell, "repaired");

    await vault.commit();
    const again = openKeyedVault({ medium, kernel: arena });
    assertContent(again.opened.volume, firstId, address);
    again.opened.volume.drop(firstId, RUN);
    assert.equal(again.opened.volume.store.blocks.entry(firstId), null);
  });
}

Deno.test("compression: a block that its own key's holder made wrong is corrupt, not more bytes than a block has", async () => {
  arena.reset();
  const medium = new MemoryStorage({});
  const shape = { segments: 8, segmentsMax: 8, blockBytes: BLOCK_BYTES };
  const vault = await createKeyedVault({ medium, kernel: arena }, shape);
  const { volume } = vault.opened;
  const address = arena.reserve(RUN * BLOCK_BYTES);
  const firstId = put(volume, address);
  const { blocks, context, space } = volume.store;
  const redundancy = { k: 1, m: 0 };
  const writer = new BlockWriter({ context, space, redundancy });
  for (const [i, stored] of [[0, 700], [2, 4096]]) {
    const { birth } = blocks.entry(firstId + i)!;
    arena.bytes.fill(0x28, address, address + BLOCK_BYTES);
    const form = { codec: CODEC.zstd, length: BLOCK_BYTES, stored };
    writer.putStored(
      { id: firstId + i, form, address, inner: null },
      ({ id, shape, places: sealed }) => {
        const { epoch } = context;
        const places = sealed.map((place) => ({ ...place, missing: false }));
        const entry = { kind: KIND.data, level: 0, epoch, birth, ...form, ...shape, places };
        blocks.replayEntry(id, encodeMapEntry({ ...entry, inner: null }));
      },
    );
    assert.throws(() => volume.get(firstId + i, 1, address), { kind: "corrupt" });
  }
});
