/**
 * Looking for the key slot that a secret opens. The medium says nothing of what it takes, nor whether a hidden vault has
 * its header on it, so every derivation is tried on both copies of both headers.
 *
 * @module
 */
import { isHole, wipe } from "../bytes.ts";
import { deriveAll, KDF_ORDER, type KdfChoice, type Stretch } from "../crypto/argon2.ts";
import { readDeviceSecret } from "../crypto/device_secret.ts";
import { candidateKeks, type Secret } from "../crypto/key_encryption.ts";
import { openKeySlot } from "../crypto/key_slot.ts";
import { vaultKeys } from "../crypto/vault_keys.ts";
import { VaultError } from "../errors.ts";
import {
  HEADER_AREA_BYTES,
  HEADER_COPIES,
  HEADER_PURPOSE,
  type HeaderCopy,
  headerOffset,
  type HeaderPlace,
  isSparseSample,
  SPARSE_SAMPLE,
} from "../format/header.ts";
import type { SlotPayload } from "../format/key_slot.ts";
import type { CopyImage } from "../format/key_slot_directory.ts";
import { KEY_SLOTS } from "../limits.ts";
import type { StorageBackend } from "../storage/storage_backend.ts";
import { unless } from "../storage/store_failures.ts";
import {
  copyImage,
  type HeaderBytes,
  type HeaderContext,
  readHeaderBytes,
} from "./header_cells.ts";

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
  /** Which of the headers that were tried. */
  readonly area: number;
  readonly copy: HeaderCopy;
  readonly index: number;
  readonly image: Uint8Array;
  readonly payload: SlotPayload;
  /** What the secret was stretched with, where it is a passphrase. */
  readonly kdf: KdfChoice;
}

/** Where a slot lies, for its seal. */
export function slotPlace(copy: HeaderCopy, index: number, salt: Uint8Array): HeaderPlace {
  return { purpose: HEADER_PURPOSE.slot, copy, index, salt };
}

/** The fixed cells of the vault's header, and of the second header area, which only a dense vault has. */
export async function readAreas(medium: StorageBackend): Promise<HeaderBytes[]> {
  const own = await readHeaderBytes(medium);
  try {
    const [a, b] = await readHeaderBytes(medium, HEADER_AREA_BYTES);
    return [own, [noHole(a), noHole(b)]];
  } catch (error) {
    // Bad sectors there are no concern of the vault.
    if (error instanceof VaultError) return [own, NO_HEADER];
    throw error;
  }
}

const NO_HEADER: HeaderBytes = [null, null];

/** Null for a copy without a salt: a hole of a sparse vault, where nothing has to be derived. */
function noHole(copy: Uint8Array | null): Uint8Array | null {
  return copy !== null && isHole(copyImage(copy).salt) ? null : copy;
}

/**
 * Looks for the slot in both areas at once; where the vault looks sparse, in the second one only when the first has none. It may be
 * a dense one after all, whose start was wiped.
 */
export async function findInAreas(
  search: SlotSearch,
  medium: StorageBackend,
  [own, second]: readonly HeaderBytes[],
): Promise<FoundSlot | null> {
  if (!await looksSparse(medium)) return await findSlot(search, [own, second]);
  const found = await findSlot(search, [own]);
  if (found !== null || second.every((copy) => copy === null)) return found;
  return await findSlot(search, [NO_HEADER, second]);
}

/** True for a vault that cannot have another one in it. */
export async function looksSparse(medium: StorageBackend): Promise<boolean> {
  const size = await medium.size();
  for (const copy of HEADER_COPIES) {
    const at = headerOffset(copy) + SPARSE_SAMPLE.offset;
    const isThere = at + SPARSE_SAMPLE.bytes <= size;
    const sample = isThere ? await unless(isBad, () => medium.read(at, SPARSE_SAMPLE.bytes)) : null;
    if (sample === null || !isSparseSample(sample)) return false;
  }
  return true;
}

/** A bad sector says nothing. */
function isBad(error: unknown): boolean {
  return error instanceof VaultError;
}

/**
 * Tries the secret on every slot of every copy there is, cheapest derivation first. The same copy of all headers is tried
 * before any answer, at the same time where memory allows; the first header wins.
 */
export async function findSlot(
  search: SlotSearch,
  areas: readonly HeaderBytes[],
): Promise<FoundSlot | null> {
  const { secret, profiles = KDF_ORDER, platform } = search;
  const tries = "passphrase" in secret ? profiles : profiles.slice(0, 1);
  for (const kdf of tries) {
    if ("passphrase" in secret) search.trying?.(kdf);
    for (const copy of HEADER_COPIES) {
      const runs = areas.flatMap((bytes, area) => {
        const whole = bytes[copy];
        return whole === null ? [] : [() => tryCopy(search, kdf, { area, copy }, copyImage(whole))];
      });
      const freeBytes = platform?.freeMemoryBytes?.();
      const wipe = (found: FoundSlot[]) => found.forEach(wipeFound);
      const done = await deriveAll(runs, { kdf, freeBytes, wipe });
      const [first = null, ...others] = done.flat();
      others.forEach(wipeFound);
      if (first !== null) return first;
    }
  }
  return null;
}

function wipeFound({ payload }: FoundSlot): void {
  vaultKeys(payload).wipe();
}

/** A slot that a secret opens, and what it takes to seal it anew. */
export interface ProvenSlot {
  readonly index: number;
  readonly secret: Secret;
  readonly kdf: KdfChoice;
}

/** Every slot that the secret opens, of whatever mode and profile, of a header that was opened: its copies agree. */
export async function provenSlots(search: SlotSearch, bytes: HeaderBytes): Promise<ProvenSlot[]> {
  const { secret, profiles = KDF_ORDER } = search;
  const proven = new Map<number, ProvenSlot>();
  const copy = bytes[0] === null ? 1 : 0;
  const whole = bytes[copy];
  if (whole === null) return [];
  for (const kdf of "passphrase" in secret ? profiles : profiles.slice(0, 1)) {
    if ("passphrase" in secret) search.trying?.(kdf);
    for (const found of await tryCopy(search, kdf, { area: 0, copy }, copyImage(whole))) {
      vaultKeys(found.payload).wipe();
      proven.set(found.index, { index: found.index, secret, kdf });
    }
  }
  return [...proven.values()];
}

async function tryCopy(
  { kernel, platform, secret, stretch }: SlotSearch,
  kdf: KdfChoice,
  at: Pick<FoundSlot, "area" | "copy">,
  { salt, slots }: CopyImage,
): Promise<FoundSlot[]> {
  const needsDevice = !("recoveryCode" in secret) && platform !== undefined;
  const deviceSecret = needsDevice ? await readDeviceSecret(platform.secureStorage(), salt) : null;
  const found: FoundSlot[] = [];
  try {
    const keks = await candidateKeks({ secret, salt, kdf, deviceSecret, stretch });
    try {
      for (const kek of keks) {
        // No way out in between: which slot it was must not show either.
        for (let index = 0; index < KEY_SLOTS; index++) {
          const payload = openKeySlot(kernel, kek, slotPlace(at.copy, index, salt), slots[index]);
          if (payload !== null) found.push({ ...at, index, image: slots[index], payload, kdf });
        }
      }
      return found;
    } finally {
      wipe(...keks);
    }
  } finally {
    if (deviceSecret !== null) wipe(deviceSecret);
  }
}
