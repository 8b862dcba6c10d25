/**
 * A vault on write-once objects under power cuts: whatever subset of unsynced creates and deletes is left, it opens, holds
 * what was promised, and is clean. `SIGMAVAULT_CRASH_SEEDS` (2 unless set) says how many workloads to run.
 */
import assert from "node:assert/strict";
import { MemoryObjects } from "../../backends/memory/objects.ts";
import { KIB, MIB } from "../../core/limits.ts";
import { WriteOnceMedium } from "../../core/storage/write_once/write_once_medium.ts";
import { checkVault } from "../../core/vault/check.ts";
import { ArenaKernel } from "../support/arena_kernel.ts";
import { CrashObjects } from "../support/crash_objects.ts";
import {
  BLOCK_BYTES,
  checkBlocks,
  dump,
  EngineWorkload,
  type Promised,
} from "../support/engine_workload.ts";
import { createKeyedVault, openKeyedVault } from "../support/keyed_vault.ts";
import { RandomStream } from "../support/random_stream.ts";
import { FakeRuntime } from "../support/fake_runtime.ts";

const SEEDS = Number(Deno.env.get("SIGMAVAULT_CRASH_SEEDS") ?? 2);
const writerArena = new ArenaKernel(16 * MIB);
const readerArena = new ArenaKernel(16 * MIB);
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

function open(objects: MemoryObjects, kernel: ArenaKernel, graceSyncs = 0) {
  kernel.reset();
  const medium = new WriteOnceMedium(objects, { graceSyncs, objectBytesMax: OBJECT_BYTES_MAX });
  return openKeyedVault({ medium, kernel, runtime: new FakeRuntime(++openings) });
}

async function record({ seed, groups, graceSyncs }: Plan): Promise<Recording> {
  const start = new MemoryObjects();
  writerArena.reset();
  const shape = { segments: 4, segmentsMax: 8, blockBytes: BLOCK_BYTES };
  const empty = new WriteOnceMedium(start);
  await createKeyedVault({ medium: empty, kernel: writerArena }, shape);
  const objects = new CrashObjects<Promised>(start.content);
  const { volume } = open(objects, writerArena, graceSyncs).opened;
  const workload = new EngineWorkload(volume, seed, (promised) => objects.mark(promised));
  await workload.run(groups);
  return { objects, states: workload.states };
}

async function verify(objects: MemoryObjects, states: readonly string[]): Promise<number> {
  const vault = open(objects, readerArena);
  assert.deepEqual(vault.opened.skippedRoots, [], "no root was named before it was durable");
  const group = states.lastIndexOf(dump(vault.opened.volume));
  assert.ok(group >= 0, "the tree is as it was after some group");
  checkBlocks(vault.opened.volume);
  const report = await checkVault(vault);
  assert.deepEqual(report.problems.filter(({ kind }) => kind !== "record"), []);
  return group;
}

/** The recovered vault takes changes, and holds them when it is opened again. */
async function goOn(objects: MemoryObjects): Promise<void> {
  const { volume } = open(objects, readerArena).opened;
  await new EngineWorkload(volume, 1, () => {}).run(6);
  await volume.commit();
  const expected = dump(volume);
  assert.ok(await verify(new MemoryObjects({ content: objects.content }), [expected]) === 0);
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
  for (const image of recording.objects.images(new RandomStream(plan.seed))) {
    if (++images % plan.every !== 0) continue;
    try {
      const group = await verify(image.open(), recording.states);
      assert.ok(group >= (image.mark?.groups ?? 0), "what was promised is there");
      if (images % (13 * plan.every) === 0) await goOn(image.open());
      if (images % (37 * plan.every) === 0) await crashAgain(image.open(), recording, group);
    } catch (error) {
      const where = `seed ${plan.seed}, point ${image.point}, ${image.description}`;
      throw new Error(`${where}: ${error instanceof Error ? error.message : error}`, {
        cause: error,
      });
    }
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
}
