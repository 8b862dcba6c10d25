import assert from "node:assert/strict";
import { checkVault } from "../../core/vault/check.ts";
import type { Vault } from "../../core/vault/vault.ts";
import type { Volume } from "../../core/volume/volume.ts";
import type { SnapshotStatus } from "../../core/volume/volume_status.ts";
import { MAIN_VOLUME, type Volumes } from "../../core/volume/volumes.ts";
import { createKeyedVault, type KeyedVaultOptions } from "./keyed_vault.ts";
import { RandomStream } from "./random_stream.ts";
import { assertBlocks, dumpTree, RUN_BLOCKS_MAX, TreeWorkload } from "./tree_workload.ts";

/** Two cells, so that compressing one saves a cell. */
const BLOCK_BYTES = 8192;
/** The volume beside the first one that is always there. */
const SECOND_VOLUME = "second";
const VALUE_BYTES = 900;
const VOLUMES_MAX = 4;
const SNAPSHOTS_MAX = 5;

/** What was promised when a point was reached: groups up to this index. */
export interface Promised {
  readonly groups: number;
}

/** Makes the vault that the workload begins with. */
export async function createEngineVault(
  options: KeyedVaultOptions,
  segments: number,
): Promise<void> {
  const shape = { segments, segmentsMax: 8, blockBytes: BLOCK_BYTES };
  const vault = await createKeyedVault(options, shape);
  vault.opened.volumes.createVolume(SECOND_VOLUME);
}

/** Random changes of two volumes and more, groups, syncs, commits, transactions, snapshots, clones and rollbacks. */
export class EngineWorkload {
  /** What the vault held after each group; index 0: before the first. */
  readonly states: string[] = [];
  private readonly first: Volume;
  private readonly volumes: Volumes;
  private readonly stream: RandomStream;
  private readonly changes: TreeWorkload;
  private readonly mark: (promised: Promised) => void;

  /** `mark` is told what has become durable. */
  constructor(vault: Pick<Vault, "opened">, seed: number, mark: (promised: Promised) => void) {
    this.first = vault.opened.volume;
    this.volumes = vault.opened.volumes;
    this.mark = mark;
    this.stream = new RandomStream(seed);
    const address = this.first.kernel.reserve(RUN_BLOCKS_MAX * BLOCK_BYTES);
    this.changes = new TreeWorkload(this.stream, address, VALUE_BYTES);
    this.states.push(dumpVolumes(this.volumes));
  }

  /** Runs so many groups, or changes of snapshots and clones. */
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
    this.states.push(dumpVolumes(this.volumes));
    if (this.stream.chance(0.35)) {
      this.first.sync();
      this.promise();
    } else if (this.stream.chance(0.2)) {
      await this.first.commit();
      this.promise();
    }
  }

  private promise(): void {
    this.mark({ groups: this.states.length - 1 });
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
    this.states.push(dumpVolumes(this.volumes));
    this.promise();
  }

  private rollBackOrDelete(name: string, { sequence }: SnapshotStatus): void {
    if (this.stream.chance(0.6)) return this.volumes.deleteSnapshot(name, sequence);
    this.volumes.rollback(name, sequence, this.stream.chance(0.5) ? "keep" : "destroy");
  }
}

/** Everything in all volumes and snapshots, as text. */
export function dumpVolumes(volumes: Volumes): string {
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

/** Every block has its content, and nothing is out of place. */
export async function checkEngineVault(vault: Vault): Promise<void> {
  const { volumes } = vault.opened;
  const address = vault.opened.volume.kernel.reserve(RUN_BLOCKS_MAX * BLOCK_BYTES);
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
