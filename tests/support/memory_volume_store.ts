import type { PutRun } from "../../core/block/block_writer.ts";
import { assert } from "../../core/assert.ts";
import { compare } from "../../core/bytes.ts";
import type { Kernel } from "../../core/crypto/kernel.ts";
import { VaultError } from "../../core/errors.ts";
import { CELL_BYTES } from "../../core/limits.ts";
import type { Runtime } from "../../core/runtime.ts";
import type {
  BlockRun,
  DataBlocks,
  KeyValueTree,
  VolumeStore,
} from "../../core/volume/volume_store.ts";

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

/** Calls of `settled` until a ticket has settled by itself. */
const PATIENCE = 3;

/** Blocks in a map. */
export class MemoryBlocks implements DataBlocks {
  nextId = 1;
  cellsInUse = 0;
  /** Ids whose tag is "wrong". */
  readonly corrupt = new Set<number>();
  readonly #kernel: Kernel;
  readonly #blockBytes: number;
  readonly #blocks = new Map<number, Uint8Array>();
  /** Ids of blocks that take fewer cells than they have. */
  readonly #packed = new Set<number>();
  readonly #flying = new Map<number, { run: BlockRun; asked: number; sealed: Uint8Array }>();
  #nextTicket = 1;

  constructor(kernel: Kernel, blockBytes: number) {
    this.#kernel = kernel;
    this.#blockBytes = blockBytes;
  }

  get count(): number {
    return this.#blocks.size;
  }

  allocateIds(count: number): number {
    assert(count > 0, "ids are asked for");
    const first = this.nextId;
    this.nextId += count;
    return first;
  }

  put(run: BlockRun): PutRun {
    const { firstId, count, address, lastLength, trials } = run;
    assert(address % 64 === 0, "a run is aligned");
    assert(count > 0 && lastLength > 0 && lastLength <= this.#blockBytes, "a run has blocks");
    assert(firstId + count <= this.nextId, "ids are allocated first");
    const before = this.cellsInUse;
    for (let i = 0; i < count; i++) {
      const at = address + i * this.#blockBytes;
      const length = i === count - 1 ? lastLength : this.#blockBytes;
      assert(!this.#blocks.has(firstId + i), "an id is put once");
      this.#blocks.set(firstId + i, this.#kernel.bytes.slice(at, at + length));
      if (trials?.isDue()) this.#packed.add(firstId + i);
      this.cellsInUse += this.cells(firstId + i, 1);
    }
    const bytes = this.#memory(run).fill(0x5c);
    this.#flying.set(this.#nextTicket, { run, asked: 0, sealed: bytes.slice() });
    return { ticket: this.#nextTicket++, cells: this.cellsInUse - before };
  }

  settled(ticket: number): boolean {
    const flight = this.#flying.get(ticket);
    if (flight === undefined) return true;
    if (++flight.asked < PATIENCE) return false;
    this.#land(ticket);
    return true;
  }

  settle(ticket?: number): void {
    if (ticket !== undefined) return this.#land(ticket);
    for (const each of [...this.#flying.keys()]) this.#land(each);
  }

  get(firstId: number, count: number, address: number): void {
    this.#checkLanded(firstId, count);
    for (let i = 0; i < count; i++) {
      const at = address + i * this.#blockBytes;
      const block = this.#blocks.get(firstId + i);
      assert(block !== undefined, `block ${firstId + i} is there`);
      if (this.corrupt.has(firstId + i)) {
        throw new VaultError("corrupt", `Cannot read block ${firstId + i}: tag mismatch`);
      }
      this.#kernel.bytes.fill(0, at, at + this.#blockBytes);
      this.#kernel.bytes.set(block, at);
    }
  }

  drop(firstId: number, count: number): void {
    this.#checkLanded(firstId, count);
    for (let id = firstId; id < firstId + count; id++) {
      const block = this.#blocks.get(id);
      assert(block !== undefined, `dropped block ${id} is there`);
      this.cellsInUse -= this.cells(id, 1);
      this.#blocks.delete(id);
    }
  }

  /** Of a packed block: 1 and up to what it would take plain, as its id says. */
  cells(firstId: number, count: number): number {
    let cells = 0;
    for (let id = firstId; id < firstId + count; id++) {
      const plain = Math.ceil(this.#blocks.get(id)!.length / CELL_BYTES);
      cells += this.#packed.has(id) ? 1 + id % plain : plain;
    }
    return cells;
  }

  copy(): Pick<VolumeImage, "blocks" | "packed"> {
    return { blocks: new Map(this.#blocks), packed: new Set(this.#packed) };
  }

  load({ blocks, packed, nextIds }: VolumeImage): void {
    for (const id of packed) this.#packed.add(id);
    for (const [id, block] of blocks) {
      this.#blocks.set(id, block);
      this.cellsInUse += this.cells(id, 1);
    }
    this.nextId = nextIds[1];
  }

  #land(ticket: number): void {
    const flight = this.#flying.get(ticket);
    if (flight === undefined) return;
    const isUntouched = compare(this.#memory(flight.run), flight.sealed) === 0;
    assert(isUntouched, "memory in flight is not changed");
    this.#flying.delete(ticket);
  }

  #memory(run: BlockRun): Uint8Array {
    const length = (run.count - 1) * this.#blockBytes +
      Math.ceil(run.lastLength / CELL_BYTES) * CELL_BYTES;
    return this.#kernel.bytes.subarray(run.address, run.address + length);
  }

  #checkLanded(firstId: number, count: number): void {
    for (const { run } of this.#flying.values()) {
      const isApart = run.firstId >= firstId + count || run.firstId + run.count <= firstId;
      assert(isApart, "blocks in flight are settled before they are read or dropped");
    }
  }
}
