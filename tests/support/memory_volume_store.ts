import { assert } from "../../core/assert.ts";
import { compare } from "../../core/bytes.ts";
import type { Kernel } from "../../core/crypto/kernel.ts";
import { VaultError } from "../../core/errors.ts";
import type { Runtime } from "../../core/runtime.ts";
import type { KeyValueTree, VolumeStore } from "../../core/volume/volume_store.ts";
import { MemoryBlocks } from "./memory_blocks.ts";

/** What a memory volume is made of. */
export interface MemoryVolumeOptions {
  readonly kernel: Kernel;
  readonly runtime: Runtime;
  readonly blockBytes?: number;
  readonly totalCells?: number;
  /** Blocks take fewer cells than they have, as if they were compressed. */
  readonly compresses?: boolean;
  /** Names with the same remainder get the same hash: tests of collisions. */
  readonly hashes?: number;
}

/** The content of a volume after some group: what a crash there would leave. */
export interface VolumeImage {
  readonly entries: Map<string, Uint8Array>;
  readonly blocks: Map<number, Uint8Array>;
  /** Ids of those that take fewer cells than they have. */
  readonly packed: Set<number>;
  readonly nextIds: readonly [number, number];
}

/**
 * A volume in memory that holds its callers to the contract: views are overwritten at the next call, memory
 * that was put is sealed (here: made garbage) and free only once its ticket has settled.
 */
export class MemoryVolumeStore implements VolumeStore {
  readonly kernel: Kernel;
  readonly runtime: Runtime;
  readonly blockBytes: number;
  readonly compresses: boolean;
  readonly tree: MemoryTree;
  readonly blocks: MemoryBlocks;
  readOnly = false;
  /** Called with what a crash after each group would leave. */
  onGroup: ((image: VolumeImage) => void) | null = null;
  /** Cells promised to dirty data. */
  promised = 0;
  readonly #totalCells: number;
  readonly #hashes: number;
  #nextObject = 2;
  #flush: (() => void) | null = null;
  #groupAt = 0;

  constructor(options: MemoryVolumeOptions, image?: VolumeImage) {
    this.kernel = options.kernel;
    this.runtime = options.runtime;
    this.blockBytes = options.blockBytes ?? 16384;
    this.compresses = options.compresses ?? false;
    this.#totalCells = options.totalCells ?? 1 << 20;
    this.#hashes = options.hashes ?? 2 ** 44;
    this.tree = new MemoryTree(() => !this.readOnly);
    this.blocks = new MemoryBlocks(this.kernel, this.blockBytes);
    if (image !== undefined) this.#load(image);
  }

  nextObjectId(): number {
    return this.#nextObject++;
  }

  hashName(name: Uint8Array): number {
    let low = 2166136261;
    let high = 40503;
    for (const byte of name) {
      low = Math.imul(low ^ byte, 16777619) >>> 0;
      high = (high * 31 + byte) & 0xfff;
    }
    return (high * 2 ** 32 + low) % this.#hashes;
  }

  admit(cells: number, purpose: "write" | "delete"): void {
    if (this.readOnly) {
      throw new VaultError("denied", "Cannot write: read-only", { errno: "EROFS" });
    }
    if (purpose === "delete") return;
    if (cells + this.promised + this.blocks.cellsInUse > this.#totalCells) {
      throw new VaultError("unavailable", "Cannot write: the medium is full", { errno: "ENOSPC" });
    }
  }

  promise(cells: number): void {
    this.promised += cells;
    assert(this.promised >= 0, "no more is taken back than was promised");
  }

  space(): { totalCells: number; freeCells: number } {
    return { totalCells: this.#totalCells, freeCells: this.#totalCells - this.blocks.cellsInUse };
  }

  endGroup(): void {
    if (this.tree.changes === this.#groupAt) return;
    this.#groupAt = this.tree.changes;
    this.onGroup?.(this.image());
  }

  sync(): void {
    this.blocks.settle();
  }

  commit(): Promise<void> {
    this.#flush?.();
    this.blocks.settle();
    return Promise.resolve();
  }

  setFlushHook(flush: () => void): void {
    this.#flush = flush;
  }

  pendingBytes(): number {
    return 0;
  }

  /** A copy of everything: the state that a crash now would leave. */
  image(): VolumeImage {
    return {
      entries: this.tree.copy(),
      ...this.blocks.copy(),
      nextIds: [this.#nextObject, this.blocks.nextId],
    };
  }

  #load(image: VolumeImage): void {
    this.tree.load(image.entries);
    this.blocks.load(image);
    this.#nextObject = image.nextIds[0];
  }
}

/** A sorted list of keys and values. */
export class MemoryTree implements KeyValueTree {
  /** How many mutations there were. */
  changes = 0;
  #keys: Uint8Array[] = [];
  #values: Uint8Array[] = [];
  #lent: Uint8Array[] = [];
  #scanning = false;
  readonly #isWritable: () => boolean;

  constructor(isWritable: () => boolean) {
    this.#isWritable = isWritable;
  }

  get size(): number {
    return this.#keys.length;
  }

  get(key: Uint8Array): Uint8Array | null {
    this.#poison();
    const at = this.#lowerBound(key);
    return this.#isAt(at, key) ? this.#lend(this.#values[at]) : null;
  }

  put(key: Uint8Array, value: Uint8Array): void {
    this.#change();
    assert(key.length > 0 && key.length <= 64, "a key has 1 to 64 bytes");
    assert(value.length <= 4096, "a value has up to 4,096 bytes");
    const copy = value.slice();
    const at = this.#lowerBound(key);
    if (this.#isAt(at, key)) {
      this.#values[at] = copy;
    } else {
      this.#keys.splice(at, 0, key.slice());
      this.#values.splice(at, 0, copy);
    }
    this.#poison();
  }

  delete(key: Uint8Array): boolean {
    this.#change();
    const at = this.#lowerBound(key);
    this.#poison();
    if (!this.#isAt(at, key)) return false;
    this.#keys.splice(at, 1);
    this.#values.splice(at, 1);
    return true;
  }

  scan(from: Uint8Array, visit: (key: Uint8Array, value: Uint8Array) => boolean): void {
    this.#poison();
    const wasScanning = this.#scanning;
    this.#scanning = true;
    try {
      for (let at = this.#lowerBound(from); at < this.#keys.length; at++) {
        const goesOn = visit(this.#lend(this.#keys[at]), this.#lend(this.#values[at]));
        this.#poison();
        if (!goesOn) return;
      }
    } finally {
      this.#scanning = wasScanning;
    }
  }

  floor(key: Uint8Array, visit: (key: Uint8Array, value: Uint8Array) => void): boolean {
    this.#poison();
    let at = this.#lowerBound(key);
    if (!this.#isAt(at, key)) at--;
    if (at < 0) return false;
    visit(this.#lend(this.#keys[at]), this.#lend(this.#values[at]));
    this.#poison();
    return true;
  }

  copy(): Map<string, Uint8Array> {
    return new Map(this.#keys.map((key, i) => [key.toHex(), this.#values[i].slice()]));
  }

  load(entries: Map<string, Uint8Array>): void {
    for (const [key, value] of entries) this.put(Uint8Array.fromHex(key), value);
  }

  #change(): void {
    assert(this.#isWritable(), "a read-only volume is not changed");
    assert(!this.#scanning, "the tree is not changed during a scan");
    this.changes++;
  }

  #lend(bytes: Uint8Array): Uint8Array {
    const view = bytes.slice();
    this.#lent.push(view);
    return view;
  }

  /** Overwrites every view that was lent: who still uses one reads garbage. */
  #poison(): void {
    for (const view of this.#lent) view.fill(0xa5);
    this.#lent = [];
  }

  #isAt(at: number, key: Uint8Array): boolean {
    return at < this.#keys.length && compare(this.#keys[at], key) === 0;
  }

  #lowerBound(key: Uint8Array): number {
    let low = 0;
    let high = this.#keys.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (compare(this.#keys[middle], key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
