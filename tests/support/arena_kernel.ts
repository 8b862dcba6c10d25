import type { Kernel, ReedSolomonCode } from "../../core/crypto/kernel.ts";
import { blake3Keyed } from "../../core/crypto/sealed_bytes.ts";
import { MIB } from "../../core/limits.ts";
import { createKernel } from "../../wasm/kernel.ts";

const SYSTEM_PAGE_BYTES = 4096;
const LINE_BYTES = 64;

/** A kernel whose reserved memory can be taken back, so that a test can open thousands of vaults one after another. */
export class ArenaKernel implements Kernel {
  readonly #kernel: Kernel;
  #base: number;
  #size: number;
  #next: number;

  /** An arena of `size` bytes. */
  constructor(size: number) {
    this.#kernel = createKernel({ memoryBytes: size + 2 * MIB });
    this.#base = this.#kernel.reserve(size + MIB);
    this.#size = size + MIB;
    this.#next = this.#base;
    // The scratch of `sealed_bytes.ts` is reserved once for each kernel: it must not be taken back.
    blake3Keyed(this, new Uint8Array(32));
    this.#base = this.#next;
    this.#size = size;
  }

  get bytes(): Uint8Array<SharedArrayBuffer> {
    return this.#kernel.bytes;
  }

  get words(): Int32Array<SharedArrayBuffer> {
    return this.#kernel.words;
  }

  reserve(size: number): number {
    const unit = size >= SYSTEM_PAGE_BYTES ? SYSTEM_PAGE_BYTES : LINE_BYTES;
    const at = Math.ceil(this.#next / unit) * unit;
    if (at + size > this.#base + this.#size) throw new RangeError("the arena is too small");
    this.#next = at + size;
    return at;
  }

  /** Takes everything back that was reserved: whoever reserved it is gone. */
  reset(): void {
    this.#kernel.bytes.fill(0, this.#base, this.#next);
    this.#next = this.#base;
  }

  sealMany(descriptors: number, count: number): void {
    this.#kernel.sealMany(descriptors, count);
  }

  openMany(descriptors: number, count: number): number {
    return this.#kernel.openMany(descriptors, count);
  }

  openPart(descriptor: number, from: number, length: number): number {
    return this.#kernel.openPart(descriptor, from, length);
  }

  hchacha(out: number, key: number, nonce: number): void {
    this.#kernel.hchacha(out, key, nonce);
  }

  blake3(out: number, from: number, length: number, key: number): void {
    this.#kernel.blake3(out, from, length, key);
  }

  rsEncode(shards: number, k: number, m: number, length: number): void {
    this.#kernel.rsEncode(shards, k, m, length);
  }

  rsReconstruct(shards: number, code: ReedSolomonCode, missing: number): void {
    this.#kernel.rsReconstruct(shards, code, missing);
  }

  permute(x: number, n: number, key: number): number {
    return this.#kernel.permute(x, n, key);
  }

  unpermute(x: number, n: number, key: number): number {
    return this.#kernel.unpermute(x, n, key);
  }

  fillRandom(at: number, length: number, seed: number): void {
    this.#kernel.fillRandom(at, length, seed);
  }

  wipe(at: number, length: number): void {
    this.#kernel.wipe(at, length);
  }
}
