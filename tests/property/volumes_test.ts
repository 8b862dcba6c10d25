/**
 * Volumes, snapshots and clones against a model: after any sequence of changes each holds what it must, and the space taken
 * is what a scan of everything reaches. `SIGMAVAULT_VOLUME_RUNS` (30 unless set) says how many sequences.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { getU64, viewOf } from "../../core/bytes.ts";
import { decodeExtent, emptyExtent } from "../../core/format/extent.ts";
import { contentCells } from "../../core/format/map_entry.ts";
import { KEY_TYPE } from "../../core/format/volume_key.ts";
import { CELL_BYTES, MIB } from "../../core/limits.ts";
import { checkVault } from "../../core/vault/check.ts";
import type { Vault } from "../../core/vault/vault.ts";
import type { TreeStore } from "../../core/tree/tree_store.ts";
import { MAIN_VOLUME, type Volumes } from "../../core/volume/volumes.ts";
import { ArenaKernel } from "../support/arena_kernel.ts";
import { DatasetModel, type ModelDataset, type ModelVolume } from "../support/dataset_model.ts";
import { createKeyedVault, openKeyedVault } from "../support/keyed_vault.ts";
import { RandomStream } from "../support/random_stream.ts";
import {
  assertBlocks,
  countInodes,
  dumpTree,
  RUN_BLOCKS_MAX,
  TreeWorkload,
} from "../support/tree_workload.ts";

const RUNS = Number(Deno.env.get("SIGMAVAULT_VOLUME_RUNS") ?? 30);
const BLOCK_BYTES = 4096;
/** Large enough that trees have several leaves, of which some stay as they are. */
const VALUE_BYTES = 3500;
/** Volumes and snapshots at most, so that changes meet again. */
const DATASETS_MAX = 9;
const arena = new ArenaKernel(16 * MIB);

class World {
  readonly model = new DatasetModel();
  private readonly medium: MemoryStorage;
  private vault: Vault;
  private address = 0;
  private names = 0;

  private constructor(medium: MemoryStorage, vault: Vault) {
    this.medium = medium;
    this.vault = vault;
    this.model.addVolume(MAIN_VOLUME, null);
    this.reserve();
  }

  static async make(): Promise<World> {
    arena.reset();
    const medium = new MemoryStorage({});
    const shape = { segments: 8, blockBytes: BLOCK_BYTES };
    return new World(medium, await createKeyedVault({ medium, kernel: arena }, shape));
  }

  private reserve(): void {
    this.address = arena.reserve(RUN_BLOCKS_MAX * BLOCK_BYTES);
  }

  private get volumes(): Volumes {
    return this.vault.opened.volumes;
  }

  private get store(): TreeStore {
    return this.vault.opened.volume.store;
  }

  /** Does what a number says. */
  async act(choice: number): Promise<void> {
    const stream = new RandomStream(choice);
    const [volumeName, volume] = pick([...this.model.volumes], stream)!;
    const snapshot = pick(volume.snapshots, stream);
    const isFull = this.model.datasets.size >= DATASETS_MAX;
    const action = stream.below(100);
    if (action < 40) this.write(volumeName, volume, stream);
    else if (action < 52 && !isFull) this.snapshot(volumeName, volume, stream);
    else if (action < 60 && !isFull && snapshot) this.clone(volumeName, snapshot, stream);
    else if (action < 68 && !isFull && snapshot) this.rollback(volumeName, snapshot, stream);
    else if (action < 80 && snapshot) this.deleteSnapshot(volumeName, snapshot);
    else if (action < 83 && !isFull) this.createVolume();
    else if (action < 87) this.deleteVolume(volumeName);
    else if (action < 91) this.volumes.destroyStep(1 + stream.below(12));
    else if (action < 94) this.move(stream);
    else if (action < 97) await this.vault.commit();
    else this.reopen(stream);
  }

  private write(name: string, volume: ModelVolume, stream: RandomStream): void {
    const opened = this.volumes.openVolume(name);
    const workload = new TreeWorkload(stream, this.address, VALUE_BYTES);
    for (let i = stream.below(16); i >= 0; i--) {
      workload.change(opened, true);
      opened.settle();
    }
    opened.endGroup();
    if (stream.chance(0.3)) opened.sync();
    volume.head.content = dumpTree(opened);
  }

  private snapshot(name: string, volume: ModelVolume, stream: RandomStream): void {
    const called = stream.chance(0.2) ? null : `snapshot ${this.names++}`;
    this.model.snapshot(volume, this.volumes.snapshot(name, called), called ?? "");
  }

  /** A clone that has changed: it shares some of its tree. */
  private clone(name: string, snapshot: ModelDataset, stream: RandomStream): void {
    const called = `clone ${this.names++}`;
    this.volumes.clone(name, snapshot.sequence!, called);
    this.model.addVolume(called, snapshot);
    this.write(called, this.model.volumes.get(called)!, stream);
  }

  private rollback(name: string, snapshot: ModelDataset, stream: RandomStream): void {
    this.write(name, this.model.volumes.get(name)!, stream);
    const keeps = stream.chance(0.5);
    this.volumes.rollback(name, snapshot.sequence!, keeps ? "keep" : "destroy");
    const kept = keeps ? this.store.sequence : null;
    this.model.rollback(this.model.volumes.get(name)!, snapshot, kept);
  }

  private deleteSnapshot(name: string, snapshot: ModelDataset): void {
    this.volumes.deleteSnapshot(name, snapshot.sequence!);
    this.model.deleteSnapshot(this.model.volumes.get(name)!, snapshot);
  }

  private createVolume(): void {
    const name = `volume ${this.names++}`;
    this.volumes.createVolume(name);
    this.model.addVolume(name, null);
  }

  private deleteVolume(name: string): void {
    if (name === MAIN_VOLUME) return;
    this.volumes.closeVolume(this.volumes.openVolume(name));
    this.volumes.deleteVolume(name);
    this.model.deleteVolume(name);
  }

  private move(stream: RandomStream): void {
    const ids: number[] = [];
    this.store.blocks.entries((id) => ids.push(id));
    // A vault whose nodes were never stored has no block yet.
    if (ids.length === 0) return;
    for (let i = 0; i < 5; i++) this.vault.opened.volume.move(ids[stream.below(ids.length)]);
    this.vault.opened.volume.endGroup();
  }

  /** What was synced or committed is there again. */
  private reopen(stream: RandomStream): void {
    const { volume } = this.vault.opened;
    if (stream.chance(0.5)) volume.sync();
    else volume.commitNow();
    arena.reset();
    this.vault = openKeyedVault({ medium: this.medium, kernel: arena });
    this.reserve();
  }

  /** Everything holds what the model holds, and is counted as a scan counts it. */
  async verify(): Promise<void> {
    const names = [...this.model.volumes.keys()].sort();
    assert.deepEqual(this.volumes.listVolumes().map(({ name }) => name).sort(), names);
    for (const [name, volume] of this.model.volumes) {
      const opened = this.volumes.openVolume(name);
      assert.equal(dumpTree(opened), volume.head.content, name);
      assertBlocks(opened, this.address);
      assert.equal(opened.head.inodes, countInodes(opened));
      for (const { sequence, content } of volume.snapshots) {
        const snapshot = this.volumes.openSnapshot(name, sequence!);
        assert.equal(dumpTree(snapshot), content, `${name}, snapshot ${sequence}`);
        assertBlocks(snapshot, this.address);
        assert.equal(snapshot.snapshot.inodes, countInodes(snapshot));
        snapshot.close();
      }
    }
    await this.vault.commit();
    const report = await checkVault(this.vault);
    assert.deepEqual(report.problems.filter(({ kind }) => kind !== "record"), []);
    this.verifyCells();
  }

  private verifyCells(): void {
    const reached = this.scanAll();
    for (const [name, volume] of this.model.volumes) {
      const listed = this.volumes.listSnapshots(name);
      const expected = volume.snapshots.map((snapshot) => {
        const ids = reached.get(snapshot)!;
        return [
          snapshot.sequence,
          snapshot.name,
          this.cellsOf(ids),
          this.ownOf(snapshot, reached),
        ];
      });
      const found = listed.map(({ sequence, name, referencedBytes, ownBytes, sharedBytes }) => {
        assert.equal(ownBytes + sharedBytes, referencedBytes);
        return [sequence, name, referencedBytes / CELL_BYTES, ownBytes / CELL_BYTES];
      });
      assert.deepEqual(found, expected.sort((a, b) => Number(a[0]) - Number(b[0])), name);
      const status = this.volumes.listVolumes().find((listed) => listed.name === name)!;
      const head = this.cellsOf(reached.get(volume.head)!);
      assert.equal(status.referencedBytes / CELL_BYTES, head, `head of ${name}`);
    }
  }

  /** Cells that nothing else has; nothing where a deletion would only hide it. */
  private ownOf(snapshot: ModelDataset, reached: Map<ModelDataset, Set<number>>): number {
    if (this.model.children(snapshot).length > 1) return 0;
    const own = new Set(reached.get(snapshot)!);
    for (const [other, ids] of reached) {
      if (other !== snapshot) { for (const id of ids) own.delete(id); }
    }
    return this.cellsOf(own);
  }

  private cellsOf(ids: Iterable<number>): number {
    let cells = 0;
    for (const id of ids) cells += contentCells(this.store.blocks.entry(id)!);
    return cells;
  }

  /** The ids that every dataset of the model reaches. */
  private scanAll(): Map<ModelDataset, Set<number>> {
    const roots = new Map<number | string, number>();
    const { catalog } = this.store;
    for (const { name, branch } of catalog.volumes()) roots.set(name, catalog.branch(branch).root);
    for (const { id } of catalog.branches()) {
      catalog.snapshots(id, 0, ({ sequence, root }) => roots.set(sequence, root).size > 0);
    }
    const reached = new Map<ModelDataset, Set<number>>();
    for (const dataset of this.model.datasets) {
      const ids = new Set<number>();
      this.scan(roots.get(dataset.sequence ?? dataset.name)!, ids);
      reached.set(dataset, ids);
    }
    return reached;
  }

  private scan(id: number, ids: Set<number>): void {
    ids.add(id);
    const page = this.store.readPages().page(id);
    for (let i = 0; i < page.count; i++) {
      if (page.level > 0) this.scan(getU64(viewOf(page.value(i)), 0), ids);
      else if (page.key(i)[0] === KEY_TYPE.extent) {
        const extent = emptyExtent();
        decodeExtent(page.value(i), extent);
        for (let n = 0; n < extent.count; n++) ids.add(extent.firstId + n);
      }
    }
  }

  /** When nothing waits any more, the map has what a scan reaches, and the catalog what the model has. */
  async drain(): Promise<void> {
    while (this.volumes.destroyStep(5));
    await this.verify();
    const ids: number[] = [];
    this.store.blocks.entries((id) => ids.push(id));
    const reached = new Set<number>();
    for (const found of this.scanAll().values()) for (const id of found) reached.add(id);
    assert.deepEqual(ids, [...reached].sort((a, b) => a - b));
    let snapshots = 0;
    const branches = this.store.catalog.branches();
    for (const { id } of branches) {
      this.store.catalog.snapshots(id, 0, () => ++snapshots > 0);
    }
    const kept = [...this.model.datasets].filter(({ sequence }) => sequence !== null);
    assert.equal(snapshots, kept.length);
  }
}

function pick<T>(list: readonly T[], stream: RandomStream): T | undefined {
  return list[stream.below(Math.max(1, list.length))];
}

Deno.test("volumes: whatever is done, everything holds what it must and takes what it reaches", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.nat(1 << 30), { minLength: 1, maxLength: 150, size: "max" }),
      async (choices) => {
        const world = await World.make();
        for (const [i, choice] of choices.entries()) {
          await world.act(choice);
          if (i % 8 === 7) await world.verify();
        }
        await world.drain();
      },
    ),
    { numRuns: RUNS },
  );
});
