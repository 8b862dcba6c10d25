import { assert } from "../assert.ts";
import { wipe } from "../bytes.ts";
import { subkey } from "../crypto/hkdf.ts";
import type { Kernel } from "../crypto/kernel.ts";
import { KEY_BYTES } from "../limits.ts";

/** Names are at most this long. */
const NAME_BYTES_MAX = 255;
const HASH_BYTES = 32;

/** Keyed hashes of names: their order says nothing about the names. */
export class NameHash {
  private readonly kernel: Kernel;
  private readonly name: number;
  private readonly out: number;
  private readonly key: number;

  constructor(kernel: Kernel, layoutKey: Uint8Array) {
    this.kernel = kernel;
    this.name = kernel.reserve(NAME_BYTES_MAX + 1 + HASH_BYTES);
    this.out = this.name + NAME_BYTES_MAX + 1;
    this.key = kernel.reserve(KEY_BYTES);
    const key = subkey(layoutKey, "name-hash");
    kernel.bytes.set(key, this.key);
    wipe(key);
  }

  /** Overwrites the key and the last name. */
  wipe(): void {
    this.kernel.bytes.fill(0, this.key, this.key + KEY_BYTES);
    this.kernel.bytes.fill(0, this.name, this.out + HASH_BYTES);
  }

  /** An integer below 2^44. */
  of(name: Uint8Array): number {
    assert(name.length <= NAME_BYTES_MAX, "names have at most 255 bytes");
    const { kernel, out } = this;
    kernel.bytes.set(name, this.name);
    kernel.blake3(out, this.name, name.length, this.key);
    const { bytes } = kernel;
    return (bytes[out] | bytes[out + 1] << 8 | bytes[out + 2] << 16) +
      (bytes[out + 3] | bytes[out + 4] << 8 | (bytes[out + 5] & 15) << 16) * 16777216;
  }
}
