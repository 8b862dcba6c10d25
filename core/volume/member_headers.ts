/**
 * The headers of a vault on several media. Each medium has one of its own, with salts of its own: nothing on one can be
 * found again on another, so that even all of them together do not show that they belong together. A key slot has the same
 * index on all of them.
 *
 * @module
 */
import type { VaultKeys } from "../crypto/vault_keys.ts";
import { VaultError } from "../errors.ts";
import type { StorageBackend } from "../storage/storage_backend.ts";
import {
  createHeader,
  type CreateHeaderOptions,
  healFurther,
  openHeader,
  writeHeader,
} from "./header_area.ts";
import type { OpenHeaderOptions } from "./slot_search.ts";

/** Makes the header of an empty vault on every medium, each with the same key slot. The caller wipes the keys. */
export async function createHeaders(
  options: Omit<CreateHeaderOptions, "medium">,
  [first, ...further]: readonly StorageBackend[],
): Promise<VaultKeys> {
  const { keys } = await createHeader({ ...options, medium: first });
  try {
    for (const medium of further) {
      await writeHeader({ ...options, medium }, keys, { index: 0, order: options });
    }
    return keys;
  } catch (error) {
    keys.wipe();
    throw error;
  }
}

/**
 * Opens the first header that the secret opens. A change of key slots that a crash cut short is set right on each medium;
 * between two of them the caller repeats it.
 */
export async function openHeaders(
  options: Omit<OpenHeaderOptions, "medium">,
  media: readonly StorageBackend[],
): Promise<VaultKeys> {
  let failure: unknown;
  for (const medium of media) {
    try {
      const { keys } = await openHeader({ ...options, medium });
      return await healOthers(options, keys, media.filter((other) => other !== medium));
    } catch (error) {
      if (!(error instanceof VaultError) || error.kind !== "denied") throw error;
      failure ??= error;
    }
  }
  throw failure;
}

async function healOthers(
  options: Omit<OpenHeaderOptions, "medium">,
  keys: VaultKeys,
  others: readonly StorageBackend[],
): Promise<VaultKeys> {
  try {
    if (keys.hidden !== undefined && others.length > 0) {
      throw new VaultError(
        "invalid",
        `Cannot open a hidden vault together with "${others[0].name}": it lies on one medium`,
        { operation: "open vault" },
      );
    }
    for (const medium of others) await healFurther({ ...options, medium }, keys);
    return keys;
  } catch (error) {
    keys.wipe();
    throw error;
  }
}
