import type { PutRun } from "../../core/block/block_writer.ts";
import { assert } from "../../core/assert.ts";
import { compare } from "../../core/bytes.ts";
import type { Kernel } from "../../core/crypto/kernel.ts";
import { VaultError } from "../../core/errors.ts";
import { CELL_BYTES } from "../../core/limits.ts";
import type { BlockRun, DataBlocks, PendingGet } from "../../core/volume/volume_store.ts";
import type { VolumeImage } from "./memory_volume_store.ts";

/** Reads in the background at the same time. */
const LATER_MAX = 5;
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
  /** Reads that are not finished. */
  #later = 0;

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

  /** What is read arrives at once where the first id is even, and when the read is finished where it is odd. */
  getLater(firstId: number, count: number, address: number): PendingGet | null {
    assert(count <= 16, "a read in the background is of 16 blocks at most");
    const isWhole = (id: number) => this.#blocks.get(id)?.length === this.#blockBytes;
    const areWhole = Array.from({ length: count }, (_, i) => isWhole(firstId + i)).every(Boolean);
    if (this.#later === LATER_MAX || !areWhole) return null;
    this.#checkLanded(firstId, count);
    const arrive = () => this.get(firstId, count, address);
    const isEarly = firstId % 2 === 0 && !this.corrupt.has(firstId);
    if (isEarly) arrive();
    else this.#kernel.bytes.fill(0x5c, address, address + count * this.#blockBytes);
    this.#later++;
    let isPending = true;
    return {
      settled: () => false,
      finish: () => {
        assert(isPending, "a read is finished once");
        isPending = false;
        this.#later--;
        if (!isEarly) arrive();
      },
    };
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
