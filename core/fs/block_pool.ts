import type { BytesPart } from "../bytes.ts";
import { MIB } from "../limits.ts";
import type { KernelMemory } from "../crypto/kernel.ts";

/** `free`; `dirty`: changed data of a file; `flying`: being sealed; `cached`: the clear text of a block. */
export type BufferState = "free" | "dirty" | "flying" | "cached";

/** Kernel memory for one block. */
export interface BlockBuffer {
  readonly address: number;
  /** The memory at `address`. */
  readonly bytes: Uint8Array;
  state: BufferState;
  /** File block of dirty data. */
  block: number;
  /** Dirty data: bytes `from` to `to` are the file's. */
  from: number;
  to: number;
  /** Dirty data: every byte is the file's, zeros behind its end included. */
  whole: boolean;
  /** Dirty data: space was set aside for the block, and is promised instead. */
  covered: boolean;
  /** Id of a cached block. */
  id: number;
  /** Of a cached block, bytes `openFrom` to before `openTo` are clear text; the rest may be anything. */
  openFrom: number;
  openTo: number;
  /** Read since the clock's hand came by. */
  used: boolean;
  /** The request that a cached block was found for: it stays where it is until the next one. */
  pin: number;
}

/** Fewest buffers: one large request may need several at once. */
const BUFFERS_MIN = 16;
/** Of large blocks fewer will do, which take so many bytes together. */
const LARGE_BYTES = 4 * MIB;
/** But not fewer: half of them may be dirty, and a quarter on their way. */
const LARGE_MIN = 6;

/**
 * A fixed set of block buffers in kernel memory. A clock's hand hands them out in order of address, so that blocks written
 * one after another mostly lie one behind another; it takes free ones and cached ones not read lately.
 */
export class BlockPool {
  readonly #buffers: BlockBuffer[] = [];
  readonly #cached = new Map<number, BlockBuffer>();
  /** Buffers that were ever handed out: the first so many. Others are pages that nobody has touched. */
  #touched = 0;
  #hand = 0;
  #request = 1;

  constructor(kernel: KernelMemory, blockBytes: number, bytes: number) {
    const least = Math.min(BUFFERS_MIN, Math.max(LARGE_MIN, LARGE_BYTES / blockBytes));
    const count = Math.max(least, Math.floor(bytes / blockBytes));
    const base = kernel.reserve(count * blockBytes);
    for (let i = 0; i < count; i++) {
      const address = base + i * blockBytes;
      this.#buffers.push({
        address,
        bytes: kernel.bytes.subarray(address, address + blockBytes),
        state: "free",
        block: 0,
        from: 0,
        to: 0,
        whole: false,
        covered: false,
        id: 0,
        openFrom: 0,
        openTo: 0,
        used: false,
        pin: 0,
      });
    }
  }

  /** How many buffers there are. */
  get size(): number {
    return this.#buffers.length;
  }

  /** Begins a request: cached blocks found for the one before may be taken again. */
  unpin(): void {
    this.#request++;
  }

  /** A free buffer, or null where all are dirty, flying or in use by this request. */
  take(): BlockBuffer | null {
    for (let steps = 2 * this.#buffers.length; steps > 0; steps--) {
      const buffer = this.#buffers[this.#hand];
      this.#hand = (this.#hand + 1) % this.#buffers.length;
      this.#touched = Math.max(this.#touched, this.#hand === 0 ? this.#buffers.length : this.#hand);
      if (buffer.state === "free") return buffer;
      if (buffer.state !== "cached" || buffer.pin === this.#request) continue;
      if (!buffer.used) {
        this.free(buffer);
        return buffer;
      }
      buffer.used = false;
    }
    return null;
  }

  /** Gives a buffer back. */
  free(buffer: BlockBuffer): void {
    if (buffer.state === "cached") this.#cached.delete(buffer.id);
    buffer.state = "free";
  }

  /** Keeps the clear text of block `id`, which the buffer holds now: all of it, or a part. */
  cache(buffer: BlockBuffer, id: number, part?: BytesPart): void {
    buffer.state = "cached";
    buffer.id = id;
    buffer.openFrom = part?.from ?? 0;
    buffer.openTo = part === undefined ? buffer.bytes.length : part.from + part.length;
    buffer.used = false;
    buffer.pin = this.#request;
    this.#cached.set(id, buffer);
  }

  /** The buffer that holds block `id`, or these bytes of it. */
  find(id: number, from = 0, to = Infinity): BlockBuffer | undefined {
    const buffer = this.#cached.get(id);
    if (buffer === undefined) return undefined;
    if (from < buffer.openFrom || Math.min(to, buffer.bytes.length) > buffer.openTo) {
      return undefined;
    }
    buffer.used = true;
    buffer.pin = this.#request;
    return buffer;
  }

  /** The buffer that holds other bytes of block `id` than those that were looked for, to be filled with all of it. */
  partOf(id: number): BlockBuffer | undefined {
    return this.#cached.get(id);
  }

  /** Overwrites the clear text that the buffers hold or held. The pool is of no use afterwards. */
  wipe(): void {
    for (const { bytes } of this.#buffers.slice(0, this.#touched)) bytes.fill(0);
    this.#cached.clear();
  }

  /** Lets go of blocks that no file has any more. */
  forget(firstId: number, count: number): void {
    if (count > this.#cached.size) {
      for (const [id, buffer] of this.#cached) {
        if (id >= firstId && id < firstId + count) this.free(buffer);
      }
      return;
    }
    for (let id = firstId; id < firstId + count; id++) {
      const buffer = this.#cached.get(id);
      if (buffer !== undefined) this.free(buffer);
    }
  }
}
