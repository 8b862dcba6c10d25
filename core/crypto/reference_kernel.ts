/**
 * The kernel in plain TypeScript: what the WASM kernel is compared with, and what runs where
 * there is no WASM. Slow, and its Poly1305 is not constant in time: not for real vaults.
 *
 * @module
 */
import { assert } from "../assert.ts";
import { DESCRIPTOR, DESCRIPTOR_BYTES, type Kernel, type ReedSolomonCode } from "./kernel.ts";
import { open, seal } from "./reference/aead.ts";
import { blake3Keyed } from "./reference/blake3.ts";
import { chachaXor, hchacha20 } from "./reference/chacha20.ts";
import { permute, unpermute } from "./reference/permutation.ts";
import { encode, reconstruct } from "./reference/reed_solomon.ts";

const AAD_BYTES_MAX = 64;
const SHARDS_MAX = 32;
/** `reserve` aligns to a cache line, and from this size on to a page of the system. */
const LINE_BYTES = 64;
const PAGE_BYTES = 4096;
/** Addresses below are never handed out, so that address 0 is always a bug. */
const FREE_START = PAGE_BYTES;

interface Descriptor {
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  readonly key: Uint8Array;
  readonly nonce: Uint8Array;
  readonly aad: Uint8Array;
  readonly tag: Uint8Array;
}

class ReferenceKernel implements Kernel {
  readonly bytes: Uint8Array<SharedArrayBuffer>;
  readonly words: Int32Array<SharedArrayBuffer>;
  readonly #view: DataView;
  #next = FREE_START;

  constructor(memoryBytes: number) {
    const buffer = new SharedArrayBuffer(memoryBytes);
    this.bytes = new Uint8Array(buffer);
    this.words = new Int32Array(buffer);
    this.#view = new DataView(buffer);
  }

  reserve(size: number): number {
    const unit = size >= PAGE_BYTES ? PAGE_BYTES : LINE_BYTES;
    const at = Math.ceil(this.#next / unit) * unit;
    assert(size >= 0 && at + size <= this.bytes.length, "kernel memory has room for the reserve");
    this.#next = at + size;
    return at;
  }

  /** A range of memory; an empty one may lie anywhere. */
  #range(at: number, length: number): Uint8Array {
    const inside = length === 0 || (at >= FREE_START && at + length <= this.bytes.length);
    assert(Number.isInteger(at) && length >= 0 && inside, "kernel arguments lie in its memory");
    return this.bytes.subarray(at, at + length);
  }

  #descriptor(at: number): Descriptor {
    const word = (offset: number) => this.#view.getUint32(at + offset, true);
    const source = word(DESCRIPTOR.source), destination = word(DESCRIPTOR.destination);
    const length = word(DESCRIPTOR.length), aadLength = word(DESCRIPTOR.aadLength);
    assert(aadLength <= AAD_BYTES_MAX, "AAD fits its descriptor");
    const apart = source + length <= destination || destination + length <= source;
    assert(source === destination || apart, "source and destination are the same or apart");
    return {
      source: this.#range(source, length),
      destination: this.#range(destination, length),
      key: this.#range(word(DESCRIPTOR.key), 32),
      nonce: this.#range(at + DESCRIPTOR.nonce, 24),
      aad: this.#range(at + DESCRIPTOR.aad, aadLength),
      tag: this.#range(at + DESCRIPTOR.tag, 16),
    };
  }

  sealMany(descriptors: number, count: number): void {
    this.#range(descriptors, count * DESCRIPTOR_BYTES);
    for (let i = 0; i < count; i++) {
      const { source, destination, aad, tag, ...key } = this.#descriptor(
        descriptors + i * DESCRIPTOR_BYTES,
      );
      const sealed = seal(key, aad, source);
      destination.set(sealed.ciphertext);
      tag.set(sealed.tag);
    }
  }

  openMany(descriptors: number, count: number): number {
    this.#range(descriptors, count * DESCRIPTOR_BYTES);
    let bad = 0;
    for (let i = 0; i < count; i++) {
      const at = descriptors + i * DESCRIPTOR_BYTES;
      const { source, destination, aad, tag, ...key } = this.#descriptor(at);
      const plaintext = open(key, aad, { ciphertext: source, tag });
      if (plaintext === null) destination.fill(0);
      else destination.set(plaintext);
      const status = plaintext === null ? 1 : 0;
      this.#view.setUint32(at + DESCRIPTOR.status, status, true);
      bad += status;
    }
    return bad;
  }

  openPart(at: number, from: number, length: number): number {
    this.#range(at, DESCRIPTOR_BYTES);
    const { source, destination, aad, tag, ...key } = this.#descriptor(at);
    assert((from | length) % 256 === 0 && from + length <= source.length, "a part is inside");
    const plaintext = open(key, aad, { ciphertext: source, tag });
    if (plaintext === null) destination.fill(0);
    else destination.set(plaintext.subarray(from, from + length), from);
    const status = plaintext === null ? 1 : 0;
    this.#view.setUint32(at + DESCRIPTOR.status, status, true);
    return status;
  }

  hchacha(out: number, key: number, nonce: number): void {
    this.#range(out, 32).set(hchacha20(this.#range(key, 32), this.#range(nonce, 16)));
  }

  blake3(out: number, from: number, length: number, key: number): void {
    this.#range(out, 32).set(blake3Keyed(this.#range(key, 32), this.#range(from, length)));
  }

  #shards(shards: number, { k, m, length }: ReedSolomonCode): Uint8Array[] {
    const shaped = k >= 1 && m >= 1 && k + m <= SHARDS_MAX;
    assert(shaped && length % 32 === 0, "code has 2 to 32 shards of whole 32-byte units");
    this.#range(shards, 4 * (k + m));
    return Array.from(
      { length: k + m },
      (_, i) => this.#range(this.#view.getUint32(shards + 4 * i, true), length),
    );
  }

  rsEncode(shards: number, k: number, m: number, length: number): void {
    encode(this.#shards(shards, { k, m, length }), k);
  }

  rsReconstruct(shards: number, code: ReedSolomonCode, missing: number): void {
    const all = this.#shards(shards, code);
    const bits = all.filter((_, i) => missing >>> i & 1).length;
    const named = code.k + code.m === SHARDS_MAX || missing >>> (code.k + code.m) === 0;
    assert(bits <= code.m && named, "at most m of the code's own shards are missing");
    reconstruct(all, code.k, missing);
  }

  permute(x: number, n: number, key: number): number {
    this.#domain(x, n);
    return permute(x, n, this.#range(key, 16));
  }

  unpermute(x: number, n: number, key: number): number {
    this.#domain(x, n);
    return unpermute(x, n, this.#range(key, 16));
  }

  #domain(x: number, n: number): void {
    const inside = Number.isInteger(x) && x >= 0 && x < n;
    assert(inside && Number.isInteger(n) && n <= 2 ** 32, "permuted number lies in its domain");
  }

  fillRandom(at: number, length: number, seed: number): void {
    const out = this.#range(at, length);
    const zeros = new Uint8Array(length);
    out.set(chachaXor(this.#range(seed, 32), 0, new Uint8Array(12), zeros));
  }

  wipe(at: number, length: number): void {
    this.#range(at, length).fill(0);
  }
}

/**
 * Makes a reference kernel over a shared memory of its own.
 *
 * @example
 * ```ts
 * import { createReferenceKernel } from "./reference_kernel.ts";
 * import assert from "node:assert/strict";
 * const kernel = createReferenceKernel({ memoryBytes: 65536 });
 * const key = kernel.reserve(32);
 * assert.equal(kernel.unpermute(kernel.permute(7, 100, key), 100, key), 7);
 * ```
 */
export function createReferenceKernel(options: { readonly memoryBytes: number }): Kernel {
  return new ReferenceKernel(options.memoryBytes);
}
