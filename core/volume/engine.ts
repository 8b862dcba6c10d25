import { assert } from "../assert.ts";
import type { BlockOwner } from "../block/block_owner.ts";
import type { BlockStore } from "../block/block_store.ts";
import type { PutRun, WriteRun } from "../block/block_writer.ts";
import type { Kernel } from "../crypto/kernel.ts";
import { VaultError } from "../errors.ts";
import { MUTATION } from "../format/log_record.ts";
import { MAP_KEY_BYTES, writeMapKey } from "../format/map_entry.ts";
import { CELL_BYTES } from "../limits.ts";
import type { Runtime } from "../runtime.ts";
import type { JoinedMedia } from "../storage/joined_media.ts";
import { FREED_BLOCKS_PER_GROUP } from "../tree/background_freeing.ts";
import { MutationBuffer } from "../tree/mutation_buffer.ts";
import { repairFound } from "../tree/repair.ts";
import type { TreeStore } from "../tree/tree_store.ts";
import { type CatalogChange, Durability } from "./durability.ts";
import {
  DIRTY_BYTES_MAX,
  type EngineParts,
  LOG_BYTES_MAX,
  type OpenTransaction,
  type OpenTree,
  type OwnedRun,
} from "./engine_parts.ts";
import type { LoggedTree, UndoneVisitor } from "./logged_tree.ts";
import { LockTable } from "./lock_table.ts";
import { MediumSync } from "./medium_sync.ts";
import { NameHash } from "./name_hash.ts";
import { NoiseSource } from "./noise_source.ts";
import { eraseRun, ReleasedCells } from "./released_cells.ts";
import { Room } from "./room.ts";
import { SpaceAdmission, type SpacePurpose } from "./space_admission.ts";
import { requireTransactionRoom, TRANSACTION_BYTES_MAX } from "./transaction_room.ts";

/**
 * What all volumes of a vault share: one intent log, one sequence of roots, one transaction at a time, and the
 * space that is left.
 */
export class Engine {
  readonly kernel: Kernel;
  readonly runtime: Runtime;
  readonly readOnly: boolean;
  readonly store: TreeStore;
  readonly media: JoinedMedia;
  readonly log: MutationBuffer = new MutationBuffer(LOG_BYTES_MAX);
  readonly names: NameHash;
  /** Files whose content is locked. */
  readonly locks: LockTable;
  readonly noise: NoiseSource;
  /** Run by {@linkcode wipe}: whoever keeps clear text in kernel memory overwrites it. */
  readonly wipers: (() => void)[] = [];
  /** Told of each durable root. */
  onRoot: () => void = () => {};
  /** Lets go what is kept only while there is room for it; false where there is nothing. */
  giveWay: () => boolean = () => false;
  /** Cells are overwritten with noise as soon as they come free. */
  erasesReleased = false;
  private readonly released: ReleasedCells | null;
  private readonly discardsAtCommit: boolean;
  readonly admission: SpaceAdmission;
  private readonly trees = new Set<OpenTree>();
  private readonly idKey = new Uint8Array(MAP_KEY_BYTES);
  readonly durability: Durability;
  private readonly count = new Uint8Array(4);
  private transaction: OpenTransaction | null = null;
  /** Of changed tree pages, and of what undoing needs: what one transaction may keep in memory of each. Tests lower it. */
  transactionBytesMax: number = TRANSACTION_BYTES_MAX;

  constructor(parts: EngineParts) {
    const { store, discard, media } = parts;
    [this.kernel, this.runtime] = [parts.kernel, parts.runtime];
    this.store = store;
    this.media = media;
    this.readOnly = parts.readOnly;
    this.discardsAtCommit = discard === "committed";
    this.released = discard === "never" ? null : new ReleasedCells(store.space, media);
    this.admission = new SpaceAdmission({
      store,
      room: new Room(store.space, store.dense ? null : media, parts.runtime),
      mayCommit: () => !this.durability.isBusy && !this.inTransaction,
      commit: () => {
        this.commitNow();
        this.discardReleased();
      },
      settle: () => this.settle(),
      freeSome: () => this.freeSome(),
      giveWay: () => this.giveWay(),
    });
    this.durability = new Durability({
      store,
      log: this.log,
      sync: new MediumSync(media, parts.runtime),
      readOnly: parts.readOnly,
      flush: () => {
        if (this.discardsAtCommit) this.discardReleased();
        for (const tree of this.trees) tree.flush();
        this.repairFound();
      },
      inTransaction: () => this.inTransaction,
      released: (run) => this.release(run),
      space: this.admission,
      rootDurable: () => this.onRoot(),
    });
    this.names = new NameHash(this.kernel, parts.layoutKey);
    this.locks = new LockTable(store);
    this.noise = new NoiseSource(this.kernel, this.runtime);
    store.blocks.observer = {
      entryPut: (id, entry, owner) => this.noteEntry(id, entry, owner),
      runDropped: (firstId, count, owner) => this.noteDrop(firstId, count, owner),
    };
  }

  /** Frees a few of the blocks that were deleted; false where there are none, or damage is in the way, which `check` names. */
  private freeSome(): boolean {
    this.checkWritable();
    try {
      return this.store.freeing.step(FREED_BLOCKS_PER_GROUP);
    } catch (error) {
      if (error instanceof VaultError) return false;
      throw error;
    }
  }

  /** Overwrites the key of names, and clear text, in kernel memory. */
  wipe(): void {
    this.names.wipe();
    this.locks.wipe();
    for (const wipe of this.wipers) wipe();
  }

  /** A volume was opened: it is flushed before every root and part of every transaction. */
  enter(tree: OpenTree): void {
    this.checkNoTransaction();
    this.trees.add(tree);
  }

  /** A volume was closed. */
  leave(tree: OpenTree): void {
    this.checkNoTransaction();
    this.trees.delete(tree);
  }

  /** Throws inside a transaction: volumes and snapshots cannot be changed by one. */
  checkNoTransaction(): void {
    if (!this.inTransaction) return;
    throw new VaultError("conflict", "Cannot change volumes inside a transaction: end it first");
  }

  /** See {@linkcode VolumeStore.giveUp}. */
  giveUp(cause: unknown): void {
    this.durability.fail(cause);
  }

  /** Throws unless the vault can be changed now, and notes that it is. */
  checkWritable(): void {
    if (this.readOnly) {
      throw new VaultError("denied", "Cannot change the vault: it is open read-only", {
        errno: "EROFS",
      });
    }
    this.durability.checkWhole();
    this.durability.changes++;
  }

  private noteEntry(id: number, entry: Uint8Array, owner: BlockOwner | null): void {
    writeMapKey(this.idKey, id);
    if (owner === null) this.log.add(MUTATION.mapPut, this.idKey, entry);
    else this.log.addTo(owner.branch, MUTATION.mapPut, this.idKey, entry);
  }

  private noteDrop(firstId: number, count: number, owner: BlockOwner): void {
    writeMapKey(this.idKey, firstId);
    new DataView(this.count.buffer).setUint32(0, count, true);
    this.log.addTo(owner.branch, MUTATION.mapDrop, this.idKey, this.count);
  }

  /** A number never used before in this vault. */
  nextObjectId(): number {
    this.checkWritable();
    return this.store.nextObjectId++;
  }

  /** Throws `unavailable` (ENOSPC) unless so many cells can be taken by blocks of `blockBytes`; commits where that helps. */
  admit(
    cells: number,
    purpose: SpacePurpose,
    blockBytes: number = this.store.blockBytes,
  ): void {
    if (this.transaction !== null) {
      const { dirtyBytes, copies } = this.store;
      requireTransactionRoom([dirtyBytes * copies, this.undoBytes()], this.transactionBytesMax);
    }
    this.admission.admit(cells, purpose, blockBytes);
  }

  private undoBytes(): number {
    return [...this.trees].reduce((sum, { tree }) => sum + tree.undoBytes, 0);
  }

  /** For statfs, in cells of data in blocks of `blockBytes`. */
  space(blockBytes: number = this.store.blockBytes): { totalCells: number; freeCells: number } {
    return this.admission.space(blockBytes);
  }

  /** Ends an atomic group; inside a transaction only its end does. */
  endGroup(): void {
    this.repairFound();
    if (this.transaction !== null) return this.store.trim();
    this.log.endGroup();
    if (this.durability.isBusy) return;
    if (this.store.dirtyBytes > DIRTY_BYTES_MAX / this.store.copies) this.durability.relieve();
    this.store.trim();
  }

  /** Ends the open group and makes everything that was applied durable, in the log or in a root. */
  sync(): void | Promise<void> {
    return this.durability.sync();
  }

  /**
   * Writes a new root with everything that has been applied. Does nothing when nothing changed. `change` may change the
   * catalog as part of the root; it must not fail.
   */
  commitNow(change?: CatalogChange): void {
    this.durability.commitNow(change);
  }

  /** The same without `change`, waiting for a slow medium aside. */
  commit(): Promise<void> {
    return this.durability.commit();
  }

  /** Seals everything from now on under another epoch, which all key slots hold; durable when it returns. */
  useEpoch(epoch: number): void {
    this.checkNoTransaction();
    this.checkWritable();
    assert(!this.durability.isBusy, "no root is being written");
    this.commitNow(); // so that nothing is left that could fail before the root of the new epoch
    const { store, durability } = this;
    const before = store.context.epoch;
    store.blocks.absorb();
    store.context.epoch = epoch;
    try {
      durability.changes++;
      this.commitNow();
    } finally {
      if (durability.changes > 0) store.context.epoch = before;
    }
  }

  /** Changes what is stored, and ends with a root; whoever knows the record at `key`, or a content, forgets it. */
  asOneRoot(key: Uint8Array, change: () => void): void {
    this.checkWritable();
    this.durability.failing(change);
    this.commitNow();
    this.durability.failing(() => {
      this.announce(key);
      for (const open of this.trees) open.reset();
    });
  }

  /** Says that a record means something else now, to whoever has read it in any tree. */
  announce(key: Uint8Array): void {
    for (const { tree } of this.trees) tree.announce(key);
  }

  /** Says that the next commit has something to write that no mutation told of. */
  markChanged(): void {
    this.checkWritable();
  }

  /** Writes a root with what was taken over from the intent log, before anything else is accepted. */
  recover(): void {
    this.repairFound();
    this.durability.recover();
  }

  /** Writes anew what reads have found bad, where there is room for it: what they gave was right all the same. */
  repairFound(): void {
    const { store: { damage, blockBytes }, durability, admission } = this;
    if (damage.waiting === 0 || durability.hasFailed) return;
    const cells = damage.waiting * blockBytes / CELL_BYTES;
    if (this.readOnly || !admission.hasRoom(cells, blockBytes)) return damage.giveUp();
    durability.changes++;
    durability.failing(() => repairFound(this.store, (bytes) => admission.hasBlockRoom(bytes)));
  }

  private release(run: number): void {
    if (this.erasesReleased) eraseRun(this, run);
    this.released?.add(run);
  }

  /** Gives free cells back to the storage below: those that were released and not taken again. */
  discardReleased(): void {
    this.released?.discard();
    this.admission.settle();
  }

  /** Bytes of mutations since the last root. */
  pendingBytes(): number {
    return this.durability.changes === 0 ? 0 : this.store.dirtyBytes;
  }

  /** True while a transaction is open: nothing becomes durable. */
  get inTransaction(): boolean {
    return this.transaction !== null;
  }

  /** Starts a transaction: nothing of it becomes durable before `keep`, and `rollback` undoes it. */
  beginTransaction(): void {
    assert(!this.inTransaction, "one transaction at a time");
    this.checkWritable();
    // What is in memory only was there before: rolling back must not take it along.
    for (const tree of this.trees) tree.flush();
    this.endGroup();
    this.durability.settle();
    this.transaction = { puts: [], drops: [] };
    for (const { tree } of this.trees) tree.begin();
  }

  /** Keeps the transaction as one group. */
  keepTransaction(): void {
    const { drops } = this.endTransaction();
    for (const { tree } of this.trees) tree.keep();
    // Half of it must not become durable.
    this.durability.failing(() => {
      for (const { firstId, count, owner } of drops) this.drop(firstId, count, owner);
    });
    this.endGroup();
  }

  /** Undoes the transaction, and drops the blocks that it put. `undone` is told what was taken back in the tree `told`. */
  rollbackTransaction(told?: LoggedTree, undone?: UndoneVisitor): void {
    const { puts } = this.endTransaction();
    // What is half undone, or half forgotten, must not become durable.
    this.durability.failing(() => {
      for (const { tree } of this.trees) tree.rollback(tree === told ? undone : undefined);
      if (!this.durability.hasFailed) this.dropAll(puts);
      this.endGroup();
      for (const tree of this.trees) tree.reset();
    });
  }

  private dropAll(puts: readonly OwnedRun[]): void {
    this.settle();
    for (const { firstId, count, owner } of puts) this.store.blocks.drop(firstId, count, owner);
  }

  private endTransaction(): OpenTransaction {
    const { transaction } = this;
    assert(transaction !== null, "a transaction is open");
    this.transaction = null;
    return transaction;
  }

  /** Seals and stores blocks for a branch. */
  put(run: WriteRun, owner: BlockOwner): PutRun {
    this.checkWritable();
    this.transaction?.puts.push({ ...run, owner });
    // Space was asked for before: whoever put this has changed the tree already.
    return this.durability.failing(() => this.store.blocks.put(run, owner));
  }

  /** Waits for a job, or for all. */
  settle(ticket?: number): void {
    this.durability.failing(() => this.store.blocks.settle(ticket));
  }

  /** Seals a block anew in another place, under a fresh nonce. Nothing has changed where it cannot be read. */
  move(id: number): void {
    this.moving(id, (blocks) => blocks.move(id));
  }

  /** The same with `write`, which moves one block in some way. */
  moving(id: number, write: (blocks: BlockStore) => void): void {
    const cells = this.store.blocks.cells(id, 1);
    this.admit(cells, "write", cells * CELL_BYTES);
    this.rewriting(write);
  }

  /** Writes that move blocks: nothing has changed where they throw before the first was begun, else the vault takes no more changes. */
  rewriting(write: (blocks: BlockStore) => void): void {
    this.checkWritable();
    const { blocks, blocks: { begunWrites } } = this.store;
    try {
      write(blocks);
    } catch (error) {
      if (blocks.begunWrites !== begunWrites) this.durability.fail(error);
      throw error;
    }
  }

  /** A branch gives blocks up, when the transaction is kept that may be open. */
  drop(firstId: number, count: number, owner: BlockOwner): void {
    this.checkWritable();
    if (this.transaction !== null) this.transaction.drops.push({ firstId, count, owner });
    else this.store.blocks.drop(firstId, count, owner);
  }
}
