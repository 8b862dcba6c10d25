/**
 * Hidden vaults: a second vault inside the never-used part of a dense one (FORMAT.md §15).
 *
 * @module
 */
import { DENSE_HEADER_SEGMENTS } from "../block/kept_segments.ts";
import { wipe } from "../bytes.ts";
import type { KdfChoice } from "../crypto/argon2.ts";
import type { Secret } from "../crypto/key_encryption.ts";
import { VaultError } from "../errors.ts";
import type { HiddenPlace } from "../format/hidden_place.ts";
import { MIB, SEGMENT_BYTES } from "../limits.ts";
import { createHeader, openHeader } from "../volume/header_area.ts";
import { readHeaderBytes } from "../volume/header_cells.ts";
import { opensArea } from "../volume/shared_secret.ts";
import { chooseHiddenPlace, ownParts } from "../volume/hidden_place.ts";
import { createVolume, openVolume } from "../volume/open_volume.ts";
import { Vault, type VaultParts } from "./vault.ts";
import type { CreateVaultOptions } from "./vault_options.ts";
import { blockBytesOf } from "../volume/block_size.ts";
import { SEGMENTS_MIN } from "./vault_shape.ts";

/** How to make a hidden vault. */
export interface CreateHiddenVaultOptions
  extends Pick<CreateVaultOptions, "secret" | "kdf" | "label" | "blockBytes" | "root"> {
  /** Opens the outer vault. */
  readonly outer: Secret;
  /** The profiles to try on it, where the caller knows. */
  readonly outerProfiles?: readonly KdfChoice[];
  /** What will open the hidden one: a passphrase or a recovery code that opens nothing of the outer vault. */
  readonly secret: Secret;
  /** Bytes of the hidden vault: whole segments of 4 MiB. */
  readonly sizeBytes: number;
}

/**
 * Makes a hidden vault in segments that the outer vault has never used. The outer vault is only read. A hidden vault that was
 * there before is lost: nobody can see it.
 */
export async function createHiddenVault(
  parts: VaultParts,
  options: CreateHiddenVaultOptions,
): Promise<Vault> {
  const { secret, kdf, label, sizeBytes } = options;
  const blockBytes = blockBytesOf(options.blockBytes);
  const wanted = Math.floor(sizeBytes / SEGMENT_BYTES);
  if (wanted < SEGMENTS_MIN) {
    const least = SEGMENTS_MIN * SEGMENT_BYTES / MIB;
    throw new VaultError("invalid", `Cannot hide a vault this small: want ${least} MiB or more`);
  }
  const hidden = await choosePlace(parts, options, wanted);
  try {
    await refuseSecretOfOuter(parts, options);
    const { keys } = await createHeader({ ...parts, secret, mode: "user", kdf, label, hidden });
    const own = ownParts(parts, keys.hidden);
    const segments = DENSE_HEADER_SEGMENTS + wanted;
    const members = [{ number: 0, segments, segmentsMax: segments }];
    const shape = { members, blockBytes, dense: true };
    const vault = new Vault(own, createVolume({ ...own, keys }, shape), keys, options);
    await vault.commit();
    return vault;
  } catch (error) {
    wipe(hidden.orderKey);
    throw error;
  }
}

async function choosePlace(
  parts: VaultParts,
  { outer: secret, outerProfiles: profiles }: CreateHiddenVaultOptions,
  wanted: number,
): Promise<HiddenPlace> {
  const { medium: { name, capabilities } } = parts;
  if (!capabilities.overwrite || !capabilities.writable) {
    throw impossible(name, "it cannot be overwritten");
  }
  const { keys } = await openHeader({ ...parts, secret, profiles });
  try {
    if (keys.hidden !== undefined) throw impossible(name, "the first secret opens a hidden vault");
    const { volume: { store }, wipe } = openVolume({ ...parts, keys }, "read");
    try {
      if (store.space.members.length > 1) throw impossible(name, "it is one medium of several");
      if (!store.dense) throw impossible(name, "the outer vault is sparse; only a dense one hides");
      return chooseHiddenPlace({ layoutKey: keys.layoutKey, space: store.space, name }, wanted);
    } finally {
      wipe();
    }
  } finally {
    keys.wipe();
  }
}

/** Of a secret that opens both, the cheaper derivation wins: one of the two vaults could not be opened any more. */
async function refuseSecretOfOuter(
  parts: VaultParts,
  { secret, kdf = "interactive" }: CreateHiddenVaultOptions,
): Promise<void> {
  const own = await readHeaderBytes(parts.medium);
  if (!await opensArea({ context: parts, secret, kdf }, own)) return;
  const { name } = parts.medium;
  throw impossible(name, "its passphrase opens the outer vault; choose another");
}

function impossible(name: string, why: string): VaultError {
  return new VaultError("invalid", `Cannot hide a vault in "${name}": ${why}`, {
    operation: "create hidden vault",
  });
}

/** How to find a hidden vault that is to be protected. */
export interface FindHiddenOptions {
  /** Opens the hidden vault. */
  readonly secret: Secret;
  /** The profiles to try, where the caller knows. */
  readonly profiles?: readonly KdfChoice[];
}

/** Where the hidden vault lies that a secret opens: what opening the outer one takes to leave it alone. */
export async function findHiddenPlace(
  parts: Omit<VaultParts, "lane">,
  { secret, profiles }: FindHiddenOptions,
): Promise<HiddenPlace> {
  const { keys } = await openHeader({ ...parts, secret, profiles });
  const place = keys.hidden && { ...keys.hidden, orderKey: keys.hidden.orderKey.slice() };
  keys.wipe();
  if (place !== undefined) return place;
  throw new VaultError(
    "invalid",
    `Cannot protect a hidden vault in "${parts.medium.name}": the secret given for it opens the outer vault`,
    { operation: "open vault" },
  );
}
