import { VaultError } from "../errors.ts";
import type { PutRun } from "../block/block_writer.ts";
import type { Kernel } from "../crypto/kernel.ts";
import { cellsFor } from "../format/map_entry.ts";
import { CELL_BYTES, MIB } from "../limits.ts";
import type { Runtime } from "../runtime.ts";
import type { Volume } from "../volume/volume.ts";
import type {
  BlockRun,
  ContentLocks,
  DataBlocks,
  VolumeSpace,
  VolumeStore,
} from "../volume/volume_store.ts";
import { OverlayTree } from "./overlay_tree.ts";
import { ReadSet } from "./read_set.ts";

/** Data and records that one transaction may change: they stay in memory until it ends. */
const CHANGED_BYTES_MAX = 64 * MIB;
/** Ids from here on are of blocks that are in memory only; no vault gets so far. */
export const OWN_IDS = 2 ** 52;

/** What one transaction sees: the volume, with changes of its own that are in memory only. */
export class OverlayStore implements VolumeStore {
  readonly kernel: Kernel;
  readonly runtime: Runtime;
  readonly readOnly = false;
  readonly blockBytes: number;
  readonly reads: ReadSet = new ReadSet();
  readonly wipers: (() => void)[];
  readonly tree: OverlayTree;
  readonly blocks: OverlayBlocks;
  readonly #volume: Volume;
  /** A change failed when a part of it was there: the transaction cannot be committed. */
  isHalfDone = false;
  /** Of files that it has made. */
  readonly #secrets: number[] = [];

  constructor(volume: Volume) {
    this.#volume = volume;
    this.kernel = volume.kernel;
    this.runtime = volume.runtime;
    this.blockBytes = volume.blockBytes;
    this.wipers = volume.wipers;
    this.tree = new OverlayTree(volume.tree, this.reads);
    this.blocks = new OverlayBlocks(volume);
  }

  nextObjectId(): number {
    return this.#volume.nextObjectId();
  }

  makeSecret(ino: number): number {
    const secretId = this.#volume.makeSecret(ino);
    this.#secrets.push(secretId);
    this.#volume.engine.locks.secrets.held.add(secretId);
    return secretId;
  }

  get locks(): ContentLocks {
    return this.#volume.locks;
  }

  hashName(name: Uint8Array): number {
    return this.#volume.hashName(name);
  }

  admit(): void {
    if (this.tree.bytes + this.blocks.bytes <= CHANGED_BYTES_MAX) return;
    throw new VaultError(
      "unavailable",
      "Cannot change so much in one transaction: it holds 64 MiB of changes; make several",
      { operation: "transaction", errno: "ENOSPC" },
    );
  }

  /** Space is asked for when the transaction commits. */
  promise(): void {}

  space(): VolumeSpace {
    return this.#volume.space();
  }

  get applied(): number {
    return this.tree.applied;
  }

  giveUp(): void {
    this.isHalfDone = true;
  }

  /** Nothing survives a crash before the commit, so there are no groups. */
  endGroup(): void {}

  sync(): void {}

  commit(): Promise<void> {
    return Promise.resolve();
  }

  setFlushHook(): void {}

  pendingBytes(): number {
    return 0;
  }

  /** Forgets everything, for the next transaction. */
  clear(): void {
    this.tree.clear();
    this.blocks.clear();
    this.reads.clear();
    this.isHalfDone = false;
    for (const secretId of this.#secrets.splice(0)) {
      this.#volume.engine.locks.secrets.held.delete(secretId);
    }
  }
}

/** Blocks of the volume, and such that are in memory only. */
export class OverlayBlocks implements DataBlocks {
  readonly #volume: Volume;
  readonly #own = new Map<number, Uint8Array>();
  /** Runs of the volume's blocks that go with the commit. */
  readonly drops: [number, number][] = [];
  bytes = 0;
  #nextId = OWN_IDS;

  constructor(volume: Volume) {
    this.#volume = volume;
  }

  /** The bytes of a block that is in memory only. */
  own(id: number): Uint8Array {
    const bytes = this.#own.get(id);
    if (bytes !== undefined) return bytes;
    throw new VaultError("corrupt", `Cannot find block ${id} of the transaction`);
  }

  /** How many blocks are in memory only. */
  get count(): number {
    return this.#own.size;
  }

  allocateIds(count: number): number {
    const first = this.#nextId;
    this.#nextId += count;
    return first;
  }

  put({ firstId, count, address, lastLength }: BlockRun): PutRun {
    const { kernel, blockBytes } = this.#volume;
    const cells = (count - 1) * blockBytes / CELL_BYTES + cellsFor(lastLength);
    for (let i = 0; i < count; i++) {
      const from = address + i * blockBytes;
      const length = i === count - 1 ? lastLength : blockBytes;
      this.#own.set(firstId + i, kernel.bytes.slice(from, from + length));
      this.bytes += length;
    }
    return { ticket: 0, cells };
  }

  settled(): boolean {
    return true;
  }

  settle(): void {}

  get(firstId: number, count: number, address: number): void {
    if (firstId < OWN_IDS) return this.#volume.get(firstId, count, address);
    const { kernel, blockBytes } = this.#volume;
    for (let i = 0; i < count; i++) {
      const at = address + i * blockBytes;
      const bytes = this.own(firstId + i);
      kernel.bytes.set(bytes, at);
      kernel.bytes.fill(0, at + bytes.length, at + blockBytes);
    }
  }

  cells(firstId: number, count: number): number {
    if (firstId < OWN_IDS) return this.#volume.cells(firstId, count);
    let cells = 0;
    for (let id = firstId; id < firstId + count; id++) cells += cellsFor(this.own(id).length);
    return cells;
  }

  drop(firstId: number, count: number): void {
    if (firstId < OWN_IDS) return void this.drops.push([firstId, count]);
    for (let id = firstId; id < firstId + count; id++) {
      this.bytes -= this.#own.get(id)?.length ?? 0;
      this.#own.delete(id);
    }
  }

  clear(): void {
    this.#own.clear();
    this.drops.length = 0;
    this.bytes = 0;
  }
}
