import { assert } from "../assert.ts";
import { HEADER_SEGMENTS } from "../block/space.ts";
import type { Kernel } from "../crypto/kernel.ts";
import { VaultError } from "../errors.ts";
import { MUTATION } from "../format/log_record.ts";
import { MAP_KEY_BYTES, writeMapKey } from "../format/map_entry.ts";
import { CELL_BYTES, MIB, SEGMENT_CELLS } from "../limits.ts";
import type { Runtime } from "../runtime.ts";
import type { DirectAccess } from "../storage/storage_backend.ts";
import { MutationBuffer } from "../tree/mutation_buffer.ts";
import type { TreeStore } from "../tree/tree_store.ts";
import { LoggedTree } from "./logged_tree.ts";
import { NameHash } from "./name_hash.ts";
import {
  COMMIT_GAIN_CELLS,
  RESERVE_CELLS_MIN,
  reservedCells,
  RESTING_CELLS_MIN,
} from "./reserve.ts";
import { ReleasedCells } from "./released_cells.ts";
import { Room } from "./room.ts";
import type { BlockRun, DataBlocks, PendingGet, VolumeStore } from "./volume_store.ts";

/** Mutations beyond this are made durable by a root instead of the log. */
const LOG_BYTES_MAX = 4 * MIB;
/** Changed tree pages beyond this are written as a root at the end of the operation. */
const DIRTY_BYTES_MAX = 24 * MIB;
/** Changed tree pages that one transaction may make: they stay in memory until it ends. */
const TRANSACTION_BYTES_MAX = 192 * MIB;
/** Empty commits that let every resting cell go. */
const COMMITS_TO_RELEASE = 3;

/** What a volume stands on. */
export interface VolumeParts {
  readonly kernel: Kernel;
  readonly runtime: Runtime;
  readonly medium: DirectAccess;
  readonly store: TreeStore;
  readonly layoutKey: Uint8Array;
  readonly readOnly: boolean;
  /** Free cells of this medium may be given back to the storage below. */
  readonly discard: boolean;
}

/** What ends with a transaction, one way or the other. */
interface OpenTransaction {
  /** Runs that go when it is rolled back. */
  readonly puts: { readonly firstId: number; readonly count: number }[];
  /** First ids and counts that go when it is kept. */
  readonly drops: [number, number][];
}

/** The volume of a vault: an ordered map and data blocks, logged and committed as one. */
export class Volume implements VolumeStore, DataBlocks {
  readonly kernel: Kernel;
  readonly runtime: Runtime;
  readonly readOnly: boolean;
  readonly tree: LoggedTree;
  readonly store: TreeStore;
  private readonly medium: DirectAccess;
  private readonly released: ReleasedCells | null;
  private readonly room: Room;
  private readonly log = new MutationBuffer(LOG_BYTES_MAX);
  private readonly names: NameHash;
  private readonly idKey = new Uint8Array(MAP_KEY_BYTES);
  private readonly count = new Uint8Array(4);
  private flush: () => void = () => {};
  private promised = 0;
  private changes = 0;
  private busy = false;
  private transaction: OpenTransaction | null = null;
  private failure: unknown;

  constructor(parts: VolumeParts) {
    this.kernel = parts.kernel;
    this.runtime = parts.runtime;
    this.medium = parts.medium;
    this.store = parts.store;
    this.readOnly = parts.readOnly;
    this.released = parts.discard ? new ReleasedCells(parts.store.space, this.medium) : null;
    this.room = new Room(parts.store.space, parts.store.dense ? null : this.medium);
    this.tree = new LoggedTree(parts.store.volume, this.log, () => this.checkWritable());
    this.names = new NameHash(this.kernel, parts.layoutKey);
    this.store.blocks.observer = {
      entryPut: (id, entry) => this.noteEntry(id, entry),
      runDropped: (firstId, count) => this.noteDrop(firstId, count),
    };
  }

  get blocks(): DataBlocks {
    return this;
  }

  get blockBytes(): number {
    return this.store.blockBytes;
  }

  private checkWritable(): void {
    if (this.readOnly) {
      throw new VaultError("denied", "Cannot change the vault: it is open read-only", {
        errno: "EROFS",
      });
    }
    this.checkWhole();
    this.changes++;
  }

  private checkWhole(): void {
    if (this.failure === undefined) return;
    throw new VaultError(
      "unavailable",
      "Cannot change the vault: an earlier write failed; reopen it",
      { cause: this.failure, errno: "EIO" },
    );
  }

  private noteEntry(id: number, entry: Uint8Array): void {
    writeMapKey(this.idKey, id);
    this.log.add(MUTATION.mapPut, this.idKey, entry);
  }

  private noteDrop(firstId: number, count: number): void {
    writeMapKey(this.idKey, firstId);
    new DataView(this.count.buffer).setUint32(0, count, true);
    this.log.add(MUTATION.mapDrop, this.idKey, this.count);
  }

  nextObjectId(): number {
    this.checkWritable();
    return this.store.nextObjectId++;
  }

  hashName(name: Uint8Array): number {
    return this.names.of(name);
  }

  private reserveCells(purpose: "write" | "delete" | "root"): number {
    const { blockBytes, store: { space, dirtyBytes } } = this;
    const promisedBlocks = this.promised * CELL_BYTES / blockBytes;
    const room = space.segments * SEGMENT_CELLS + this.room.cells("delete");
    const capacity = Math.min(room, space.segmentsMax * SEGMENT_CELLS);
    return reservedCells({ dirtyBytes, promisedBlocks, capacity }, purpose);
  }

  admit(cells: number, purpose: "write" | "delete"): void {
    if (this.transaction !== null && this.store.dirtyBytes > TRANSACTION_BYTES_MAX) {
      throw new VaultError("invalid", "Cannot change so much in one transaction: make several");
    }
    if (this.hasRoom(cells, purpose)) return;
    this.room.askAgain();
    // What a commit makes room for is enough for several changes, or every one of them would want a commit.
    for (let tries = 0; !this.hasRoom(cells + (tries && COMMIT_GAIN_CELLS), purpose); tries++) {
      if (
        tries === COMMITS_TO_RELEASE || this.busy || this.inTransaction || !this.mayGain(purpose)
      ) {
        const least = this.promised + this.reserveCells("root");
        if (purpose === "delete" && this.room.has(least, purpose)) return;
        throw new VaultError("unavailable", "Cannot store data: the vault is full", {
          errno: "ENOSPC",
        });
      }
      this.commitNow();
      this.discardReleased();
      this.room.askAgain();
    }
  }

  private hasRoom(cells: number, purpose: "write" | "delete"): boolean {
    const wanted = cells + this.promised;
    // Nodes may break up as many runs that large blocks would fit into.
    const blocks = purpose === "write" && wanted * CELL_BYTES >= this.blockBytes ? 2 * wanted : 0;
    return this.room.has(wanted + this.reserveCells(purpose), purpose, blocks);
  }

  /** True where commits let enough go: what rests, but for what they let rest themselves, and what is reserved for them. */
  private mayGain(purpose: "write" | "delete"): boolean {
    const resting = this.store.space.resting.cells - RESTING_CELLS_MIN;
    const gain = resting + this.reserveCells("delete") - RESERVE_CELLS_MIN;
    return gain > (purpose === "write" ? COMMIT_GAIN_CELLS : 0);
  }

  promise(cells: number): void {
    this.promised += cells;
    assert(this.promised >= 0, "promises are kept once");
  }

  space(): { totalCells: number; freeCells: number } {
    const { space } = this.store;
    const free = this.room.cells("write") + space.resting.cells - this.promised -
      this.reserveCells("write");
    const freeCells = Math.max(0, free);
    const header = HEADER_SEGMENTS * SEGMENT_CELLS;
    const used = space.segments * SEGMENT_CELLS - space.freeCells - space.resting.cells - header;
    const most = space.segmentsMax * SEGMENT_CELLS - header;
    return { totalCells: Math.min(most, used + freeCells), freeCells };
  }

  endGroup(): void {
    if (this.transaction !== null) return this.store.trim();
    this.log.endGroup();
    if (this.busy) return;
    if (this.store.dirtyBytes > DIRTY_BYTES_MAX) this.commitNow();
    this.store.trim();
  }

  sync(): void {
    if (this.readOnly) return;
    // What failed once may succeed on a second try without what was lost by the first.
    this.checkWhole();
    if (this.changes === 0 || this.inTransaction) return;
    this.failing(() => this.store.blocks.absorb());
    this.log.endGroup();
    if (this.log.overflowed || !this.hasRoomToLog()) return this.commitNow();
    if (this.log.endedBytes().length === 0) return;
    this.noteNumbers();
    this.failing(() => {
      this.store.log.write(this.log.endedBytes());
      this.medium.sync();
    });
    this.log.clearEnded();
  }

  /** True where the log can take what waits, and a root can be written after it. */
  private hasRoomToLog(): boolean {
    const { space, log } = this.store;
    const cells = log.cellsFor(this.log.endedBytes().length + 64);
    const kept = this.promised + this.reserveCells("delete");
    return space.freeCells >= cells && space.usableCells(cells + kept) >= cells + kept;
  }

  private noteNumbers(): void {
    const none = new Uint8Array(0);
    writeMapKey(this.idKey, this.store.blocks.nextId);
    this.log.add(MUTATION.nextBlockId, this.idKey, none);
    writeMapKey(this.idKey, this.store.nextObjectId);
    this.log.add(MUTATION.nextObjectId, this.idKey, none);
    this.log.endGroup();
  }

  /** Runs writes that must not be half done: when one fails, the volume takes no more changes. */
  private failing<T>(run: () => T): T {
    try {
      return run();
    } catch (error) {
      this.failure = error;
      throw error;
    }
  }

  commit(): Promise<void> {
    return Promise.resolve().then(() => this.commitNow());
  }

  /** Writes a new root with everything that has been applied. Does nothing when nothing changed. */
  commitNow(): void {
    assert(!this.inTransaction, "no root is written inside a transaction");
    if (this.readOnly || this.busy) return;
    const resting = this.store.space.resting.cells > 0;
    this.busy = true;
    try {
      this.flush();
      if (this.changes === 0 && !resting && this.store.sequence > 0) return;
      this.checkWritable();
      this.failing(() => this.writeRoot());
    } finally {
      this.busy = false;
    }
  }

  /** Says that the next commit has something to write that no mutation told of. */
  markChanged(): void {
    this.checkWritable();
  }

  /** Writes a root with what was taken over from the intent log, before anything else is accepted. */
  recover(): void {
    this.changes++;
    this.failing(() => this.writeRoot());
  }

  private writeRoot(): void {
    const prepared = this.store.prepare();
    this.medium.sync();
    this.store.publish(prepared);
    this.medium.sync();
    this.store.finish(prepared, (run) => this.released?.add(run));
    this.log.clear();
    this.changes = 0;
    this.store.trim();
  }

  /** Gives free cells back to the storage below: those that were released and not taken again. */
  discardReleased(): void {
    this.released?.discard();
  }

  setFlushHook(flush: () => void): void {
    this.flush = flush;
  }

  pendingBytes(): number {
    return this.changes === 0 ? 0 : this.store.dirtyBytes;
  }

  /** True while a transaction is open: nothing becomes durable. */
  get inTransaction(): boolean {
    return this.transaction !== null;
  }

  /** Starts a transaction: nothing of it becomes durable before `keep`, and `rollback` undoes it. */
  beginTransaction(): void {
    assert(!this.inTransaction, "one transaction at a time");
    this.checkWritable();
    this.endGroup();
    this.transaction = { puts: [], drops: [] };
    this.tree.begin();
  }

  /** Keeps the transaction as one group. */
  keepTransaction(): void {
    const { drops } = this.endTransaction();
    this.tree.keep();
    for (const [firstId, count] of drops) this.drop(firstId, count);
    this.endGroup();
  }

  /** Undoes the transaction: the tree is as it was, and the blocks that it put are dropped. */
  rollbackTransaction(): void {
    const { puts } = this.endTransaction();
    this.tree.rollback();
    if (this.failure === undefined) {
      this.settle();
      for (const { firstId, count } of puts) this.store.blocks.drop(firstId, count);
    }
    this.endGroup();
  }

  private endTransaction(): OpenTransaction {
    const { transaction } = this;
    assert(transaction !== null, "a transaction is open");
    this.transaction = null;
    return transaction;
  }

  allocateIds(count: number): number {
    return this.store.blocks.allocateIds(count);
  }

  put(run: BlockRun): number {
    this.checkWritable();
    this.transaction?.puts.push(run);
    // Space was asked for before: whoever put this has changed the tree already.
    return this.failing(() => this.store.blocks.put(run));
  }

  settled(ticket: number): boolean {
    return this.store.blocks.settled(ticket);
  }

  settle(ticket?: number): void {
    this.failing(() => this.store.blocks.settle(ticket));
  }

  get(firstId: number, count: number, address: number): void {
    this.store.blocks.get(firstId, count, address);
  }

  /** Seals a block anew in another place, under a fresh nonce. Nothing has changed where it cannot be read. */
  move(id: number): void {
    this.admit(this.blockBytes / CELL_BYTES, "write");
    this.checkWritable();
    try {
      this.store.blocks.move(id);
    } catch (error) {
      if (!(error instanceof VaultError && error.kind === "corrupt")) this.failure = error;
      throw error;
    }
  }

  getLater(firstId: number, count: number, address: number): PendingGet | null {
    return this.store.blocks.getLater(firstId, count, address);
  }

  drop(firstId: number, count: number): void {
    this.checkWritable();
    if (this.transaction !== null) this.transaction.drops.push([firstId, count]);
    else this.store.blocks.drop(firstId, count);
  }
}
