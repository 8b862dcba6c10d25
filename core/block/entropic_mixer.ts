import { requireKey } from "../bytes.ts";
import { DESCRIPTOR, DESCRIPTOR_BYTES, type Kernel } from "../crypto/kernel.ts";
import { VaultError } from "../errors.ts";
import { BLOCK_BYTES_MAX } from "../format/map_entry.ts";
import { AAD_BYTES, KIND, writeAad } from "../format/seal_aad.ts";
import { KEY_BYTES, NONCE_BYTES, TAG_BYTES } from "../limits.ts";
import { checkInteger, type Runtime } from "../runtime.ts";

/** Mixed bytes and the parts of their coordinate that unmixing needs. */
export interface MixedBytes {
  /** As long as the content, and not to be told from noise. */
  readonly ciphertext: Uint8Array<ArrayBuffer>;
  /** Entropic: 24 bytes, fresh for each mixing. */
  readonly nonce: Uint8Array<ArrayBuffer>;
  /** Semantic: 16 bytes over content, id and length. */
  readonly tag: Uint8Array<ArrayBuffer>;
  /** Topological: the block id that the content belongs to. */
  readonly id: number;
}

/** What a mixer stands on. */
export interface EntropicMixerParts {
  /** Does the sealing. */
  readonly kernel: Kernel;
  /** Draws the nonces. */
  readonly runtime: Runtime;
  /** 32 bytes. Copied into kernel memory; the caller wipes its own. */
  readonly key: Uint8Array;
}

/**
 * Entropic mixing: XChaCha20-Poly1305 under a fresh random 192-bit nonce, so that equal contents never look equal.
 * Nonces are drawn at random: with 192 bits, two never meet.
 *
 * @example
 * ```ts
 * import { createKernel, EntropicMixer, systemRuntime } from "@sigmavault/sigmavault";
 * import assert from "node:assert/strict";
 * const key = crypto.getRandomValues(new Uint8Array(32));
 * const kernel = createKernel({ memoryBytes: 4 * 1024 * 1024 });
 * const mixer = new EntropicMixer({ kernel, runtime: systemRuntime, key });
 * const mixed = mixer.mix(new TextEncoder().encode("hello"), 7);
 * assert.equal(new TextDecoder().decode(mixer.unmix(mixed)), "hello");
 * mixed.ciphertext[0] ^= 1;
 * assert.throws(() => mixer.unmix(mixed), { kind: "corrupt" });
 * mixer.wipe();
 * ```
 */
export class EntropicMixer {
  readonly #kernel: Kernel;
  readonly #runtime: Runtime;
  readonly #key: number;
  readonly #descriptor: number;
  readonly #buffer: number;
  #wiped = false;

  /** Sets 1 MiB of kernel memory aside. */
  constructor(parts: EntropicMixerParts) {
    const { kernel, runtime, key } = parts;
    requireKey(key);
    this.#kernel = kernel;
    this.#runtime = runtime;
    this.#key = kernel.reserve(KEY_BYTES);
    this.#descriptor = kernel.reserve(DESCRIPTOR_BYTES);
    this.#buffer = kernel.reserve(BLOCK_BYTES_MAX);
    kernel.bytes.set(key, this.#key);
  }

  /** Seals up to 1 MiB for block `id`. */
  mix(content: Uint8Array, id = 0): MixedBytes {
    const nonce = new Uint8Array(NONCE_BYTES);
    this.#runtime.random(nonce);
    const { bytes } = this.#kernel;
    this.#describe(id, content.length, nonce);
    bytes.set(content, this.#buffer);
    this.#kernel.sealMany(this.#descriptor, 1);
    const tagAt = this.#descriptor + DESCRIPTOR.tag;
    const tag = new Uint8Array(bytes.subarray(tagAt, tagAt + TAG_BYTES));
    return { ciphertext: this.#taken(content.length), nonce, tag, id };
  }

  /** Opens what was mixed; `corrupt` where one bit of it is another. */
  unmix(mixed: MixedBytes): Uint8Array<ArrayBuffer> {
    const { ciphertext, nonce, tag, id } = mixed;
    if (nonce.length !== NONCE_BYTES || tag.length !== TAG_BYTES) {
      throw new VaultError("invalid", "Cannot unmix: want 24 bytes of nonce and 16 of tag");
    }
    const { bytes } = this.#kernel;
    this.#describe(id, ciphertext.length, nonce);
    bytes.set(tag, this.#descriptor + DESCRIPTOR.tag);
    bytes.set(ciphertext, this.#buffer);
    const bad = this.#kernel.openMany(this.#descriptor, 1);
    const content = this.#taken(ciphertext.length);
    if (bad === 0) return content;
    throw new VaultError("corrupt", `Cannot unmix block ${id}: authentication failed`);
  }

  /** Overwrites the key. The mixer is of no use afterwards. */
  wipe(): void {
    this.#kernel.wipe(this.#key, KEY_BYTES);
    this.#wiped = true;
  }

  /** What the buffer holds, which is wiped. */
  #taken(length: number): Uint8Array<ArrayBuffer> {
    const { bytes } = this.#kernel;
    const copy = new Uint8Array(bytes.subarray(this.#buffer, this.#buffer + length));
    this.#kernel.wipe(this.#buffer, length);
    return copy;
  }

  #describe(id: number, length: number, nonce: Uint8Array): void {
    checkInteger("block id", id, [0, Number.MAX_SAFE_INTEGER]);
    checkInteger("content length", length, [0, BLOCK_BYTES_MAX]);
    if (this.#wiped) throw new VaultError("invalid", "Cannot mix: the mixer was wiped");
    const { bytes } = this.#kernel;
    const at = this.#descriptor;
    const view = new DataView(bytes.buffer, at, DESCRIPTOR_BYTES);
    view.setUint32(DESCRIPTOR.source, this.#buffer, true);
    view.setUint32(DESCRIPTOR.destination, this.#buffer, true);
    view.setUint32(DESCRIPTOR.length, length, true);
    view.setUint32(DESCRIPTOR.key, this.#key, true);
    view.setUint32(DESCRIPTOR.aadLength, AAD_BYTES, true);
    bytes.set(nonce, at + DESCRIPTOR.nonce);
    const fields = { level: 0, codec: 0, shard: 0, epoch: 0, compressed: 0 };
    writeAad(bytes, at + DESCRIPTOR.aad, {
      vaultId: NO_VAULT,
      kind: KIND.data,
      id,
      length,
      ...fields,
    });
  }
}

/** The mixer alone belongs to no vault. */
const NO_VAULT = new Uint8Array(16);
