import type { BytesPart } from "../bytes.ts";
import type { PutRun } from "../block/block_writer.ts";
import type { Kernel } from "../crypto/kernel.ts";
import { VaultError } from "../errors.ts";
import { KEY_TYPE, nodeKey, OWN_INO_END } from "../format/volume_key.ts";
import { CELL_BYTES } from "../limits.ts";
import type { Runtime } from "../runtime.ts";
import type { Branch } from "../tree/branch.ts";
import type { NumberedVolume } from "../tree/catalog.ts";
import type { TreeStore } from "../tree/tree_store.ts";
import type { Engine } from "./engine.ts";
import type { OpenTree } from "./engine_parts.ts";
import type { SpacePurpose } from "./space_admission.ts";
import { LoggedTree, type UndoneVisitor } from "./logged_tree.ts";
import type {
  BlockRun,
  ContentLocks,
  DataBlocks,
  PendingGet,
  VolumeSpace,
  VolumeStore,
} from "./volume_store.ts";

/** What a volume was told that it acts on. */
type VolumeSettings = Pick<
  NumberedVolume,
  "id" | "blockBytes" | "quotaBytes" | "quotaFiles" | "readOnly" | "accessTimes" | "compression"
>;

type ChangingSettings = Pick<VolumeSettings, "quotaBytes" | "quotaFiles" | "compression">;

/** A volume that is open: the head of its branch, logged and committed with all others of the vault. */
export class Volume implements VolumeStore, DataBlocks, OpenTree {
  readonly kernel: Kernel;
  readonly runtime: Runtime;
  readonly readOnly: boolean;
  readonly blockBytes: number;
  /** Reading notes no access times. */
  readonly noatime: boolean;
  readonly tree: LoggedTree;
  /** Number of the volume in the catalog. */
  readonly id: number;
  readonly engine: Engine;
  /** Locked files of its line, which stays the same whatever branch it goes on with. */
  readonly locks: ContentLocks;
  private branch: Branch;
  compresses = false;
  /** Cells that the head may take. */
  private quotaCells = Infinity;
  /** Inodes that the head may have. */
  private quotaFiles = Infinity;
  /** Cells that dirty data of this volume will take. */
  private promised = 0;
  /** Blocks that are dirty, of those that space is set aside for. */
  private covered = 0;
  private hooks: { readonly flush: () => void; readonly reset: () => void } | null = null;

  constructor(engine: Engine, record: VolumeSettings, branch: Branch) {
    this.engine = engine;
    this.id = record.id;
    this.blockBytes = record.blockBytes;
    engine.store.blocks.prepare(record.blockBytes);
    this.branch = branch;
    this.locks = engine.locks.lineOfBranch(branch.branch);
    this.tell(record);
    this.noatime = record.accessTimes === "noatime";
    this.kernel = engine.kernel;
    this.runtime = engine.runtime;
    this.readOnly = engine.readOnly || record.readOnly;
    this.tree = new LoggedTree(branch, engine.log, engine);
    engine.enter(this);
  }

  /** The engine's store: blocks, space and catalog of the vault. */
  get store(): TreeStore {
    return this.engine.store;
  }

  get blocks(): DataBlocks {
    return this;
  }

  /** Goes on with another branch's head, and forgets what is in memory only. */
  useBranch(branch: Branch): void {
    this.branch = branch;
    this.tree.use(branch);
    this.reset();
  }

  nextObjectId(): number {
    this.admitInodes(1);
    for (;;) {
      const ino = this.engine.nextObjectId();
      // Beyond what anybody counts up to, numbers may have come in a stream.
      if (ino < OWN_INO_END || this.tree.get(nodeKey(KEY_TYPE.inode, ino)) === null) return ino;
    }
  }

  makeSecret(ino: number): number {
    this.engine.checkWritable();
    return this.engine.locks.secrets.make(this.engine, { line: this.locks.line, ino });
  }

  /** Throws `unavailable` (EDQUOT) where so many more are more than the quota allows. */
  admitInodes(count: number): void {
    if (count <= 0 || this.branch.inodes + count <= this.quotaFiles) return;
    throw new VaultError(
      "unavailable",
      "Cannot make a file: the volume has as many as its quota allows",
      { errno: "EDQUOT" },
    );
  }

  get wipers(): (() => void)[] {
    return this.engine.wipers;
  }

  hashName(name: Uint8Array): number {
    return this.engine.names.of(name);
  }

  /** What may change while it is open. */
  tell({ quotaBytes, quotaFiles, compression }: ChangingSettings): void {
    this.quotaFiles = quotaFiles === 0 ? Infinity : quotaFiles;
    this.quotaCells = quotaBytes === 0 ? Infinity : Math.floor(quotaBytes / CELL_BYTES);
    this.compresses = compression === "zstd";
  }

  /** Throws `unavailable` too where the quota is used up (EDQUOT): data and nodes count, once, whatever redundancy adds. */
  admit(cells: number, purpose: SpacePurpose, blockBytes: number = this.blockBytes): void {
    // What is promised may take less when it is put: compressed.
    if (purpose === "write" && cells > this.quotaLeft() && this.promised > 0) this.flush();
    if (purpose === "write" && cells > this.quotaLeft()) {
      throw new VaultError("unavailable", "Cannot store data: the quota of the volume is used up", {
        errno: "EDQUOT",
      });
    }
    this.engine.admit(cells, purpose, blockBytes);
  }

  private quotaLeft(): number {
    const setAside = (this.setAside - this.covered) * this.blockBytes / CELL_BYTES;
    return this.quotaCells - this.branch.cells - this.promised - setAside;
  }

  get ownFrom(): number {
    return this.branch.newest?.nextBlockId ?? 0;
  }

  get setAside(): number {
    return this.branch.setAside;
  }

  cover(blocks: number): void {
    this.covered += blocks;
    this.engine.admission.cover(blocks, this.blockBytes);
  }

  promise(cells: number): void {
    this.promised += cells;
    this.engine.admission.promise(cells, this.blockBytes);
  }

  space(): VolumeSpace {
    const engine = this.engine.space(this.blockBytes);
    const freeCells = Math.max(0, Math.min(engine.freeCells, this.quotaLeft()));
    const { inodes } = this.branch;
    return {
      totalCells: Math.min(engine.totalCells, this.quotaCells),
      freeCells,
      inodes,
      freeInodes: Math.max(0, Math.min(freeCells, this.quotaFiles - inodes)),
    };
  }

  /** Blocks are put and dropped together with records, which are counted. */
  get applied(): number {
    return this.tree.applied;
  }

  giveUp(cause: unknown): void {
    this.engine.giveUp(cause);
  }

  endGroup(): void {
    this.engine.endGroup();
  }

  sync(): void | Promise<void> {
    return this.engine.sync();
  }

  commit(): Promise<void> {
    return this.inTransaction ? Promise.resolve() : this.engine.commit();
  }

  /** Writes a new root of the vault. Does nothing when nothing changed. */
  commitNow(): void {
    this.engine.commitNow();
  }

  setFlushHook(flush: () => void, reset: () => void = () => {}): void {
    this.hooks = { flush, reset };
  }

  flush(): void {
    this.hooks?.flush();
  }

  reset(): void {
    this.hooks?.reset();
  }

  pendingBytes(): number {
    return this.engine.pendingBytes();
  }

  /** True while a transaction is open: nothing becomes durable. */
  get inTransaction(): boolean {
    return this.engine.inTransaction;
  }

  /** See {@linkcode Engine.beginTransaction}. */
  beginTransaction(): void {
    this.engine.beginTransaction();
  }

  /** See {@linkcode Engine.keepTransaction}. */
  keepTransaction(): void {
    this.engine.keepTransaction();
  }

  /** See {@linkcode Engine.rollbackTransaction}. */
  rollbackTransaction(undone?: UndoneVisitor): void {
    this.engine.rollbackTransaction(this.tree, undone);
  }

  allocateIds(count: number): number {
    return this.store.blocks.allocateIds(count);
  }

  put(run: BlockRun): PutRun {
    return this.engine.put({ ...run, blockBytes: this.blockBytes }, this.branch);
  }

  settled(ticket: number): boolean {
    return this.store.blocks.settled(ticket);
  }

  settle(ticket?: number): void {
    this.engine.settle(ticket);
  }

  get(firstId: number, count: number, address: number): void {
    this.store.blocks.get(firstId, count, { address, bytes: this.blockBytes });
    this.engine.repairFound();
  }

  getPart(id: number, address: number, part: BytesPart): boolean {
    return this.store.blocks.getPart(id, { address, bytes: this.blockBytes }, part);
  }

  getLater(firstId: number, count: number, address: number): PendingGet | null {
    return this.store.blocks.getLater(firstId, count, { address, bytes: this.blockBytes });
  }

  /** Seals a block anew in another place, under a fresh nonce. */
  move(id: number): void {
    this.engine.move(id);
  }

  cells(firstId: number, count: number): number {
    return this.store.blocks.cells(firstId, count);
  }

  drop(firstId: number, count: number): void {
    this.engine.drop(firstId, count, this.branch);
  }

  /** Number of the branch whose head this is. */
  get branchId(): number {
    return this.branch.branch;
  }

  /** Cells of the blocks that it refers to, but for changed pages of its tree. */
  get referencedCells(): number {
    return this.branch.cells;
  }

  /** What it holds: cells as above, and inodes. */
  get head(): Pick<Branch, "cells" | "inodes" | "setAside"> {
    return this.branch;
  }
}
