/**
 * Files under power cuts: whatever is left of the medium opens, holds what was fsynced, and is clean.
 * `SIGMAVAULT_CRASH_SEEDS` (5 unless set) says how many workloads to run.
 */
import assert from "node:assert/strict";
import type { SparseBytes } from "../../backends/memory/sparse_bytes.ts";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { type Compression, COMPRESSIONS } from "../../core/format/catalog_record.ts";
import { CELL_BYTES, MIB } from "../../core/limits.ts";
import { MAIN_VOLUME } from "../../core/volume/volumes.ts";
import { ArenaKernel } from "../support/arena_kernel.ts";
import { CrashMedium } from "../support/crash_medium.ts";
import { FileActions } from "../support/file_actions.ts";
import {
  goOnWithFiles,
  type PromisedFiles,
  recordFiles,
  verifyFiles,
} from "../support/file_recording.ts";
import { createKeyedVault, openKeyedVault } from "../support/keyed_vault.ts";
import { emptyAttributes, named } from "../support/open_memory_volume.ts";

const SEEDS = Number(Deno.env.get("SIGMAVAULT_CRASH_SEEDS") ?? 5);
const FIRST_SEED = Number(Deno.env.get("SIGMAVAULT_FIRST_SEED") ?? 1);
const writerArena = new ArenaKernel(16 * MIB);
const readerArena = new ArenaKernel(24 * MIB);

async function emptyVault(
  segments: number,
  compression: Compression = "none",
): Promise<SparseBytes> {
  writerArena.reset();
  const medium = new MemoryStorage({});
  const blockBytes = compression === "none" ? CELL_BYTES : 4 * CELL_BYTES;
  const shape = { segments, segmentsMax: 8, blockBytes };
  const vault = await createKeyedVault({ medium, kernel: writerArena }, shape);
  vault.opened.volumes.setProperties(MAIN_VOLUME, { compression });
  return medium.content;
}

interface Plan {
  readonly seed: number;
  readonly steps: number;
  /** Of so many images one is looked at. */
  readonly every: number;
  /** How likely a transaction begins or ends after a step. */
  readonly transactions?: number;
}

async function survive({ every, ...plan }: Plan): Promise<number> {
  const { seed } = plan;
  const content = await emptyVault(4, COMPRESSIONS[seed % COMPRESSIONS.length]);
  writerArena.reset();
  const medium = new CrashMedium<PromisedFiles>({ content });
  const vault = openKeyedVault({ medium, kernel: writerArena });
  const mark = (promised: PromisedFiles) => medium.mark(promised);
  const recording = await recordFiles(vault, writerArena, { ...plan, mark });
  let images = 0;
  for (const image of medium.images(seed, { randomPerPoint: 1, missingMax: 2 })) {
    if (++images % every !== 0) continue;
    try {
      const left = { medium: image.open(), kernel: readerArena };
      await verifyFiles(left, recording, image.mark);
      if (images % (17 * every) !== 0) continue;
      const next = { ...left, medium: image.open() };
      await goOnWithFiles(next, () => next);
    } catch (error) {
      const where = `seed ${seed}, image ${images}, point ${image.point}, ${image.description}`;
      throw new Error(`${where}: ${error instanceof Error ? error.message : error}`, {
        cause: error,
      });
    }
  }
  return images;
}

for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
  Deno.test(`files: every power cut of workload ${seed} leaves what was fsynced`, async () => {
    assert.ok(await survive({ seed, steps: 80, every: 1 }) > 50);
  });

  Deno.test(`files: every power cut of workload ${seed} leaves whole transactions of a mount`, async () => {
    const plan = { seed: 2000 + seed, steps: 200, every: 9, transactions: 0.15 };
    assert.ok(await survive(plan) > 50);
  });

  Deno.test(`files: power cuts of long workload ${seed}`, async () => {
    assert.ok(await survive({ seed: 1000 + seed, steps: 600, every: 41 }) > 500);
  });
}

Deno.test("files: a file that was renamed over another is never empty or mixed", async () => {
  const content = await emptyVault(4);
  writerArena.reset();
  const medium = new CrashMedium<PromisedFiles>({ content });
  const vault = openKeyedVault({ medium, kernel: writerArena });
  const actions = new FileActions(vault.fileSystem, writerArena);
  actions.write(actions.create("doc"), 0, new Uint8Array(20000).fill(1));
  await vault.commit();
  medium.mark({ group: 0, files: [] });
  for (let round = 2; round < 6; round++) {
    actions.write(actions.create("doc.new"), 0, new Uint8Array(20000 * round).fill(round));
    const places = ["doc.new", "doc"].map((name) => ({ parent: 1, name: named(name) }));
    vault.fileSystem.rename(places[0], places[1], { noReplace: false, exchange: false });
    if (round % 2 === 0) await vault.fileSystem.fsync(1);
    else await vault.commit();
  }
  const seen = new Set<number>();
  for (const image of medium.images(9)) {
    if (image.mark === undefined) continue;
    readerArena.reset();
    const again = openKeyedVault({ medium: image.open(), kernel: readerArena });
    const out = emptyAttributes();
    again.fileSystem.lookup(1, named("doc"), out);
    const bytes = new FileActions(again.fileSystem, readerArena).read(out.ino, 0, out.size);
    assert.equal(bytes.length, bytes[0] === 1 ? 20000 : 20000 * bytes[0]);
    assert.ok(bytes.every((byte) => byte === bytes[0]));
    seen.add(bytes[0]);
  }
  assert.deepEqual([...seen].sort(), [1, 2, 3, 4, 5]);
});
