import { assert } from "../assert.ts";
import { VaultError } from "../errors.ts";
import { MUTATION } from "../format/log_record.ts";
import { MAP_KEY_BYTES, writeMapKey } from "../format/map_entry.ts";
import type { MutationBuffer } from "../tree/mutation_buffer.ts";
import type { TreeStore } from "../tree/tree_store.ts";
import type { MediumSync } from "./medium_sync.ts";
import type { SpaceAdmission } from "./space_admission.ts";
import { RootWrite } from "./root_write.ts";

const NOTHING = new Uint8Array(0);

/** What durability takes from its engine. */
export interface DurabilityParts {
  readonly store: TreeStore;
  readonly log: MutationBuffer;
  readonly sync: MediumSync;
  readonly readOnly: boolean;
  /** Puts what open volumes hold in memory only. */
  flush(): void;
  /** What has to stay free for it, in the vault and below. */
  readonly space: Pick<SpaceAdmission, "kept" | "backsRoot" | "waits" | "settle">;
  inTransaction(): boolean;
  /** Told of each run of cells that became usable. */
  released(run: number): void;
  /** Told of each root that has become durable. */
  rootDurable(): void;
}

/** Changes one root may make to the catalog; they must not fail. */
export type CatalogChange = (sequence: number) => void;

/**
 * How what was applied becomes durable: through the intent log or in a new root. Where the medium is slow, it is waited
 * for aside, and changes go on; who asks meanwhile shares the next wait (group commit). One root is on its way at most.
 */
export class Durability {
  /** Changes since the root that was written last. */
  changes = 0;
  private readonly parts: DurabilityParts;
  /** The catalog has changed apart from a root: the log does not tell of it. */
  private rootDue = false;
  private busy = false;
  private root: RootWrite | null = null;
  /** What is being made durable aside, and what is to follow it. */
  private underWay: Promise<void> | null = null;
  private next: Promise<void> | null = null;
  private failure: unknown;
  private readonly idKey = new Uint8Array(MAP_KEY_BYTES);

  constructor(parts: DurabilityParts) {
    this.parts = parts;
  }

  /** True where a write failed: nothing in memory can be trusted to be on the medium. */
  get hasFailed(): boolean {
    return this.failure !== undefined;
  }

  /** True while no other root may be written. */
  get isBusy(): boolean {
    return this.busy;
  }

  /** Throws where a write has failed: what failed once may succeed on a second try without what was lost by the first. */
  checkWhole(): void {
    if (!this.hasFailed) return;
    throw new VaultError(
      "unavailable",
      "Cannot change the vault: an earlier change failed half-way; reopen it",
      { cause: this.failure, errno: "EIO" },
    );
  }

  /** Changes the catalog apart from a root: nothing that follows is durable before a root has it. */
  changeCatalog(change: () => void): void {
    this.rootDue = true;
    this.failing(change);
  }

  /** Runs writes that must not be half done: when one fails, the vault takes no more changes. */
  failing<T>(run: () => T): T {
    try {
      return run();
    } catch (error) {
      this.fail(error);
      throw error;
    }
  }

  /** No more changes from now on. */
  fail(error: unknown): void {
    this.failure ??= error;
  }

  /** Ends the open group and makes everything that was applied durable; a promise where the medium is waited for aside. */
  sync(): void | Promise<void> {
    const { readOnly, inTransaction, sync } = this.parts;
    if (readOnly) return;
    this.checkWhole();
    if (inTransaction()) return;
    if (this.underWay !== null) return this.syncLater();
    if (this.changes === 0) return;
    if (sync.goesAside) return this.syncLater();
    this.syncNow();
  }

  private syncNow(): void {
    this.checkWhole();
    if (!this.hasToLog()) return;
    if (!this.fitsLog()) return this.commitNow();
    this.failing(() => {
      this.writeLog();
      this.parts.sync.now();
    });
  }

  /** Who comes while one wait is under way shares the next. */
  private syncLater(): Promise<void> {
    return this.next ??= this.nextSync();
  }

  private async nextSync(): Promise<void> {
    await null; // what is asked for in the same turn is one wait
    await this.follow(() => {
      this.next = null;
      return this.syncAside();
    });
  }

  private async follow(work: () => Promise<void>): Promise<void> {
    // Those who asked for what is under way are told how it ends; here it only has to be over.
    while (this.underWay !== null) await this.underWay.catch(() => {});
    const underWay = work();
    this.underWay = underWay;
    try {
      await underWay;
    } finally {
      if (this.underWay === underWay) this.underWay = null;
    }
  }

  private async syncAside(): Promise<void> {
    this.checkWhole();
    // Whoever began a transaction has waited for this on the spot.
    if (this.parts.inTransaction() || !this.hasToLog()) return;
    if (!this.fitsLog()) return await this.commitAside();
    this.failing(() => this.writeLog());
    await this.failingLater(this.parts.sync.later());
  }

  private async failingLater(work: Promise<void>): Promise<void> {
    try {
      await work;
    } catch (error) {
      this.fail(error);
      throw error;
    }
  }

  /** Ends the group; true where the log does not hold everything yet. */
  private hasToLog(): boolean {
    if (this.changes === 0) return false;
    const { log, store } = this.parts;
    this.failing(() => store.blocks.absorb());
    log.endGroup();
    return this.rootDue || log.overflowed || log.endedBytes().length > 0;
  }

  /** True where the log can take what waits, and a root can be written after it. */
  private fitsLog(): boolean {
    const { log: buffer, store: { space, log }, space: admission } = this.parts;
    if (this.rootDue || buffer.overflowed) return false;
    const cells = log.cellsFor(buffer.endedBytes().length + 64);
    const needed = cells + admission.kept();
    return space.freeCells >= cells && space.usableCells("forNodes", needed) >= needed &&
      admission.backsRoot(cells);
  }

  private writeLog(): void {
    const { log, store } = this.parts;
    writeMapKey(this.idKey, store.blocks.nextId);
    log.add(MUTATION.nextBlockId, this.idKey, NOTHING);
    writeMapKey(this.idKey, store.nextObjectId);
    log.add(MUTATION.nextObjectId, this.idKey, NOTHING);
    log.endGroup();
    store.log.write(log.endedBytes());
    log.clearEnded();
  }

  /** Writes a new root with everything that was applied, and waits. Does nothing when nothing changed. */
  commitNow(change?: CatalogChange): void {
    if (this.parts.readOnly || this.busy) return;
    this.finishRoot();
    if (this.startRoot(change)) this.finishRoot();
  }

  /** The same, waiting for a slow medium aside; resolves when it is durable. */
  async commit(): Promise<void> {
    if (this.parts.readOnly || this.busy) return;
    if (!this.parts.sync.goesAside && this.underWay === null) return this.commitNow();
    await this.follow(() => this.commitAside());
  }

  private async commitAside(): Promise<void> {
    this.finishRoot();
    if (this.parts.inTransaction() || !this.startRoot()) return;
    const { root } = this;
    assert(root !== null, "a root was started");
    await this.failingLater(root.later());
    if (this.root === root) this.root = null;
    this.parts.store.trim();
  }

  /** Starts a root that nobody waits for: too much is dirty. Where one is on its way already, it has to be waited for. */
  relieve(): void {
    if (this.busy) return;
    if (!this.parts.sync.goesAside || this.underWay !== null || this.next !== null) {
      return this.commitNow();
    }
    this.follow(() => this.commitAside()).catch(() => {}); // the next change says that a write failed
  }

  /** Makes durable at once what somebody waits for and is not logged yet: a transaction begins. */
  settle(): void {
    if (this.next === null) return;
    this.finishRoot();
    // A record is written when those before it are durable: replay relies on it.
    this.failing(() => this.parts.sync.now());
    this.syncNow();
  }

  /** Writes a root with what was taken over from the intent log, before anything else is accepted. */
  recover(): void {
    this.changes++;
    this.writeRoot();
    this.finishRoot();
  }

  /** Writes everything but the superblock; false where there was nothing to write. */
  private startRoot(change?: CatalogChange): boolean {
    const { store, flush } = this.parts;
    assert(!this.parts.inTransaction(), "no root is written inside a transaction");
    const resting = store.space.resting.cells > 0;
    // Before anything is half done: it can be tried again when there is room.
    if (!this.parts.space.backsRoot(0)) {
      if (this.changes > 0 || change !== undefined || this.parts.space.waits) throw fullBelow();
      return false;
    }
    this.busy = true;
    try {
      flush();
      const isSame = this.changes === 0 && change === undefined;
      if (isSame && !resting && store.sequence > 0) return false;
      this.checkWhole();
      this.writeRoot(change);
      return true;
    } finally {
      this.busy = false;
    }
  }

  private writeRoot(change?: CatalogChange): void {
    const { store, log, sync, released, space, rootDurable } = this.parts;
    const durable = () => {
      space.settle();
      rootDurable();
    };
    this.root = this.failing(() =>
      new RootWrite({ store, sync, prepared: store.prepare(change), released, durable })
    );
    // From here on, changes are the next root's: the log waits for this one.
    log.clear();
    this.changes = 0;
    this.rootDue = false;
  }

  /** Waits on this thread for the root that is on its way. */
  private finishRoot(): void {
    const { root } = this;
    if (root === null) return;
    this.root = null;
    this.failing(() => root.now());
    this.parts.store.trim();
  }
}

function fullBelow(): VaultError {
  return new VaultError(
    "unavailable",
    "Cannot make changes durable: the storage that the vault lies on is full; make room there",
    { errno: "ENOSPC" },
  );
}
