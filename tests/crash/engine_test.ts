/**
 * The engine under power cuts: every state in which one can leave the medium opens, holds what was promised, and is clean.
 * `SIGMAVAULT_CRASH_SEEDS` (5 unless set) says how many workloads to run: hundreds take hours.
 */
import assert from "node:assert/strict";
import type { SparseBytes } from "../../backends/memory/sparse_bytes.ts";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { MIB } from "../../core/limits.ts";
import { checkVault } from "../../core/vault/check.ts";
import type { Vault } from "../../core/vault/vault.ts";
import type { Volume } from "../../core/volume/volume.ts";
import type { SnapshotStatus } from "../../core/volume/volume_status.ts";
import { MAIN_VOLUME, type Volumes } from "../../core/volume/volumes.ts";
import { ArenaKernel } from "../support/arena_kernel.ts";
import { CrashMedium } from "../support/crash_medium.ts";
import { createKeyedVault, openKeyedVault } from "../support/keyed_vault.ts";
import { RandomStream } from "../support/random_stream.ts";
import { assertBlocks, dumpTree, RUN_BLOCKS_MAX, TreeWorkload } from "../support/tree_workload.ts";

const SEEDS = Number(Deno.env.get("SIGMAVAULT_CRASH_SEEDS") ?? 5);
const FIRST_SEED = Number(Deno.env.get("SIGMAVAULT_FIRST_SEED") ?? 1);
const BLOCK_BYTES = 4096;
/** The volume beside the first one that is always there. */
const SECOND_VOLUME = "second";
const VALUE_BYTES = 900;
const VOLUMES_MAX = 4;
const SNAPSHOTS_MAX = 5;

const writerArena = new ArenaKernel(12 * MIB);
const readerArena = new ArenaKernel(16 * MIB);

/** What was promised when a point was reached: groups up to this index. */
interface Promised {
  readonly groups: number;
}

/** A recorded workload: the medium, and what the vault held after each group. */
interface Recording {
  readonly medium: CrashMedium<Promised>;
  /** Index 0: before the first group. */
  readonly states: string[];
}

/** Random changes of two volumes and more, groups, syncs, commits, transactions, snapshots, clones and rollbacks. */
class Workload {
  readonly states: string[] = [];
  private readonly first: Volume;
  private readonly volumes: Volumes;
  private readonly stream: RandomStream;
  private readonly changes: TreeWorkload;
  private readonly medium: CrashMedium<Promised>;

  constructor(vault: Pick<Vault, "opened">, medium: CrashMedium<Promised>, seed: number) {
    this.first = vault.opened.volume;
    this.volumes = vault.opened.volumes;
    this.medium = medium;
    this.stream = new RandomStream(seed);
    const address = this.first.kernel.reserve(RUN_BLOCKS_MAX * BLOCK_BYTES);
    this.changes = new TreeWorkload(this.stream, address, VALUE_BYTES);
    this.states.push(dump(this.volumes));
  }

  async run(groups: number): Promise<void> {
    for (let group = 0; group < groups; group++) {
      if (this.stream.chance(0.25)) this.changeDatasets();
      else await this.group();
    }
  }

  private async group(): Promise<void> {
    if (this.stream.chance(0.15)) this.transaction();
    else {
      for (let i = this.stream.below(5); i >= 0; i--) this.change(true);
      this.first.endGroup();
    }
    this.states.push(dump(this.volumes));
    if (this.stream.chance(0.35)) {
      this.first.sync();
      this.promise();
    } else if (this.stream.chance(0.2)) {
      await this.first.commit();
      this.promise();
    }
  }

  private promise(): void {
    this.medium.mark({ groups: this.states.length - 1 });
  }

  private transaction(): void {
    this.first.beginTransaction();
    const keeps = this.stream.chance(0.6);
    for (let i = this.stream.below(5); i >= 0; i--) this.change(keeps);
    if (keeps) this.first.keepTransaction();
    else this.first.rollbackTransaction();
  }

  private change(withBlocks: boolean): void {
    const [volume] = this.pick(this.volumes.listVolumes());
    const opened = this.volumes.openVolume(volume.name);
    this.changes.change(opened, withBlocks);
    opened.settle();
  }

  /** One or none. */
  private pick<T>(list: readonly T[]): T[] {
    const at = this.stream.below(Math.max(1, list.length));
    return list.slice(at, at + 1);
  }

  /** What is durable when it returns. */
  private changeDatasets(): void {
    const listed = this.volumes.listVolumes();
    const [{ name }] = this.pick(listed);
    const snapshots = this.volumes.listSnapshots(name);
    const [snapshot] = this.pick(snapshots);
    const action = this.stream.below(100);
    if (action < 25) {
      this.volumes.destroyStep(1 + this.stream.below(6));
      return;
    }
    if (action < 55 && snapshots.length < SNAPSHOTS_MAX) {
      this.volumes.snapshot(name, `snapshot ${this.first.store.sequence}`);
    } else if (snapshot === undefined) return;
    else if (action < 65 && listed.length < VOLUMES_MAX) {
      this.volumes.clone(name, snapshot.sequence, `clone ${this.first.store.sequence}`);
    } else if (action < 75 && name !== MAIN_VOLUME && name !== SECOND_VOLUME) {
      this.volumes.closeVolume(this.volumes.openVolume(name));
      this.volumes.deleteVolume(name);
    } else this.rollBackOrDelete(name, snapshot);
    this.states.push(dump(this.volumes));
    this.promise();
  }

  private rollBackOrDelete(name: string, { sequence }: SnapshotStatus): void {
    if (this.stream.chance(0.6)) return this.volumes.deleteSnapshot(name, sequence);
    this.volumes.rollback(name, sequence, this.stream.chance(0.5) ? "keep" : "destroy");
  }
}

/** Everything in all volumes and snapshots, as text. */
function dump(volumes: Volumes): string {
  const parts: string[] = [];
  for (const { name } of volumes.listVolumes()) {
    parts.push(`volume ${name}`, dumpTree(volumes.openVolume(name)));
    for (const { sequence } of volumes.listSnapshots(name)) {
      const snapshot = volumes.openSnapshot(name, sequence);
      parts.push(`snapshot ${sequence}`, dumpTree(snapshot));
      snapshot.close();
    }
  }
  return parts.join("\n");
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
  const workload = new Workload(vault, medium, seed);
  await workload.run(groups);
  return { medium, states: workload.states };
}

async function emptyVault(segments: number): Promise<SparseBytes> {
  writerArena.reset();
  const medium = new MemoryStorage({});
  const shape = { segments, segmentsMax: 8, blockBytes: BLOCK_BYTES };
  const vault = await createKeyedVault({ medium, kernel: writerArena }, shape);
  vault.opened.volumes.createVolume(SECOND_VOLUME);
  return medium.content;
}

/** The group that this medium holds the end of; everything else about it must be right too. */
async function verify(medium: MemoryStorage, recording: Recording): Promise<number> {
  readerArena.reset();
  const vault = openKeyedVault({ medium, kernel: readerArena });
  assert.deepEqual(vault.opened.skippedRoots, [], "no root was named before it was durable");
  const state = dump(vault.opened.volumes);
  const group = recording.states.lastIndexOf(state);
  assert.ok(group >= 0, "the volumes are as they were after some group");
  await checkAll(vault);
  return group;
}

/** Every block has its content, and nothing is out of place. */
async function checkAll(vault: Vault): Promise<void> {
  const { volumes } = vault.opened;
  const address = readerArena.reserve(RUN_BLOCKS_MAX * BLOCK_BYTES);
  for (const { name } of volumes.listVolumes()) {
    assertBlocks(volumes.openVolume(name), address);
    for (const { sequence } of volumes.listSnapshots(name)) {
      const snapshot = volumes.openSnapshot(name, sequence);
      assertBlocks(snapshot, address);
      snapshot.close();
    }
  }
  const report = await checkVault(vault);
  assert.deepEqual(report.problems.filter(({ kind }) => kind !== "record"), []);
}

/** The recovered vault takes changes, frees what waited, and holds everything when it is opened again. */
async function goOn(medium: MemoryStorage): Promise<void> {
  readerArena.reset();
  const vault = openKeyedVault({ medium, kernel: readerArena });
  const workload = new Workload(vault, new CrashMedium<Promised>(), 1);
  await workload.run(6);
  while (vault.opened.volumes.destroyStep(3));
  await vault.opened.volume.commit();
  const expected = dump(vault.opened.volumes);
  readerArena.reset();
  const again = openKeyedVault({ medium, kernel: readerArena });
  assert.equal(dump(again.opened.volumes), expected);
  await checkAll(again);
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
