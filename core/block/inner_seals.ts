import { assert } from "../assert.ts";
import { wipe } from "../bytes.ts";
import { DESCRIPTOR, DESCRIPTOR_BYTES } from "../crypto/kernel.ts";
import { VaultError } from "../errors.ts";
import { CODEC, type InnerSeal } from "../format/map_entry.ts";
import { AAD_BYTES, KIND, writeAad } from "../format/seal_aad.ts";
import { KEY_BYTES } from "../limits.ts";
import type { BlockForm } from "./block_form.ts";
import { reserveDescriptors, type SealContext } from "./seal_context.ts";

/** An inner seal names no vault and no block: it goes wherever the file goes, and its key is the file's alone. */
const NO_VAULT = new Uint8Array(16);
/** Secrets that are open at once. */
export const OPEN_SECRETS_MAX = 128;

/** The bytes of a block as they are stored, in kernel memory. */
export interface InnerBlock {
  readonly id: number;
  readonly form: BlockForm;
  readonly address: number;
}

/**
 * Seals and opens the content of blocks under the secrets of their files, inside the vault's own seals. Keys lie in kernel
 * memory while their secret is open.
 */
export class InnerSeals {
  private readonly context: SealContext;
  /** Made with the first secret. */
  private memory: { readonly keys: number; readonly descriptor: number } | null = null;
  private readonly places = new Map<number, number>();
  /** Of these, the ones that were found: the oldest makes room for another. */
  private readonly found = new Set<number>();
  /** The key of a secret that the vault itself has, to be wiped; null where it has none of this number. */
  find: (secretId: number) => Uint8Array | null = () => null;

  constructor(context: SealContext) {
    this.context = context;
  }

  /** Keeps the key of a secret, until `close`. */
  open(secretId: number, key: Uint8Array): void {
    assert(key.length === KEY_BYTES, "a key has 32 bytes");
    this.found.delete(secretId);
    if (this.places.has(secretId)) return;
    if (this.places.size === OPEN_SECRETS_MAX) {
      for (const id of this.found) {
        this.close(id);
        break;
      }
    }
    const taken = new Set(this.places.values());
    let place = 0;
    while (taken.has(place)) place++;
    if (place === OPEN_SECRETS_MAX) {
      throw new VaultError(
        "unavailable",
        `Cannot open another locked file: ${OPEN_SECRETS_MAX} are open; close the vault and open it again`,
      );
    }
    const { kernel } = this.context;
    this.memory ??= {
      keys: kernel.reserve(OPEN_SECRETS_MAX * KEY_BYTES),
      descriptor: reserveDescriptors(kernel, 1),
    };
    kernel.bytes.set(key, this.memory.keys + place * KEY_BYTES);
    this.places.set(secretId, place);
  }

  /** Forgets a key. */
  close(secretId: number): void {
    const place = this.places.get(secretId);
    if (place === undefined || this.memory === null) return;
    this.context.kernel.wipe(this.memory.keys + place * KEY_BYTES, KEY_BYTES);
    this.places.delete(secretId);
    this.found.delete(secretId);
  }

  /** Where the key of a secret lies that is open, or that the vault itself has. */
  private placeOf(secretId: number): number | undefined {
    const known = this.places.get(secretId);
    if (known !== undefined) return known;
    const key = this.find(secretId);
    if (key === null) return undefined;
    this.open(secretId, key);
    this.found.add(secretId);
    wipe(key);
    return this.places.get(secretId);
  }

  /** Forgets all keys. */
  wipe(): void {
    for (const secretId of [...this.places.keys()]) this.close(secretId);
  }

  /** Seals content in place, under a fresh nonce. */
  seal(block: InnerBlock, secretId: number): InnerSeal {
    const at = this.describe(block, secretId);
    const { context } = this;
    context.nonces.take(context.nonceOf(at), 0);
    context.kernel.sealMany(at, 1);
    return { secretId, nonce: context.nonceOf(at).slice(), tag: context.tagOf(at).slice() };
  }

  /** Opens content in place; false where it is not what was sealed. Throws `denied` where the secret is not open. */
  unseal(block: InnerBlock, { secretId, nonce, tag }: InnerSeal): boolean {
    const at = this.describe(block, secretId);
    this.context.nonceOf(at).set(nonce);
    this.context.tagOf(at).set(tag);
    return this.context.kernel.openMany(at, 1) === 0;
  }

  private describe({ id, form, address }: InnerBlock, secretId: number): number {
    const place = this.placeOf(secretId);
    if (place === undefined || this.memory === null) throw lockedBlock(id);
    const { kernel: { bytes } } = this.context;
    const { keys, descriptor: at } = this.memory;
    const view = new DataView(bytes.buffer, at, DESCRIPTOR_BYTES);
    view.setUint32(DESCRIPTOR.source, address, true);
    view.setUint32(DESCRIPTOR.destination, address, true);
    const { codec, length, stored } = form;
    view.setUint32(DESCRIPTOR.length, stored, true);
    view.setUint32(DESCRIPTOR.key, keys + place * KEY_BYTES, true);
    view.setUint32(DESCRIPTOR.aadLength, AAD_BYTES, true);
    const [kind, compressed] = [KIND.data, codec === CODEC.raw ? 0 : stored];
    const block = { id: 0, kind, level: 0, codec, shard: 0, epoch: 0, length, compressed };
    writeAad(bytes, at + DESCRIPTOR.aad, { vaultId: NO_VAULT, ...block });
    return at;
  }
}

function lockedBlock(id: number): VaultError {
  return new VaultError("denied", `Cannot read block ${id}: its file is locked; unlock it first`, {
    errno: "EACCES",
  });
}
