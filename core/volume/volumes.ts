import { assert } from "../assert.ts";
import { VaultError } from "../errors.ts";
import { GUID_BYTES, NO_HEAD, treeState } from "../format/catalog_record.ts";
import { CELL_BYTES } from "../limits.ts";
import { FREED_BLOCKS_PER_GROUP } from "../tree/background_freeing.ts";
import type { NumberedVolume, PlacedSnapshot } from "../tree/catalog.ts";
import { DatasetRemoval } from "../tree/dataset_removal.ts";
import { Lineage } from "../tree/lineage.ts";
import type { Engine } from "./engine.ts";
import { blockBytesOf, checkRedundancy } from "./block_size.ts";
import { checkName } from "./dataset_name.ts";
import { branchFrom, type CommitOptions, isSnapshot, snapshotStatus } from "./snapshot_place.ts";
import { SnapshotStore } from "./snapshot_store.ts";
import { Volume } from "./volume.ts";
import {
  checkBlocksStay,
  checkedProperties,
  DEFAULT_PROPERTIES,
  type VolumeProperties,
} from "./volume_properties.ts";
import type { OldHead, SnapshotName, SnapshotStatus, VolumeStatus } from "./volume_status.ts";

/** Name of the volume that every vault begins with. */
export const MAIN_VOLUME = "main";
/** Cells that changed pages of the catalog may take. */
const CATALOG_CELLS = 16;
/** Blocks that one step of background work frees. */
const BLOCKS_PER_STEP = 4096;

/** The volumes of a vault, their snapshots and clones. Every change is one root: there whole after a crash, or not at all. */
export class Volumes {
  private readonly engine: Engine;
  private readonly open = new Map<number, Volume>();
  /** With how to take them away from whoever reads them; null: their readers must close them. */
  private readonly openSnapshots = new Map<SnapshotStore, (() => void) | null>();
  /** Undo states that the change needs which asks for room now. */
  private isNeeded: (state: PlacedSnapshot) => boolean = () => false;

  /** Over the engine of a vault. */
  constructor(engine: Engine) {
    this.engine = engine;
    engine.giveWay = () => this.giveWay();
  }

  private get catalog() {
    return this.engine.store.catalog;
  }

  /** The record of a volume. */
  recordOf(name: string): NumberedVolume {
    const found = this.catalog.volumes().find((volume) => volume.name === name);
    if (found !== undefined) return found;
    throw new VaultError("missing", `Cannot find volume "${name}": there is none of this name`);
  }

  /** The record of a volume that exists. */
  recordAt(id: number): NumberedVolume {
    const found = this.catalog.volumes().find((volume) => volume.id === id);
    assert(found !== undefined, "whoever has a volume open keeps it");
    return found;
  }

  /** The name of a volume that exists. */
  nameOf(id: number): string {
    return this.recordAt(id).name;
  }

  /** The record of a snapshot. */
  placeOf(volumeName: string, name: SnapshotName): PlacedSnapshot {
    return this.findSnapshot(this.recordOf(volumeName), name);
  }

  private findSnapshot(volume: NumberedVolume, name: SnapshotName): PlacedSnapshot {
    const matches = ({ hidden, ...snapshot }: PlacedSnapshot) =>
      !hidden && name !== "" && (snapshot.name === name || snapshot.sequence === name);
    const found = this.snapshotsOf(volume.id).find(matches);
    if (found !== undefined) return found;
    throw new VaultError("missing", `Cannot find snapshot "${name}" of volume "${volume.name}"`);
  }

  /** All snapshots in all branches of a volume, hidden ones too, in the order they were made. */
  snapshotsOf(volume: number): PlacedSnapshot[] {
    const snapshots: PlacedSnapshot[] = [];
    for (const branch of this.catalog.branches()) {
      if (branch.volume !== volume) continue;
      this.catalog.snapshots(branch.id, 0, (snapshot) => snapshots.push(snapshot) > 0);
    }
    return snapshots.sort((a, b) => a.sequence - b.sequence);
  }

  /** How many snapshots a volume has that were made by hand. */
  countSnapshots(volumeName: string): number {
    const { id } = this.recordOf(volumeName);
    return this.snapshotsOf(id).filter(({ hidden, history }) => !hidden && !history).length;
  }

  /** The undo history of a volume, oldest first. */
  historyOf(volume: number): PlacedSnapshot[] {
    return this.snapshotsOf(volume).filter(({ hidden, history }) => !hidden && history);
  }

  /** Deletes the oldest state of all undo histories, so that a vault can hold more; false where there is none. */
  private giveWay(): boolean {
    const states = this.catalog.volumes().flatMap(({ id }) => this.historyOf(id));
    states.sort((a, b) => a.sequence - b.sequence);
    const oldest = states.find((state) => !this.isNeeded(state) && !this.isOpen(state));
    if (oldest === undefined) return false;
    this.commit("delete", (sequence) => {
      new DatasetRemoval(this.catalog, sequence).removeSnapshot(oldest);
    });
    return true;
  }

  /** Throws unless a volume can have this name. */
  checkFree(name: string): void {
    checkName(name);
    if (!this.catalog.volumes().some((volume) => volume.name === name)) return;
    throw new VaultError("conflict", `Cannot name a volume "${name}": there is one already`);
  }

  /**
   * Writes a root with a change of the catalog. Whatever may refuse it has been asked. In a full vault undo states give way for it:
   * the change uses none that it was not told before as needed.
   */
  commit(
    purpose: "write" | "delete",
    change: (sequence: number) => void,
    { moreCells = 0, needs = () => false }: CommitOptions = {},
  ): void {
    const { isNeeded } = this;
    this.isNeeded = needs;
    try {
      this.engine.admit(CATALOG_CELLS + moreCells, purpose);
    } finally {
      this.isNeeded = isNeeded; // of the change that this one makes room for
    }
    this.engine.commitNow(change);
  }

  /** Throws inside a transaction, and where nothing can be changed. */
  checkChangeable(): void {
    this.engine.checkNoTransaction();
    this.engine.checkWritable();
  }

  /** All volumes, in the order they were made. */
  listVolumes(): VolumeStatus[] {
    return this.catalog.volumes().map(({ id, branch, ...volume }) => {
      const { cells, inodes } = this.open.get(id)?.head ?? this.catalog.branch(branch);
      return { ...volume, referencedBytes: cells * CELL_BYTES, inodes };
    });
  }

  /** Makes an empty volume. */
  createVolume(name: string, properties: VolumeProperties = {}): void {
    this.checkChangeable();
    this.checkFree(name);
    const { store } = this.engine;
    const given = checkedProperties(name, properties);
    const blockBytes = blockBytesOf(properties.blockBytes ?? store.blockBytes);
    checkRedundancy(store.redundancy, blockBytes);
    this.commit("write", () => {
      const branch = { ...NO_HEAD, originBranch: 0, originSequence: 0 };
      const head = this.addVolume({ ...DEFAULT_PROPERTIES, ...given, name, blockBytes }, branch);
      this.engine.store.openBranch(head);
      this.engine.store.storeHeads();
      this.engine.store.closeBranch(head);
    });
  }

  /** Adds a volume with a branch of its own; returns the branch. */
  private addVolume(
    volume: Required<VolumeProperties> & { readonly name: string },
    branch: Omit<Parameters<Engine["store"]["catalog"]["addBranch"]>[0], "volume">,
  ): number {
    const record = { ...volume, created: this.engine.runtime.now(), branch: 0 };
    const id = this.catalog.addVolume(record);
    const head = this.catalog.addBranch({ ...branch, volume: id });
    this.catalog.putVolume(id, { ...record, branch: head });
    return head;
  }

  /** Opens a volume for a filesystem; one that is open already is the same object. */
  openVolume(name: string): Volume {
    return this.volumeOf(this.recordOf(name));
  }

  /** Opens the first volume of the vault. */
  openFirst(): Volume {
    const [first] = this.catalog.volumes();
    if (first !== undefined) return this.volumeOf(first);
    throw new VaultError("corrupt", `Cannot open vault: it has no volume; run "check"`);
  }

  private volumeOf(record: NumberedVolume): Volume {
    const known = this.open.get(record.id);
    if (known !== undefined) return known;
    const volume = new Volume(this.engine, record, this.engine.store.openBranch(record.branch));
    this.open.set(record.id, volume);
    return volume;
  }

  /** Makes a volume's changes durable and forgets it: whoever used it is gone. */
  closeVolume(volume: Volume): void {
    this.engine.checkNoTransaction();
    this.engine.commitNow();
    this.engine.leave(volume);
    this.open.delete(volume.id);
    if (!this.engine.readOnly) this.engine.store.closeBranch(volume.branchId);
  }

  /** Gives a volume another name. */
  renameVolume(name: string, to: string): void {
    this.checkChangeable();
    const { id, ...volume } = this.recordOf(name);
    this.checkFree(to);
    this.commit("delete", () => this.catalog.putVolume(id, { ...volume, name: to }));
  }

  /** Changes what a volume was told; what is not given stays. */
  setProperties(name: string, properties: VolumeProperties): void {
    this.checkChangeable();
    const { id, ...volume } = this.recordOf(name);
    const given = checkedProperties(name, properties);
    checkBlocksStay(volume, properties);
    const changed = { ...volume, ...given };
    this.commit("delete", () => this.catalog.putVolume(id, changed));
    this.open.get(id)?.tell(changed);
  }

  /** Deletes a volume that is not open, with its snapshots; those that clones were made from stay hidden. */
  deleteVolume(name: string): void {
    this.checkChangeable();
    const volume = this.recordOf(name);
    const isOpen = this.open.has(volume.id) ||
      this.catalog.receives().some((receive) => receive.volume === volume.id);
    if (isOpen || this.snapshotsOf(volume.id).some((snapshot) => this.isOpen(snapshot))) {
      throw new VaultError("conflict", `Cannot delete volume "${name}": it is in use; close it`);
    }
    this.commit("delete", (sequence) => {
      const removal = new DatasetRemoval(this.catalog, sequence);
      removal.removeHead(volume.branch);
      for (const snapshot of this.snapshotsOf(volume.id).reverse()) {
        if (!snapshot.hidden) removal.removeSnapshot(snapshot);
      }
      this.catalog.deleteVolume(volume.id);
    });
  }

  /** Keeps what a volume holds now; without a name, as part of the undo history. Returns the snapshot's sequence. */
  snapshot(volumeName: string, name: string | null): number {
    this.checkChangeable();
    const volume = this.recordOf(volumeName);
    if (name !== null) this.checkSnapshotFree(volume, name);
    let made = 0;
    this.commit("write", (sequence) => {
      this.keepHead(volume.branch, sequence, name);
      made = sequence;
    });
    return made;
  }

  /** Throws unless a snapshot of this volume can have this name. */
  checkSnapshotFree(volume: NumberedVolume, name: string): void {
    checkName(name);
    if (!this.snapshotsOf(volume.id).some((snapshot) => snapshot.name === name)) return;
    throw new VaultError(
      "conflict",
      `Cannot name a snapshot "${name}": volume "${volume.name}" has one already`,
    );
  }

  private keepHead(branch: number, sequence: number, name: string | null): void {
    const { runtime, store: { blocks: { nextId } } } = this.engine;
    const guid = new Uint8Array(GUID_BYTES);
    runtime.random(guid);
    this.catalog.putSnapshot({
      branch,
      sequence,
      name: name ?? "",
      time: runtime.now(),
      ...treeState(this.catalog.branch(branch)),
      nextBlockId: nextId,
      hidden: false,
      history: name === null,
      guid,
    });
  }

  /** The snapshots of a volume, in the order they were made. */
  listSnapshots(volumeName: string): SnapshotStatus[] {
    const lineage = new Lineage(this.catalog);
    this.engine.store.settleDeaths();
    const visible = this.snapshotsOf(this.recordOf(volumeName).id).filter(({ hidden }) => !hidden);
    return visible.map((snapshot) => snapshotStatus(snapshot, lineage.ownCells(snapshot)));
  }

  /** Opens a snapshot for reading. Close it: it cannot be deleted meanwhile. */
  openSnapshot(volumeName: string, name: SnapshotName): SnapshotStore {
    return this.read(this.findSnapshot(this.recordOf(volumeName), name), null);
  }

  /** Opens a snapshot for reading until `revoke` is called, which closes it: it is about to be deleted. */
  read(snapshot: PlacedSnapshot, revoke: (() => void) | null): SnapshotStore {
    const closed = (store: SnapshotStore) => void this.openSnapshots.delete(store);
    const { blockBytes } = this.recordAt(this.catalog.branch(snapshot.branch).volume);
    const opened = new SnapshotStore(this.engine, { snapshot, blockBytes }, closed);
    this.openSnapshots.set(opened, revoke);
    return opened;
  }

  /** Nodes were stored with other bytes: whoever reads a snapshot reads them again. */
  reloadSnapshots(): void {
    for (const store of this.openSnapshots.keys()) store.reload();
  }

  /** True where somebody reads a snapshot who cannot be stopped; the others are. */
  private isOpen({ branch, sequence }: PlacedSnapshot): boolean {
    const readers = [...this.openSnapshots].filter(([{ snapshot }]) =>
      snapshot.branch === branch && snapshot.sequence === sequence
    );
    if (readers.some(([, revoke]) => revoke === null)) return true;
    for (const [, revoke] of readers) revoke!();
    return false;
  }

  /** Deletes a snapshot. What only it had comes free in the background; with clones, when the last of them is gone. */
  deleteSnapshot(volumeName: string, name: SnapshotName): void {
    this.checkChangeable();
    const snapshot = this.findSnapshot(this.recordOf(volumeName), name);
    if (this.isOpen(snapshot)) {
      throw new VaultError("conflict", `Cannot delete snapshot "${name}": it is in use; close it`);
    }
    this.commit("delete", (sequence) => {
      new DatasetRemoval(this.catalog, sequence).removeSnapshot(snapshot);
    }, { needs: isSnapshot(snapshot) });
  }

  /** Makes a volume that holds what a snapshot holds. */
  clone(volumeName: string, name: SnapshotName, newVolume: string): void {
    this.checkChangeable();
    const volume = this.recordOf(volumeName);
    const snapshot = this.findSnapshot(volume, name);
    this.checkFree(newVolume);
    this.commit("write", () => {
      this.addVolume({ ...volume, name: newVolume }, branchFrom(snapshot));
    }, { needs: isSnapshot(snapshot) });
  }

  /**
   * Makes a volume hold what its snapshot holds, and keeps later snapshots. Whoever has the volume open goes on
   * with the new head and is told to forget what is in memory only.
   */
  rollback(volumeName: string, name: SnapshotName, oldHead: OldHead): void {
    this.checkChangeable();
    const { id, ...volume } = this.recordOf(volumeName);
    const snapshot = this.findSnapshot({ id, ...volume }, name);
    this.commit(oldHead === "destroy" ? "delete" : "write", (sequence) => {
      const head = this.catalog.addBranch({ ...branchFrom(snapshot), volume: id });
      this.catalog.putVolume(id, { ...volume, branch: head });
      if (oldHead === "keep") this.keepHead(volume.branch, sequence, null);
      this.retireHead(volume.branch, sequence, oldHead);
    }, { needs: isSnapshot(snapshot) });
    this.reopenHead(id);
  }

  /** Whoever has a volume open goes on with the head that its record names, and is told to forget what is in memory only. */
  reopenHead(id: number): void {
    // The root that says so is durable: whoever went on with the old head would write what nobody finds.
    this.engine.durability.failing(() => {
      const { branch } = this.recordAt(id);
      this.open.get(id)?.useBranch(this.engine.store.openBranch(branch));
    });
  }

  private retireHead(branch: number, sequence: number, oldHead: OldHead): void {
    if (oldHead === "destroy") {
      return new DatasetRemoval(this.catalog, sequence).removeHead(branch);
    }
    const { id, ...record } = this.catalog.branch(branch);
    this.catalog.putBranch(id, { ...record, ...NO_HEAD });
  }

  /** Frees some of what deleted volumes and snapshots held; true where more waits. For idle time. */
  destroyStep(blocks = BLOCKS_PER_STEP): boolean {
    const { engine, engine: { store: { freeing } } } = this;
    if (engine.readOnly || !freeing.waits) return false;
    if (engine.inTransaction) return true;
    for (let left = blocks; left > 0 && freeing.waits; left -= FREED_BLOCKS_PER_GROUP) {
      engine.admit(CATALOG_CELLS, "delete");
      engine.checkWritable();
      freeing.step(Math.min(left, FREED_BLOCKS_PER_GROUP));
      engine.endGroup();
    }
    return freeing.waits;
  }
}
