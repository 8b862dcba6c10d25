/**
 * The engine under power cuts: every state in which one can leave the medium opens, holds what was promised, and is clean.
 * `SIGMAVAULT_CRASH_SEEDS` (5 unless set) says how many workloads to run: hundreds take hours.
 */
import assert from "node:assert/strict";
import type { SparseBytes } from "../../backends/memory/sparse_bytes.ts";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { MIB } from "../../core/limits.ts";
import { ArenaKernel } from "../support/arena_kernel.ts";
import { CrashMedium } from "../support/crash_medium.ts";
import {
  checkEngineVault,
  createEngineVault,
  dumpVolumes,
  EngineWorkload,
  type Promised,
} from "../support/engine_workload.ts";
import { openKeyedVault } from "../support/keyed_vault.ts";

const SEEDS = Number(Deno.env.get("SIGMAVAULT_CRASH_SEEDS") ?? 5);
const FIRST_SEED = Number(Deno.env.get("SIGMAVAULT_FIRST_SEED") ?? 1);

const writerArena = new ArenaKernel(12 * MIB);
const readerArena = new ArenaKernel(16 * MIB);

/** A recorded workload: the medium, and what the vault held after each group. */
interface Recording {
  readonly medium: CrashMedium<Promised>;
  /** Index 0: before the first group. */
  readonly states: string[];
}

/** A workload to record. */
interface Plan {
  readonly seed: number;
  readonly groups: number;
  /** Segments at first: with few of them the vault grows on the way. */
  readonly segments: number;
  /** Of so many images one is looked at. */
  readonly every: number;
}

async function record({ seed, groups, segments }: Plan): Promise<Recording> {
  const base = await emptyVault(segments);
  writerArena.reset();
  const medium = new CrashMedium<Promised>({ content: base });
  const vault = openKeyedVault({ medium, kernel: writerArena });
  const workload = new EngineWorkload(vault, seed, (promised) => medium.mark(promised));
  await workload.run(groups);
  return { medium, states: workload.states };
}

async function emptyVault(segments: number): Promise<SparseBytes> {
  writerArena.reset();
  const medium = new MemoryStorage({});
  await createEngineVault({ medium, kernel: writerArena }, segments);
  return medium.content;
}

/** The group that this medium holds the end of; everything else about it must be right too. */
async function verify(medium: MemoryStorage, recording: Recording): Promise<number> {
  readerArena.reset();
  const vault = openKeyedVault({ medium, kernel: readerArena });
  assert.deepEqual(vault.opened.skippedRoots, [], "no root was named before it was durable");
  const state = dumpVolumes(vault.opened.volumes);
  const group = recording.states.lastIndexOf(state);
  assert.ok(group >= 0, "the volumes are as they were after some group");
  await checkEngineVault(vault);
  return group;
}

/** The recovered vault takes changes, frees what waited, and holds everything when it is opened again. */
async function goOn(medium: MemoryStorage): Promise<void> {
  readerArena.reset();
  const vault = openKeyedVault({ medium, kernel: readerArena });
  const workload = new EngineWorkload(vault, 1, () => {});
  await workload.run(6);
  while (vault.opened.volumes.destroyStep(3));
  await vault.opened.volume.commit();
  const expected = dumpVolumes(vault.opened.volumes);
  readerArena.reset();
  const again = openKeyedVault({ medium, kernel: readerArena });
  assert.equal(dumpVolumes(again.opened.volumes), expected);
  await checkEngineVault(again);
}

/** A power cut while the vault recovers from one. */
async function crashAgain(
  content: SparseBytes,
  recording: Recording,
  group: number,
): Promise<void> {
  readerArena.reset();
  const medium = new CrashMedium<Promised>({ content });
  openKeyedVault({ medium, kernel: readerArena });
  const points = [...medium.images(3, { randomPerPoint: 1, missingMax: 1 })];
  for (const image of points.filter((_, i) => i % 4 === 0)) {
    assert.equal(await verify(image.open(), recording), group, image.description);
  }
}

async function survive(plan: Plan): Promise<number> {
  const recording = await record(plan);
  const { seed, every } = plan;
  let images = 0;
  for (const image of recording.medium.images(seed, { randomPerPoint: 1, missingMax: 3 })) {
    if (++images % every !== 0) continue;
    try {
      const group = await verify(image.open(), recording);
      assert.ok(group >= (image.mark?.groups ?? 0), "what was promised is there");
      if (images % (13 * every) === 0) await goOn(image.open());
      if (images % (97 * every) === 0) await crashAgain(image.contents[0], recording, group);
    } catch (error) {
      const where = `seed ${seed}, point ${image.point}, ${image.description}`;
      throw new Error(`${where}: ${error instanceof Error ? error.message : error}`, {
        cause: error,
      });
    }
  }
  return images;
}

for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
  Deno.test(`engine: every power cut of workload ${seed} leaves whole groups`, async () => {
    assert.ok(await survive({ seed, groups: 30, segments: 4, every: 1 }) > 100);
  });

  Deno.test(`engine: power cuts of long workload ${seed}, while the vault grows`, async () => {
    assert.ok(await survive({ seed: 1000 + seed, groups: 200, segments: 3, every: 23 }) > 1000);
  });
}
