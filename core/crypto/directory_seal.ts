import { concat, wipe } from "../bytes.ts";
import {
  DIRECTORY_BYTES,
  HEADER_PURPOSE,
  headerAad,
  type HeaderCopy,
  SALT_BYTES,
} from "../format/header.ts";
import type { EpochKey } from "../format/key_slot.ts";
import {
  decodeOlderEpochs,
  decodeSlotDirectory,
  encodeOlderEpochs,
  encodeSlotDirectory,
  type SlotDirectory,
} from "../format/key_slot_directory.ts";
import { NONCE_BYTES } from "../limits.ts";
import { assert } from "../assert.ts";
import { subkey } from "./hkdf.ts";
import type { Kernel } from "./kernel.ts";
import { randomBytes, type SealTools } from "./key_slot.ts";
import { openBytes, sealBytes } from "./sealed_bytes.ts";
import { currentEpoch, type VaultKeys } from "./vault_keys.ts";

/** The key is the vault's alone, so no salt is bound: a directory stays readable when its copy's salt is damaged. */
const NO_SALT = new Uint8Array(SALT_BYTES);
/** The same in both copies and buffers: a directory is copied as it is. */
const OLDER_AAD = headerAad({ purpose: HEADER_PURPOSE.older, copy: 0, index: 0, salt: NO_SALT });

/** The sealed directory for its buffer of a header copy: nonce, ciphertext, tag. */
export function sealDirectory(
  { kernel, runtime }: SealTools,
  keys: VaultKeys,
  copy: HeaderCopy,
  directory: SlotDirectory,
): Uint8Array<ArrayBuffer> {
  const key = subkey(currentEpoch(keys).masterKey, "directory");
  const nonce = randomBytes(runtime, NONCE_BYTES);
  const aad = directoryAad(copy, directory.counter % 2);
  const sealed = sealBytes(kernel, { key, nonce, aad }, encodeSlotDirectory(directory));
  wipe(key);
  return concat(nonce, sealed);
}

/** Opens a buffer of a header copy; null where no epoch's key opens it (torn, damaged, never written). */
export function openDirectory(
  kernel: Kernel,
  keys: VaultKeys,
  place: { readonly copy: HeaderCopy; readonly buffer: number },
  bytes: Uint8Array,
): SlotDirectory | null {
  assert(bytes.length === DIRECTORY_BYTES, "a directory buffer is whole");
  const nonce = bytes.subarray(0, NONCE_BYTES);
  const aad = directoryAad(place.copy, place.buffer);
  // Newest epoch first: older ones are tried only after a rotation that a crash cut short.
  for (const { masterKey } of keys.epochs.toReversed()) {
    const key = subkey(masterKey, "directory");
    const plaintext = openBytes(kernel, { key, nonce, aad }, bytes.subarray(NONCE_BYTES));
    wipe(key);
    if (plaintext !== null) return decodeSlotDirectory(plaintext);
  }
  return null;
}

/** Seals the keys of older epochs under the newest: what a rotation keeps until nothing is left under them. */
export function sealOlderEpochs(
  { kernel, runtime }: SealTools,
  { masterKey }: EpochKey,
  epochs: readonly EpochKey[],
): Uint8Array<ArrayBuffer> {
  const key = subkey(masterKey, "older-epochs");
  const nonce = randomBytes(runtime, NONCE_BYTES);
  const plaintext = encodeOlderEpochs(epochs);
  const sealed = sealBytes(kernel, { key, nonce, aad: OLDER_AAD }, plaintext);
  wipe(key, plaintext);
  return concat(nonce, sealed);
}

/** Opens them: none where there are none, or where they are sealed under another key. */
export function openOlderEpochs(
  kernel: Kernel,
  { masterKey }: EpochKey,
  sealedOlder: Uint8Array,
): EpochKey[] {
  const key = subkey(masterKey, "older-epochs");
  const nonce = sealedOlder.subarray(0, NONCE_BYTES);
  const sealed = sealedOlder.subarray(NONCE_BYTES);
  const plaintext = openBytes(kernel, { key, nonce, aad: OLDER_AAD }, sealed);
  wipe(key);
  if (plaintext === null) return [];
  try {
    return decodeOlderEpochs(plaintext);
  } finally {
    wipe(plaintext);
  }
}

function directoryAad(copy: HeaderCopy, buffer: number): Uint8Array {
  return headerAad({ purpose: HEADER_PURPOSE.directory, copy, index: buffer, salt: NO_SALT });
}
