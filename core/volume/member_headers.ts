/**
 * The headers of a vault on several media. Each medium has one of its own, with salts of its own: nothing on one can be
 * found again on another, so that even all of them together do not show that they belong together. A key slot has the same
 * index on all of them.
 *
 * @module
 */
import type { KdfChoice } from "../crypto/argon2.ts";
import type { Secret } from "../crypto/key_encryption.ts";
import { randomBytes } from "../crypto/key_slot.ts";
import { type VaultKeys, vaultKeys } from "../crypto/vault_keys.ts";
import { VaultError } from "../errors.ts";
import { FIXED_BYTES, HEADER_COPIES, headerOffset } from "../format/header.ts";
import type { StorageBackend } from "../storage/storage_backend.ts";
import { readHeaderBytes } from "./header_cells.ts";
import type { OpenHeaderContext } from "./header_slots.ts";
import {
  createHeader,
  type CreateHeaderOptions,
  healOpened,
  openHeader,
  writeHeader,
} from "./header_area.ts";
import { findSlot, type OpenHeaderOptions } from "./slot_search.ts";

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
    for (const medium of others) await healOpened({ ...options, medium }, keys);
    return keys;
  } catch (error) {
    keys.wipe();
    throw error;
  }
}

/** What opens the vault that a medium is added to. */
export interface HeaderSecret {
  /** One that opens it now. */
  readonly secret: Secret;
  /** The profiles to try, where the caller knows. */
  readonly profiles?: readonly KdfChoice[];
}

/**
 * Makes the header of a medium that is added to a vault, with one key slot: for the secret at hand, in the place that it
 * has in the other headers. Slots of others would take their secrets.
 */
export async function addHeader(
  context: OpenHeaderContext,
  medium: StorageBackend,
  { secret, profiles }: HeaderSecret,
): Promise<void> {
  const search = { ...context, secret, profiles };
  const found = await findSlot(search, [await readHeaderBytes(context.medium)]);
  if (found === null || found.payload.mode === "export") {
    throw new VaultError(
      "denied",
      `Cannot add a member to "${context.medium.name}": the secret does not open it`,
      { operation: "add member" },
    );
  }
  const { index, kdf, payload: { mode, label } } = found;
  vaultKeys(found.payload).wipe();
  const order = { mode, secret, kdf, label };
  await writeHeader({ ...context, medium }, context.keys, { index, order });
}

/** Overwrites the header of a medium that is no member any more: no secret opens it. */
export async function scrapHeader(
  { runtime }: Pick<OpenHeaderContext, "runtime">,
  medium: StorageBackend,
): Promise<void> {
  for (const copy of HEADER_COPIES) {
    await medium.write(headerOffset(copy), randomBytes(runtime, FIXED_BYTES));
  }
  await medium.sync();
}
