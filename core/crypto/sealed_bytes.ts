/**
 * Sealing and hashing of small byte arrays by a {@linkcode Kernel}: copy in, run, copy out, wipe. For headers and
 * exports; bulk data never takes this way.
 *
 * @module
 */
import { assert } from "../assert.ts";
import { KEY_BYTES, KIB, NONCE_BYTES, TAG_BYTES } from "../limits.ts";
import { DESCRIPTOR, DESCRIPTOR_BYTES, type Kernel } from "./kernel.ts";

/** The largest input of these functions. */
export const SEALED_BYTES_MAX = 64 * KIB;

/** What a seal binds together. */
export interface SealBinding {
  /** 32 bytes. */
  readonly key: Uint8Array;
  /** 24 bytes, fresh for every seal under the key. */
  readonly nonce: Uint8Array;
  /** At most 64 bytes. */
  readonly aad: Uint8Array;
}

const KEY_AT = DESCRIPTOR_BYTES;
const HASH_AT = KEY_AT + 64;
const DATA_AT = 4096;

/** Kernel memory is set aside for good, so each kernel gets one scratch area, however often it is used. */
const scratchOf = new WeakMap<Kernel, number>();

/** XChaCha20-Poly1305: ciphertext, then the 16-byte tag. The nonce must be fresh. */
export function sealBytes(
  kernel: Kernel,
  binding: SealBinding,
  plaintext: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const length = plaintext.length;
  return withScratch(kernel, (base) => {
    kernel.bytes.set(plaintext, base + DATA_AT);
    writeDescriptor(kernel, base, binding, length);
    kernel.sealMany(base, 1);
    const sealed = new Uint8Array(length + TAG_BYTES);
    sealed.set(kernel.bytes.subarray(base + DATA_AT, base + DATA_AT + length));
    sealed.set(kernel.bytes.subarray(base + DESCRIPTOR.tag, base + DESCRIPTOR.tag + 16), length);
    return sealed;
  }, length);
}

/** Opens what {@linkcode sealBytes} made; null when key, nonce, AAD or a byte differs. */
export function openBytes(
  kernel: Kernel,
  binding: SealBinding,
  sealed: Uint8Array,
): Uint8Array<ArrayBuffer> | null {
  const length = sealed.length - TAG_BYTES;
  if (length < 0) return null;
  return withScratch(kernel, (base) => {
    kernel.bytes.set(sealed.subarray(0, length), base + DATA_AT);
    writeDescriptor(kernel, base, binding, length);
    kernel.bytes.set(sealed.subarray(length), base + DESCRIPTOR.tag);
    if (kernel.openMany(base, 1) !== 0) return null;
    return kernel.bytes.slice(base + DATA_AT, base + DATA_AT + length);
  }, length);
}

/** Keyed BLAKE3 of the parts, one behind another: 32 bytes. */
export function blake3Keyed(
  kernel: Kernel,
  key: Uint8Array,
  ...parts: Uint8Array[]
): Uint8Array<ArrayBuffer> {
  assert(key.length === KEY_BYTES, "a key has 32 bytes");
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return withScratch(kernel, (base) => {
    let at = base + DATA_AT;
    for (const part of parts) {
      kernel.bytes.set(part, at);
      at += part.length;
    }
    kernel.bytes.set(key, base + KEY_AT);
    kernel.blake3(base + HASH_AT, base + DATA_AT, length, base + KEY_AT);
    return kernel.bytes.slice(base + HASH_AT, base + HASH_AT + 32);
  }, length);
}

function withScratch<T>(kernel: Kernel, run: (base: number) => T, length: number): T {
  assert(length <= SEALED_BYTES_MAX, "small bytes stay small");
  const base = scratchOf.get(kernel) ?? kernel.reserve(DATA_AT + SEALED_BYTES_MAX);
  scratchOf.set(kernel, base);
  try {
    return run(base);
  } finally {
    kernel.wipe(base, DATA_AT + length);
  }
}

function writeDescriptor(kernel: Kernel, base: number, binding: SealBinding, length: number): void {
  assert(binding.key.length === KEY_BYTES, "a key has 32 bytes");
  assert(binding.nonce.length === NONCE_BYTES, "a nonce has 24 bytes");
  assert(binding.aad.length <= 64, "an AAD has at most 64 bytes");
  kernel.bytes.set(binding.key, base + KEY_AT);
  const descriptor = new DataView(kernel.bytes.buffer, base, DESCRIPTOR_BYTES);
  descriptor.setUint32(DESCRIPTOR.source, base + DATA_AT, true);
  descriptor.setUint32(DESCRIPTOR.destination, base + DATA_AT, true);
  descriptor.setUint32(DESCRIPTOR.length, length, true);
  descriptor.setUint32(DESCRIPTOR.key, base + KEY_AT, true);
  descriptor.setUint32(DESCRIPTOR.aadLength, binding.aad.length, true);
  kernel.bytes.set(binding.nonce, base + DESCRIPTOR.nonce);
  kernel.bytes.set(binding.aad, base + DESCRIPTOR.aad);
}
