import { assert } from "../assert.ts";
import { compare, isHole } from "../bytes.ts";
import { VaultError } from "../errors.ts";
import {
  type Compression,
  NO_HEAD,
  type SnapshotRecord,
  treeState,
} from "../format/catalog_record.ts";
import type { DeadRun } from "../format/freeing_record.ts";
import { decodeInode, emptyInode, isSameButAccess } from "../format/inode.ts";
import type { ReceiveRecord } from "../format/receive_record.ts";
import type { Catalog, PlacedReceive, PlacedSnapshot } from "../tree/catalog.ts";
import { DatasetRemoval } from "../tree/dataset_removal.ts";
import { KEY_TYPE, nodeKey } from "../format/volume_key.ts";
import { firstOfLine, HEAD } from "../tree/lineage.ts";
import { treeDifferences } from "../tree/tree_difference.ts";
import type { Engine } from "./engine.ts";
import { everyTree } from "./every_tree.ts";
import { hasContent } from "./file_blocks.ts";
import { Volume } from "./volume.ts";
import { DEFAULT_PROPERTIES } from "./volume_properties.ts";
import { branchFrom, isSnapshot } from "./snapshot_place.ts";
import type { Volumes } from "./volumes.ts";

/** Of a branch that is being received: no volume has this number. */
const NO_VOLUME = 0;

/** Dead runs that go from one branch to another in one root at most. */
const RUNS_MOVED_MAX = 20_000;
/** Moving so many changes a cell of the catalog, at worst. */
const RUNS_PER_CELL = 16;

/** What a stream says of the snapshot that it brings. */
export type ReceivedSnapshot = Pick<SnapshotRecord, "name" | "time" | "guid"> & {
  /** Of the volume that it was made of. */
  readonly compression: Compression;
  /** Guid of the snapshot that it is a difference to; zeros: it is whole. */
  readonly base: Uint8Array;
  /** Of a full data block. */
  readonly blockBytes: number;
  /** It is kept for somebody else: nothing here has a reason to change it. */
  readonly raw: boolean;
};

/**
 * Snapshots on their way into a vault. What has arrived lies on a branch that no volume has; one root makes it a volume, or a
 * volume's head, with its snapshot. So a crash leaves nothing of it to be seen, or all.
 */
export class Receiving {
  private readonly engine: Engine;
  private readonly volumes: Volumes;

  constructor(engine: Engine, volumes: Volumes) {
    this.engine = engine;
    this.volumes = volumes;
  }

  private get catalog(): Catalog {
    return this.engine.store.catalog;
  }

  /** All that was begun and has not come to its end, and the volume that it is for. */
  list(): { readonly volume: string; readonly receive: PlacedReceive }[] {
    const names = new Map(this.catalog.volumes().map(({ id, name }) => [id, name]));
    return this.catalog.receives().map((receive) => {
      return { volume: names.get(receive.volume) ?? receive.name, receive };
    });
  }

  /** What was begun for a volume of this name; null: nothing. */
  find(name: string): PlacedReceive | null {
    return this.list().find(({ volume }) => volume === name)?.receive ?? null;
  }

  /** Throws unless a snapshot can be received: a difference wants a volume that has its base and was not changed since. */
  check(name: string, snapshot: ReceivedSnapshot): PlacedSnapshot | null {
    this.volumes.checkChangeable();
    const base = this.baseOf(name, snapshot);
    if (base === null) this.volumes.checkFree(name);
    return base;
  }

  /** Begins. */
  begin(name: string, snapshot: ReceivedSnapshot): PlacedReceive {
    const base = this.check(name, snapshot);
    const volume = base === null ? NO_VOLUME : this.volumes.recordOf(name).id;
    const record: ReceiveRecord = {
      guid: snapshot.guid,
      base: snapshot.base,
      volume,
      name: base === null ? name : "",
      position: new Uint8Array(0),
      contentBytes: 0,
      began: this.engine.runtime.now(),
    };
    let branch = 0;
    this.volumes.commit("write", () => {
      branch = this.addBranch(base);
      this.catalog.putReceive({ ...record, branch });
    }, { needs: base === null ? undefined : isSnapshot(base) });
    return { ...record, branch };
  }

  private addBranch(base: PlacedSnapshot | null): number {
    const { store } = this.engine;
    if (base !== null) return this.catalog.addBranch({ ...branchFrom(base), volume: NO_VOLUME });
    const empty = { ...NO_HEAD, originBranch: 0, originSequence: 0 };
    const branch = this.catalog.addBranch({ ...empty, volume: NO_VOLUME });
    store.openBranch(branch);
    store.storeHeads();
    store.closeBranch(branch);
    return branch;
  }

  /** The snapshot of a volume that a difference builds on, or null where all is sent. */
  private baseOf(
    name: string,
    { base, name: snapshot, blockBytes }: ReceivedSnapshot,
  ): PlacedSnapshot | null {
    if (isHole(base)) return null;
    const volume = this.volumes.recordOf(name);
    if (volume.blockBytes !== blockBytes) {
      throw new VaultError(
        "invalid",
        `Cannot receive blocks of ${blockBytes} bytes into volume "${name}", whose have ${volume.blockBytes}`,
      );
    }
    const found = this.volumes.snapshotsOf(volume.id).find(({ guid, hidden }) =>
      !hidden && compare(guid, base) === 0
    );
    if (found === undefined) {
      throw new VaultError(
        "missing",
        `Cannot receive into volume "${name}": it does not have the snapshot that this is a difference to`,
      );
    }
    this.volumes.checkSnapshotFree(volume, snapshot);
    this.checkUnchanged(name, found);
    return found;
  }

  private checkUnchanged(name: string, base: PlacedSnapshot): void {
    this.engine.commitNow(); // so that the catalog tells what the head holds
    const { branch } = this.volumes.recordOf(name);
    const { root } = this.catalog.branch(branch);
    if (root === base.root || this.wasOnlyRead(base.root, root)) return;
    throw new VaultError(
      "conflict",
      `Cannot receive into volume "${name}": it was changed since snapshot "${base.name}"; roll it back to that first`,
    );
  }

  /** True where two trees differ in access times at most. */
  private wasOnlyRead(before: number, after: number): boolean {
    const pages = this.engine.store.readPages();
    const roots = { before: pages.page(before), after: pages.page(after) };
    for (const { key, before, after } of treeDifferences(pages, roots)) {
      if (key[0] !== KEY_TYPE.inode || before === null || after === null) return false;
      const [old, now] = [emptyInode(), emptyInode()];
      decodeInode(before, old);
      decodeInode(after, now);
      if (!isSameButAccess(old, now)) return false;
    }
    return true;
  }

  /** The tree that a snapshot is received into, to be changed. */
  open({ branch, volume }: PlacedReceive, snapshot: ReceivedSnapshot): Volume {
    const { blockBytes } = snapshot;
    const made = { compression: snapshot.compression, quotaBytes: 0, quotaFiles: 0 };
    const known = this.catalog.volumes().find(({ id }) => id === volume);
    const { compression, quotaBytes, quotaFiles } = known ?? made;
    const settings = {
      id: NO_VOLUME,
      blockBytes,
      quotaBytes,
      quotaFiles,
      readOnly: false,
      accessTimes: DEFAULT_PROPERTIES.accessTimes,
      compression,
    };
    return new Volume(this.engine, settings, this.engine.store.openBranch(branch));
  }

  /** Makes durable what has arrived, and how far that is. */
  note(receive: PlacedReceive): void {
    this.volumes.commit("write", () => this.catalog.putReceive(receive));
  }

  /** Nobody receives for now. */
  close(volume: Volume): void {
    this.engine.commitNow();
    this.engine.leave(volume);
    this.engine.store.closeBranch(volume.branchId);
  }

  /** Everything has arrived: shows it, in one root. Its tree is closed. */
  finish(receive: PlacedReceive, name: string, snapshot: ReceivedSnapshot): void {
    const base = this.check(name, snapshot);
    const runs = base === null ? null : this.runsToMove(name, receive, base);
    const line = firstOfLine(this.catalog, receive.branch);
    const locked = base === null ? [] : this.locksToMove(receive.branch, line);
    const moved = (runs?.length ?? 0) + locked.length;
    this.volumes.commit("write", (sequence) => {
      if (base !== null) this.engine.locks.moveLine(receive.branch, line);
      const branch = base === null
        ? this.makeVolume(name, receive, snapshot)
        : runs === null
        ? this.replaceHead(name, receive, sequence)
        : this.goOn(name, receive, runs);
      this.keep(branch, sequence, snapshot);
      this.catalog.deleteReceive(receive.branch);
    }, { moreCells: Math.ceil(moved / RUNS_PER_CELL), needs: this.isOf(name, base) });
    // What transactions hold in memory for these files may not come into trees any more.
    for (const ino of locked) this.engine.announce(inodeKey(ino));
    if (base !== null) this.volumes.reopenHead(this.volumes.recordOf(name).id);
  }

  /** No state of a volume that goes on with what has arrived may give way for that: what is moved was found with all of them. */
  private isOf(name: string, base: PlacedSnapshot | null) {
    if (base === null) return () => false;
    const { id } = this.volumes.recordOf(name);
    return ({ branch }: PlacedSnapshot) => this.catalog.branch(branch).volume === id;
  }

  /** The files that a difference brings locks of. What they are of has neither lock nor content here, but for what has arrived. */
  private locksToMove(branch: number, line: number): number[] {
    const { locks, store } = this.engine;
    const inos = [...locks.line(branch).records.keys()];
    for (const tree of inos.length === 0 ? [] : everyTree(store, line, branch)) {
      for (const ino of inos) if (hasContent(tree, ino)) throw lockedElsewhere(ino);
    }
    for (const ino of inos) if (locks.of({ line, ino }) !== null) throw lockedElsewhere(ino);
    return inos;
  }

  private makeVolume(
    name: string,
    { branch }: PlacedReceive,
    { compression, blockBytes, raw: readOnly }: ReceivedSnapshot,
  ): number {
    const created = this.engine.runtime.now();
    const given = { compression, name, branch, created, blockBytes, readOnly };
    const volume = this.catalog.addVolume({ ...DEFAULT_PROPERTIES, ...given });
    this.catalog.putBranch(branch, { ...this.catalog.branch(branch), volume });
    return branch;
  }

  /**
   * What the difference gave up of older snapshots, where the volume's own branch can go on with it: then branches do not
   * pile up with every difference. Null where it has gone on from the base itself, or the base is another branch's, or it
   * is too much for one root.
   */
  private runsToMove(name: string, receive: PlacedReceive, base: PlacedSnapshot): DeadRun[] | null {
    const { branch } = this.volumes.recordOf(name);
    const newest = this.catalog.newestSnapshot(branch, HEAD);
    if (base.branch !== branch || newest?.sequence !== base.sequence) return null;
    if (this.catalog.branch(branch).root !== base.root) return null;
    const runs: DeadRun[] = [];
    const range = { branch: receive.branch, from: 0, to: HEAD };
    this.catalog.deadRuns(range, (run) => runs.push(run) <= RUNS_MOVED_MAX);
    return runs.length <= RUNS_MOVED_MAX ? runs : null;
  }

  /** The volume's branch goes on with the tree that was received. Its head is the base, and gave nothing up since. */
  private goOn(name: string, receive: PlacedReceive, runs: readonly DeadRun[]): number {
    const { branch } = this.volumes.recordOf(name);
    for (const run of runs) {
      this.catalog.deleteDeadRun(run);
      this.catalog.putDeadRun({ ...run, branch });
    }
    const head = treeState(this.catalog.branch(receive.branch));
    this.catalog.putBranch(branch, { ...this.catalog.branch(branch), ...head });
    this.catalog.deleteBranch(receive.branch);
    this.engine.store.closeBranch(branch);
    return branch;
  }

  /** The volume gets the branch with what was received. */
  private replaceHead(name: string, { branch }: PlacedReceive, sequence: number): number {
    const { id, ...volume } = this.volumes.recordOf(name);
    this.catalog.putVolume(id, { ...volume, branch });
    this.catalog.putBranch(branch, { ...this.catalog.branch(branch), volume: id });
    new DatasetRemoval(this.catalog, sequence).removeHead(volume.branch);
    return branch;
  }

  private keep(branch: number, sequence: number, { name, time, guid }: ReceivedSnapshot): void {
    const head = treeState(this.catalog.branch(branch));
    assert(head.root !== 0, "a branch that is received has a head");
    const nextBlockId = this.engine.store.blocks.nextId;
    const kept = { branch, sequence, name, time, guid, ...head, nextBlockId };
    this.catalog.putSnapshot({ ...kept, hidden: false, history: false });
  }

  /** Gives up what has arrived, which comes free in the background. Nobody has it open. */
  abandon({ branch }: PlacedReceive): void {
    this.volumes.checkChangeable();
    this.volumes.commit("delete", (sequence) => {
      this.catalog.deleteReceive(branch);
      this.engine.locks.forgetLine(branch);
      new DatasetRemoval(this.catalog, sequence).removeHead(branch);
    });
  }
}

function inodeKey(ino: number): Uint8Array {
  return nodeKey(KEY_TYPE.inode, ino);
}

/** Where a file is locked at the sender, and is something else here. */
export function lockedElsewhere(ino: number): VaultError {
  return new VaultError(
    "conflict",
    `Cannot receive the snapshot: the file with inode number ${ino} is locked there in another way than here; send all of it, into another volume`,
    { operation: "receive" },
  );
}
