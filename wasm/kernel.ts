/**
 * The WASM kernel: one shared memory, and one instance of the module for each thread that works
 * on it, each with a scratch area of its own.
 *
 * @module
 */
import { assert } from "../core/assert.ts";
import { checkInteger } from "../core/runtime.ts";
import type { Kernel, ReedSolomonCode } from "../core/crypto/kernel.ts";
import { KERNEL_BASE64 } from "./kernel_bytes.ts";
import {
  FREE_START,
  MEMORY_BYTES_MAX,
  MEMORY_BYTES_MIN,
  PAGE_BYTES,
  THREADS_MAX,
} from "./layout.ts";

/** What the module exports. Every function but `permute` returns -1 for arguments out of bounds. */
interface KernelExports extends WebAssembly.Exports {
  attach(thread: number): number;
  sealMany(descriptors: number, count: number): number;
  openMany(descriptors: number, count: number): number;
  openPart(descriptor: number, from: number, length: number): number;
  sealIetf(descriptor: number): number;
  poly1305(out: number, key: number, message: number, length: number): number;
  hchacha(out: number, key: number, nonce: number): number;
  blake3(out: number, from: number, length: number, key: number): number;
  rsEncode(shards: number, k: number, m: number, length: number): number;
  /** `code` is k + 256 m. */
  rsReconstruct(shards: number, code: number, length: number, missing: number): number;
  permute(x: number, last: number, key: number): number;
  unpermute(x: number, last: number, key: number): number;
  fillRandom(at: number, length: number, seed: number): number;
  wipe(at: number, length: number): number;
}

const OUT_OF_BOUNDS = -1;
/** `reserve` aligns to a cache line, and from this size on to a page of the system. */
const LINE_BYTES = 64;
const SYSTEM_PAGE_BYTES = 4096;

/** Whether `value` is an unsigned 32-bit integer: the module would wrap anything else silently. */
function isU32(value: number): boolean {
  return value >= 0 && value <= 0xffffffff && Number.isInteger(value);
}

/** What another thread needs to work on the same memory. */
export interface KernelSeat {
  /** {@linkcode WasmKernel.module} of the thread that made the memory. */
  readonly module: WebAssembly.Module;
  /** {@linkcode WasmKernel.memory} of that thread. */
  readonly memory: WebAssembly.Memory;
  /** 0 for the thread that made the memory, 1 to 15 for others, each used once. */
  readonly thread: number;
}

/** A {@linkcode Kernel} for one thread. */
export class WasmKernel implements Kernel {
  readonly bytes: Uint8Array<SharedArrayBuffer>;
  readonly words: Int32Array<SharedArrayBuffer>;
  /** The compiled module, which may be posted to workers. */
  readonly module: WebAssembly.Module;
  /** The shared memory, which may be posted to workers. */
  readonly memory: WebAssembly.Memory;
  /** This thread's number. */
  readonly thread: number;
  readonly #exports: KernelExports;
  #next = FREE_START;

  /** Instantiates the module over the memory of `seat`. */
  constructor(seat: KernelSeat) {
    assert(seat.thread >= 0 && seat.thread < THREADS_MAX, "thread number fits the scratch areas");
    const { buffer } = seat.memory;
    assert(buffer instanceof SharedArrayBuffer, "kernel memory is shared");
    this.module = seat.module;
    this.memory = seat.memory;
    this.thread = seat.thread;
    this.bytes = new Uint8Array(buffer);
    this.words = new Int32Array(buffer);
    const instance = new WebAssembly.Instance(seat.module, { env: { memory: seat.memory } });
    this.#exports = instance.exports as KernelExports;
    this.#check(this.#exports.attach(seat.thread));
  }

  /** Sets bytes aside; only on the thread that made the memory. */
  reserve(size: number): number {
    assert(this.thread === 0, "only the creating thread reserves memory");
    assert(isU32(size), "size to reserve is a u32");
    const at = this.#align(size);
    assert(at + size <= this.bytes.length, "kernel memory has room for what is reserved");
    this.#next = at + size;
    return at;
  }

  #align(size: number): number {
    const unit = size >= SYSTEM_PAGE_BYTES ? SYSTEM_PAGE_BYTES : LINE_BYTES;
    return Math.ceil(this.#next / unit) * unit;
  }

  /** Seals descriptors. */
  sealMany(descriptors: number, count: number): void {
    assert(isU32(descriptors) && isU32(count), "descriptor list is addressed by u32");
    this.#check(this.#exports.sealMany(descriptors, count));
  }

  /** Opens descriptors; returns how many tags were bad. */
  openMany(descriptors: number, count: number): number {
    assert(isU32(descriptors) && isU32(count), "descriptor list is addressed by u32");
    return this.#check(this.#exports.openMany(descriptors, count));
  }

  /** Checks all of a descriptor and decrypts a part of it; how many tags were bad. */
  openPart(descriptor: number, from: number, length: number): number {
    assert(isU32(descriptor) && isU32(from) && isU32(length), "a part is addressed by u32");
    return this.#check(this.#exports.openPart(descriptor, from, length));
  }

  /** Seals one descriptor as RFC 8439 has it, with 12 bytes of nonce: for its test vectors. */
  sealIetf(descriptor: number): void {
    assert(isU32(descriptor), "descriptor address is a u32");
    this.#check(this.#exports.sealIetf(descriptor));
  }

  /** Poly1305 of whole 16-byte blocks under a one-time key: for its test vectors. */
  poly1305(out: number, key: number, message: number, length: number): void {
    assert(isU32(out) && isU32(key) && isU32(message) && isU32(length), "range is u32");
    this.#check(this.#exports.poly1305(out, key, message, length));
  }

  /** HChaCha20. */
  hchacha(out: number, key: number, nonce: number): void {
    assert(isU32(out) && isU32(key) && isU32(nonce), "HChaCha20 addresses are u32");
    this.#check(this.#exports.hchacha(out, key, nonce));
  }

  /** Keyed BLAKE3. */
  blake3(out: number, from: number, length: number, key: number): void {
    assert(isU32(out) && isU32(from) && isU32(length) && isU32(key), "BLAKE3 range is u32");
    this.#check(this.#exports.blake3(out, from, length, key));
  }

  /** Reed-Solomon parity. */
  rsEncode(shards: number, k: number, m: number, length: number): void {
    assert(isU32(shards) && isU32(k) && isU32(m) && isU32(length), "code arguments are u32");
    this.#check(this.#exports.rsEncode(shards, k, m, length));
  }

  /** Reed-Solomon repair. */
  rsReconstruct(shards: number, code: ReedSolomonCode, missing: number): void {
    const { k, m, length } = code;
    assert(isU32(shards) && isU32(length) && isU32(missing), "code arguments are u32");
    assert(Number.isInteger(k) && k >= 0 && k < 256 && m >= 0 && m < 256, "k and m are bytes");
    this.#check(this.#exports.rsReconstruct(shards, k + 256 * m, length, missing));
  }

  /** Image of `x` under the keyed permutation of [0, n). */
  permute(x: number, n: number, key: number): number {
    assert(isU32(x) && isU32(n - 1) && isU32(key), "permutation arguments are in range");
    return this.#check(this.#exports.permute(x, n - 1, key));
  }

  /** Inverse of {@linkcode permute}. */
  unpermute(x: number, n: number, key: number): number {
    assert(isU32(x) && isU32(n - 1) && isU32(key), "permutation arguments are in range");
    return this.#check(this.#exports.unpermute(x, n - 1, key));
  }

  /** Random bytes in bulk. */
  fillRandom(at: number, length: number, seed: number): void {
    assert(isU32(at) && isU32(length) && isU32(seed), "range to fill is u32");
    this.#check(this.#exports.fillRandom(at, length, seed));
  }

  /** Zeros. */
  wipe(at: number, length: number): void {
    assert(isU32(at) && isU32(length), "range to wipe is u32");
    this.#check(this.#exports.wipe(at, length));
  }

  /**
   * Runs the hot functions until V8 compiles them for speed: left alone, that happens in the middle
   * of the first real work and doubles its cost. Takes about 10 ms, once per module. Works above
   * what is reserved and leaves it zeroed.
   */
  warmUp(): void {
    const size = 65536 + 4096;
    assert(this.thread === 0, "only the creating thread warms up");
    const at = this.#align(size);
    if (at + size > this.bytes.length) return; // a memory this small has no work worth warming for
    const data = at + 4096;
    const view = new DataView(this.bytes.buffer, at, 128);
    view.setUint32(0, data, true);
    view.setUint32(4, data, true);
    view.setUint32(8, 65536, true);
    view.setUint32(12, at + 1024, true);
    for (let round = 0; round < WARM_ROUNDS; round++) {
      this.sealMany(at, 1);
      this.openMany(at, 1);
      if (round % 4 !== 0) continue;
      this.openPart(at, 0, 4096);
      this.blake3(at + 2048, data, 65536, at + 1024);
    }
    this.wipe(at, size);
  }

  #check(result: number): number {
    assert(result !== OUT_OF_BOUNDS, "kernel arguments lie in its memory");
    return result;
  }
}

/** Enough rounds of 64 KiB for V8's tiering budget. */
const WARM_ROUNDS = 40;

let compiled: WebAssembly.Module | undefined;

/** The compiled module; made once per thread, on first use. */
function kernelModule(): WebAssembly.Module {
  compiled ??= new WebAssembly.Module(
    Uint8Array.from(atob(KERNEL_BASE64), (char) => char.charCodeAt(0)),
  );
  return compiled;
}

/** Size of the memory to make. */
export interface KernelOptions {
  /** Bytes in all, the kernel's own 320 KiB included; rounded up to 64 KiB. At most 4 GiB. */
  readonly memoryBytes: number;
}

/**
 * Makes a shared memory and the kernel of this thread over it.
 *
 * @example
 * ```ts
 * import { createKernel } from "@sigmavault/sigmavault";
 * import assert from "node:assert/strict";
 * const kernel = createKernel({ memoryBytes: 1024 * 1024 });
 * const key = kernel.reserve(32), hash = kernel.reserve(32);
 * kernel.blake3(hash, key, 0, key);
 * assert.notEqual(kernel.bytes[hash] | kernel.bytes[hash + 1] | kernel.bytes[hash + 2], 0);
 * ```
 */
export function createKernel(options: KernelOptions): WasmKernel {
  const { memoryBytes } = options;
  checkInteger("memoryBytes", memoryBytes, [MEMORY_BYTES_MIN, MEMORY_BYTES_MAX]);
  const pages = Math.ceil(memoryBytes / PAGE_BYTES);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  return new WasmKernel({ module: kernelModule(), memory, thread: 0 });
}

/** The kernel of another thread over a memory made by {@linkcode createKernel}. */
export function attachKernel(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
  thread: number,
): WasmKernel {
  return new WasmKernel({ module, memory, thread });
}
