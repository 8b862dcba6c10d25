/**
 * A vault on write-once objects under power cuts: whatever subset of unsynced creates and deletes is left, it opens, holds
 * what was promised, and is clean. `SIGMAVAULT_CRASH_SEEDS` (2 unless set) says how many workloads to run.
 */
import assert from "node:assert/strict";
import { MemoryObjects } from "../../backends/memory/objects.ts";
import { KIB, MIB } from "../../core/limits.ts";
import { WriteOnceMedium } from "../../core/storage/write_once/write_once_medium.ts";
import type { Vault } from "../../core/vault/vault.ts";
import { ArenaKernel } from "../support/arena_kernel.ts";
import { CrashObjects, type ObjectsImage } from "../support/crash_objects.ts";
import {
  checkEngineVault,
  createEngineVault,
  dumpVolumes,
  EngineWorkload,
  type Promised,
} from "../support/engine_workload.ts";
import {
  type FileImage,
  goOnWithFiles,
  type PromisedFiles,
  recordFiles,
  verifyFiles,
} from "../support/file_recording.ts";
import { createKeyedVault, openKeyedVault } from "../support/keyed_vault.ts";
import { RandomStream } from "../support/random_stream.ts";
import { FakeRuntime } from "../support/fake_runtime.ts";

const SEEDS = Number(Deno.env.get("SIGMAVAULT_CRASH_SEEDS") ?? 2);
const writerArena = new ArenaKernel(16 * MIB);
const readerArena = new ArenaKernel(24 * MIB);
/** Objects this small make most syncs groups of several. */
const OBJECT_BYTES_MAX = 64 * KIB;
/** Every opening draws other era ids. */
let openings = 100;

interface Plan {
  readonly seed: number;
  readonly groups: number;
  readonly graceSyncs: number;
  /** Of so many images one is looked at. */
  readonly every: number;
}

interface Recording {
  readonly objects: CrashObjects<Promised>;
  readonly states: readonly string[];
}

function image(objects: MemoryObjects, kernel: ArenaKernel, graceSyncs = 0): FileImage {
  const medium = new WriteOnceMedium(objects, { graceSyncs, objectBytesMax: OBJECT_BYTES_MAX });
  return { medium, kernel, runtime: new FakeRuntime(++openings) };
}

function open(objects: MemoryObjects, kernel: ArenaKernel, graceSyncs = 0): Vault {
  kernel.reset();
  return openKeyedVault(image(objects, kernel, graceSyncs));
}

async function record({ seed, groups, graceSyncs }: Plan): Promise<Recording> {
  const start = new MemoryObjects();
  writerArena.reset();
  const empty = new WriteOnceMedium(start);
  await createEngineVault({ medium: empty, kernel: writerArena }, 4);
  const objects = new CrashObjects<Promised>(start.content);
  const vault = open(objects, writerArena, graceSyncs);
  const workload = new EngineWorkload(vault, seed, (promised) => objects.mark(promised));
  await workload.run(groups);
  return { objects, states: workload.states };
}

async function verify(objects: MemoryObjects, states: readonly string[]): Promise<number> {
  const vault = open(objects, readerArena);
  assert.deepEqual(vault.opened.skippedRoots, [], "no root was named before it was durable");
  const group = states.lastIndexOf(dumpVolumes(vault.opened.volumes));
  assert.ok(group >= 0, "the volumes are as they were after some group");
  await checkEngineVault(vault);
  return group;
}

/** The recovered vault takes changes, and holds them when it is opened again. */
async function goOn(objects: MemoryObjects): Promise<void> {
  const vault = open(objects, readerArena);
  await new EngineWorkload(vault, 1, () => {}).run(6);
  while (vault.opened.volumes.destroyStep(3));
  await vault.opened.volume.commit();
  const expected = dumpVolumes(vault.opened.volumes);
  await verify(new MemoryObjects({ content: objects.content }), [expected]);
}

/** A power cut while the vault recovers from one. */
async function crashAgain(objects: MemoryObjects, recording: Recording, group: number) {
  const again = new CrashObjects(objects.content);
  open(again, readerArena);
  let count = 0;
  for (const image of again.images(new RandomStream(3))) {
    if (++count % 4 !== 0) continue;
    assert.equal(await verify(image.open(), recording.states), group, image.description);
  }
}

async function survive(plan: Plan): Promise<number> {
  const recording = await record(plan);
  let images = 0;
  for (const left of recording.objects.images(new RandomStream(plan.seed))) {
    if (++images % plan.every !== 0) continue;
    await saying(plan.seed, left, async () => {
      const group = await verify(left.open(), recording.states);
      assert.ok(group >= (left.mark?.groups ?? 0), "what was promised is there");
      if (images % (13 * plan.every) === 0) await goOn(left.open());
      if (images % (37 * plan.every) === 0) await crashAgain(left.open(), recording, group);
    });
  }
  return images;
}

/** Says which power cut it was where something is wrong. */
async function saying<T>(seed: number, left: ObjectsImage<T>, look: () => Promise<void>) {
  try {
    await look();
  } catch (error) {
    const what = error instanceof Error ? error.message : error;
    const where = `seed ${seed}, point ${left.point}, ${left.description}`;
    throw new Error(`${where}: ${what}`, { cause: error });
  }
}

async function surviveFiles(plan: { seed: number; steps: number; every: number }): Promise<number> {
  const { seed, steps, every } = plan;
  const start = new MemoryObjects();
  writerArena.reset();
  const empty = new WriteOnceMedium(start);
  await createKeyedVault({ medium: empty, kernel: writerArena }, { segments: 4, segmentsMax: 8 });
  const objects = new CrashObjects<PromisedFiles>(start.content);
  const mark = (promised: PromisedFiles) => objects.mark(promised);
  const recording = await recordFiles(open(objects, writerArena), writerArena, {
    seed,
    steps,
    mark,
  });
  let images = 0;
  for (const left of objects.images(new RandomStream(seed))) {
    if (++images % every !== 0) continue;
    await saying(seed, left, async () => {
      await verifyFiles(image(left.open(), readerArena), recording, left.mark);
      if (images % (17 * every) !== 0) return;
      const next = left.open();
      await goOnWithFiles(image(next, readerArena), () => image(next, readerArena));
    });
  }
  return images;
}

for (let seed = 1; seed <= SEEDS; seed++) {
  Deno.test(`write-once: every power cut of workload ${seed} leaves whole groups`, async () => {
    assert.ok(await survive({ seed, groups: 30, graceSyncs: 0, every: 1 }) > 100);
  });

  Deno.test(`write-once: power cuts of long workload ${seed}, with many eras`, async () => {
    const plan = { seed: 1000 + seed, groups: 400, graceSyncs: seed % 2, every: 41 };
    assert.ok(await survive(plan) > 1000);
  });
  Deno.test(`write-once: every power cut of file workload ${seed} leaves what was fsynced`, async () => {
    assert.ok(await surviveFiles({ seed, steps: 80, every: 1 }) > 50);
  });

  Deno.test(`write-once: power cuts of long file workload ${seed}`, async () => {
    assert.ok(await surviveFiles({ seed: 1000 + seed, steps: 600, every: 23 }) > 200);
  });
}
