import { assert } from "../assert.ts";
import { viewOf, wipe } from "../bytes.ts";
import { GUID_BYTES } from "../format/catalog_record.ts";
import type { ForeignBlock } from "../format/foreign_block.ts";
import { CODEC } from "../format/map_entry.ts";
import { AAD_BYTES, writeAad } from "../format/seal_aad.ts";
import { KEY_BYTES, NONCE_BYTES, TAG_BYTES } from "../limits.ts";
import type { Runtime } from "../runtime.ts";
import { expandKey, subkey } from "./hkdf.ts";
import { DESCRIPTOR, DESCRIPTOR_BYTES, type Kernel, type KernelMemory } from "./kernel.ts";
import { blake3Keyed, openBytes, sealBytes } from "./sealed_bytes.ts";
import { currentEpoch, type VaultKeys } from "./vault_keys.ts";

const EPOCH_BYTES = 4;
const ABOUT_AAD = new TextEncoder().encode("sigmavault 1 foreign about");

/** What a foreign block is, but for its seal. */
export type ForeignForm = Omit<ForeignBlock, "nonce" | "tag">;

/**
 * Seals and opens the blocks of one vault for whoever keeps them without its key (FORMAT.md §19): each on its own, under
 * a key of an epoch, bound to its id. What is sealed lies in kernel memory.
 */
export class ForeignSeal {
  readonly epoch: number;
  readonly #kernel: Kernel;
  readonly #vaultId: Uint8Array;
  readonly #guidKey: Uint8Array;
  readonly #base: number;

  /** Under the newest epoch, or another one; memory is wiped by whoever gave it. */
  constructor(
    kernel: Kernel,
    memory: KernelMemory,
    keys: VaultKeys,
    epoch = currentEpoch(keys).epoch,
  ) {
    const found = keys.epochs.find((each) => each.epoch === epoch);
    assert(found !== undefined, "the epoch is one of the vault's");
    this.epoch = epoch;
    this.#kernel = kernel;
    this.#vaultId = keys.vaultId.slice();
    this.#base = memory.reserve(DESCRIPTOR_BYTES + KEY_BYTES);
    const master = subkey(found.masterKey, "stream");
    const key = expandKey(master, "foreign block", this.#vaultId);
    this.#guidKey = expandKey(master, "foreign guid", this.#vaultId);
    kernel.bytes.set(key, this.#base + DESCRIPTOR_BYTES);
    wipe(key);
    wipe(master);
  }

  /** Forgets the keys. */
  wipe(): void {
    wipe(this.#guidKey);
    this.#kernel.wipe(this.#base, DESCRIPTOR_BYTES + KEY_BYTES);
  }

  /** The guid that a snapshot has among foreign ones: another under each epoch, so that what opens together stays together. */
  guid(of: Uint8Array): Uint8Array<ArrayBuffer> {
    return blake3Keyed(this.#kernel, this.#guidKey, of).slice(0, GUID_BYTES);
  }

  /** Seals the bytes at an address, where they lie. */
  seal(id: number, form: ForeignForm, address: number, runtime: Runtime): ForeignBlock {
    const nonce = new Uint8Array(NONCE_BYTES);
    runtime.random(nonce);
    this.#describe(id, form, address);
    this.#kernel.bytes.set(nonce, this.#base + DESCRIPTOR.nonce);
    this.#kernel.sealMany(this.#base, 1);
    const tagAt = this.#base + DESCRIPTOR.tag;
    return { ...form, nonce, tag: this.#kernel.bytes.slice(tagAt, tagAt + TAG_BYTES) };
  }

  /** Opens them; false where they are not what was sealed. */
  open(id: number, block: ForeignBlock, address: number): boolean {
    this.#describe(id, block, address);
    this.#kernel.bytes.set(block.nonce, this.#base + DESCRIPTOR.nonce);
    this.#kernel.bytes.set(block.tag, this.#base + DESCRIPTOR.tag);
    return this.#kernel.openMany(this.#base, 1) === 0;
  }

  #describe(
    id: number,
    { kind, level, codec, length, stored }: ForeignForm,
    address: number,
  ): void {
    const { bytes } = this.#kernel;
    const descriptor = viewOf(bytes.subarray(this.#base, this.#base + DESCRIPTOR_BYTES));
    descriptor.setUint32(DESCRIPTOR.source, address, true);
    descriptor.setUint32(DESCRIPTOR.destination, address, true);
    descriptor.setUint32(DESCRIPTOR.length, stored, true);
    descriptor.setUint32(DESCRIPTOR.key, this.#base + DESCRIPTOR_BYTES, true);
    descriptor.setUint32(DESCRIPTOR.aadLength, AAD_BYTES, true);
    const compressed = codec === CODEC.raw ? 0 : stored;
    const what = { id, kind, level, codec, shard: 0, epoch: this.epoch, length, compressed };
    writeAad(bytes, this.#base + DESCRIPTOR.aad, { vaultId: this.#vaultId, ...what });
  }

  /** What says what the blocks are: the epoch in clear, then a seal. */
  sealAbout(about: Uint8Array, runtime: Runtime): Uint8Array<ArrayBuffer> {
    const nonce = new Uint8Array(NONCE_BYTES);
    runtime.random(nonce);
    const sealed = sealBytes(this.#kernel, { key: this.#key(), nonce, aad: ABOUT_AAD }, about);
    const bytes = new Uint8Array(EPOCH_BYTES + NONCE_BYTES + sealed.length);
    viewOf(bytes).setUint32(0, this.epoch, true);
    bytes.set(nonce, EPOCH_BYTES);
    bytes.set(sealed, EPOCH_BYTES + NONCE_BYTES);
    return bytes;
  }

  /** Opens that; null where it is not of this vault. */
  openAbout(bytes: Uint8Array): Uint8Array | null {
    const sealedAt = EPOCH_BYTES + NONCE_BYTES;
    if (bytes.length < sealedAt) return null;
    const nonce = bytes.slice(EPOCH_BYTES, sealedAt);
    const binding = { key: this.#key(), nonce, aad: ABOUT_AAD };
    return openBytes(this.#kernel, binding, bytes.subarray(sealedAt));
  }

  #key(): Uint8Array {
    const keyAt = this.#base + DESCRIPTOR_BYTES;
    return this.#kernel.bytes.subarray(keyAt, keyAt + KEY_BYTES);
  }
}

/** The epoch that such bytes are under. */
export function aboutEpoch(bytes: Uint8Array): number {
  return bytes.length < EPOCH_BYTES ? NaN : viewOf(bytes).getUint32(0, true);
}
