import { assert } from "../assert.ts";
import { viewOf, wipe } from "../bytes.ts";
import { CELL_BYTES, KEY_BYTES, NONCE_BYTES, TAG_BYTES } from "../limits.ts";
import type { Runtime } from "../runtime.ts";
import type { MediumSeal } from "../storage/medium_seal.ts";
import { subkey } from "./hkdf.ts";
import { DESCRIPTOR, DESCRIPTOR_BYTES, type Kernel } from "./kernel.ts";

const PLAINTEXT_BYTES = CELL_BYTES - NONCE_BYTES - TAG_BYTES;
const NAME_INPUT_BYTES_MAX = 64;
// The layout of the kernel memory set aside: descriptor, two keys, a hash and its input; the cell has a page of its own.
const SEAL_KEY_AT = DESCRIPTOR_BYTES;
const NAME_KEY_AT = SEAL_KEY_AT + KEY_BYTES;
const HASH_AT = NAME_KEY_AT + KEY_BYTES;
const INPUT_AT = HASH_AT + 64;
const CELL_AT = 4096;

/** Seals and names the records of a write-once medium under subkeys of the layout key (FORMAT.md §16). */
export class ObjectSeal implements MediumSeal {
  readonly #kernel: Kernel;
  readonly #runtime: Runtime;
  readonly #base: number;

  /** Sets kernel memory aside. The layout key may be wiped afterwards. */
  constructor(kernel: Kernel, runtime: Runtime, layoutKey: Uint8Array) {
    this.#kernel = kernel;
    this.#runtime = runtime;
    this.#base = kernel.reserve(CELL_AT + CELL_BYTES);
    const keys = [subkey(layoutKey, "object-seal"), subkey(layoutKey, "object-name")];
    kernel.bytes.set(keys[0], this.#base + SEAL_KEY_AT);
    kernel.bytes.set(keys[1], this.#base + NAME_KEY_AT);
    wipe(...keys);
    const descriptor = new DataView(kernel.bytes.buffer, this.#base, DESCRIPTOR_BYTES);
    descriptor.setUint32(DESCRIPTOR.source, this.#base + CELL_AT, true);
    descriptor.setUint32(DESCRIPTOR.destination, this.#base + CELL_AT, true);
    descriptor.setUint32(DESCRIPTOR.length, PLAINTEXT_BYTES, true);
    descriptor.setUint32(DESCRIPTOR.key, this.#base + SEAL_KEY_AT, true);
  }

  /** Stored form: nonce | ciphertext | tag. */
  seal(plaintext: Uint8Array, aad: Uint8Array): Uint8Array<ArrayBuffer> {
    assert(plaintext.length === PLAINTEXT_BYTES, "a sealed cell is full");
    const nonce = new Uint8Array(NONCE_BYTES);
    this.#runtime.random(nonce);
    this.#describe(nonce, aad);
    const at = this.#base + CELL_AT;
    this.#kernel.bytes.set(plaintext, at);
    this.#kernel.sealMany(this.#base, 1);
    const cell = new Uint8Array(CELL_BYTES);
    cell.set(nonce);
    cell.set(this.#kernel.bytes.subarray(at, at + PLAINTEXT_BYTES), NONCE_BYTES);
    const tag = this.#base + DESCRIPTOR.tag;
    cell.set(this.#kernel.bytes.subarray(tag, tag + TAG_BYTES), CELL_BYTES - TAG_BYTES);
    return cell;
  }

  /** See {@linkcode MediumSeal.open}. */
  open(cell: Uint8Array, aad: Uint8Array): Uint8Array<ArrayBuffer> | null {
    if (cell.length !== CELL_BYTES) return null;
    this.#describe(cell.subarray(0, NONCE_BYTES), aad);
    const at = this.#base + CELL_AT;
    this.#kernel.bytes.set(cell.subarray(NONCE_BYTES, CELL_BYTES - TAG_BYTES), at);
    this.#kernel.bytes.set(cell.subarray(CELL_BYTES - TAG_BYTES), this.#base + DESCRIPTOR.tag);
    if (this.#kernel.openMany(this.#base, 1) !== 0) return null;
    return this.#kernel.bytes.slice(at, at + PLAINTEXT_BYTES);
  }

  #describe(nonce: Uint8Array, aad: Uint8Array): void {
    assert(aad.length <= 64, "an AAD has at most 64 bytes");
    const descriptor = this.#kernel.bytes.subarray(this.#base, this.#base + DESCRIPTOR_BYTES);
    viewOf(descriptor).setUint32(DESCRIPTOR.aadLength, aad.length, true);
    descriptor.set(nonce, DESCRIPTOR.nonce);
    descriptor.set(aad, DESCRIPTOR.aad);
  }

  /** Keyed BLAKE3. */
  name(input: Uint8Array): Uint8Array<ArrayBuffer> {
    assert(input.length <= NAME_INPUT_BYTES_MAX, "what a name is derived from is short");
    const base = this.#base;
    this.#kernel.bytes.set(input, base + INPUT_AT);
    this.#kernel.blake3(base + HASH_AT, base + INPUT_AT, input.length, base + NAME_KEY_AT);
    return this.#kernel.bytes.slice(base + HASH_AT, base + HASH_AT + 32);
  }

  random(bytes: Uint8Array<ArrayBuffer>): void {
    this.#runtime.random(bytes);
  }

  wipe(): void {
    this.#kernel.wipe(this.#base, CELL_AT + CELL_BYTES);
  }
}
