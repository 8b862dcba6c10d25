/**
 * Looking for the key slot that a secret opens. The medium says nothing of what it takes, so every derivation is tried on
 * both header copies.
 *
 * @module
 */
import { wipe } from "../bytes.ts";
import {
  KDF_ORDER,
  KDF_PROFILES,
  type KdfChoice,
  kdfParameters,
  type Stretch,
} from "../crypto/argon2.ts";
import { readDeviceSecret } from "../crypto/device_secret.ts";
import { candidateKeks, type Secret } from "../crypto/key_encryption.ts";
import { openKeySlot } from "../crypto/key_slot.ts";
import { vaultKeys } from "../crypto/vault_keys.ts";
import {
  HEADER_COPIES,
  HEADER_PURPOSE,
  type HeaderCopy,
  type HeaderPlace,
} from "../format/header.ts";
import type { SlotPayload } from "../format/key_slot.ts";
import { KEY_SLOTS, KIB } from "../limits.ts";
import { copyImage, type HeaderBytes, type HeaderContext } from "./header_cells.ts";

/** How to open a header. */
export interface OpenHeaderOptions extends HeaderContext {
  /** What is presented. */
  readonly secret: Secret;
  /** The profiles to try, where the caller knows more than the medium says. */
  readonly profiles?: readonly KdfChoice[];
  /** Who stretches a passphrase. */
  readonly stretch?: Stretch;
  /** Told which derivation is tried next. */
  readonly trying?: (kdf: KdfChoice) => void;
}

/** What a search takes. */
export type SlotSearch = Omit<OpenHeaderOptions, "medium">;

/** A slot that a secret opened. */
export interface FoundSlot {
  readonly copy: HeaderCopy;
  readonly index: number;
  readonly image: Uint8Array;
  readonly payload: SlotPayload;
}

/** Where a slot lies, for its seal. */
export function slotPlace(copy: HeaderCopy, index: number, salt: Uint8Array): HeaderPlace {
  return { purpose: HEADER_PURPOSE.slot, copy, index, salt };
}

/**
 * Tries the secret on every slot of every copy there is, cheapest derivation first. The first one runs alone on copy A, where
 * nearly every right secret opens; when it did not, the two copies are tried at the same time.
 */
export async function findSlot(search: SlotSearch, bytes: HeaderBytes): Promise<FoundSlot | null> {
  const { secret, profiles = KDF_ORDER, platform } = search;
  const copies = HEADER_COPIES.filter((copy) => bytes[copy] !== null);
  const tries = "passphrase" in secret ? profiles : profiles.slice(0, 1);
  for (const [i, kdf] of tries.entries()) {
    if ("passphrase" in secret) search.trying?.(kdf);
    const atOnce = i > 0 && fitTogether(kdf, platform?.freeMemoryBytes?.() ?? 0);
    const groups = atOnce ? [copies] : copies.map((copy) => [copy]);
    for (const group of groups) {
      const found = await Promise.all(group.map((copy) => tryCopy(search, kdf, bytes, copy)));
      const [first = null, ...others] = found.filter((slot) => slot !== null);
      for (const { payload } of others) vaultKeys(payload).wipe();
      if (first !== null) return first;
    }
  }
  return null;
}

/** Two derivations at a time may take half of what is free, and in any case what two moderate ones do. */
function fitTogether(kdf: KdfChoice, freeBytes: number): boolean {
  const { memoryKib } = kdfParameters(kdf);
  return 2 * memoryKib <= Math.max(2 * KDF_PROFILES.moderate.memoryKib, freeBytes / 2 / KIB);
}

async function tryCopy(
  { kernel, platform, secret, stretch }: SlotSearch,
  kdf: KdfChoice,
  bytes: HeaderBytes,
  copy: HeaderCopy,
): Promise<FoundSlot | null> {
  const whole = bytes[copy];
  if (whole === null) return null;
  const { salt, slots } = copyImage(whole);
  const needsDevice = !("recoveryCode" in secret) && platform !== undefined;
  const deviceSecret = needsDevice ? await readDeviceSecret(platform.secureStorage(), salt) : null;
  try {
    const keks = await candidateKeks({ secret, salt, kdf, deviceSecret, stretch });
    try {
      for (const kek of keks) {
        for (let index = 0; index < KEY_SLOTS; index++) {
          const payload = openKeySlot(kernel, kek, slotPlace(copy, index, salt), slots[index]);
          if (payload !== null) return { copy, index, image: slots[index], payload };
        }
      }
      return null;
    } finally {
      wipe(...keks);
    }
  } finally {
    if (deviceSecret !== null) wipe(deviceSecret);
  }
}
