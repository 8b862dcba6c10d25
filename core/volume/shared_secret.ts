import { KDF_ORDER, type KdfChoice } from "../crypto/argon2.ts";
import type { Secret } from "../crypto/key_encryption.ts";
import { vaultKeys } from "../crypto/vault_keys.ts";
import { VaultError } from "../errors.ts";
import { MappedMedium } from "../storage/mapped_medium.ts";
import { isUnavailable } from "../storage/store_failures.ts";
import type { HeaderBytes, HeaderContext } from "./header_cells.ts";
import { findSlot, looksSparse, readAreas } from "./slot_search.ts";

/**
 * Throws `invalid` for a new passphrase that opens the other vault of a dense medium, the outer or the hidden one: it would lead to
 * one of them only, and whoever meant the other would write over it. Every dense vault is looked at with the same work, whatever it
 * hides; the costliest derivation is left out unless the new slot takes it, too: it may be a mount's process that would need 1 GiB.
 */
export async function refuseSharedSecret(
  context: HeaderContext,
  secret: Secret,
  kdf?: KdfChoice,
): Promise<void> {
  if (!("passphrase" in secret)) return;
  const { medium } = context;
  const isHidden = medium instanceof MappedMedium;
  const whole = isHidden ? medium.base : medium;
  if (!isHidden && await looksSparse(whole)) return;
  const [own, second] = await readAreas(whole);
  const profiles = kdf === "sensitive"
    ? KDF_ORDER
    : KDF_ORDER.filter((name) => name !== "sensitive");
  const area = isHidden ? own : second;
  if (!await opensArea({ context, secret, kdf, profiles }, area)) return;
  throw new VaultError(
    "invalid",
    `Cannot use this passphrase for "${medium.name}": it opens another vault there; choose another`,
    { operation: "change key slots" },
  );
}

/** What is tried on a header. */
export interface AreaSearch {
  readonly context: HeaderContext;
  readonly secret: Secret;
  /** Of the slot that is to be made. Explicit costs have no names: whoever has them uses no others. */
  readonly kdf?: KdfChoice;
  /** Else; all unless given. */
  readonly profiles?: readonly KdfChoice[];
}

/** Whether a secret opens a header, as far as this machine can pay what that costs. */
export async function opensArea(search: AreaSearch, area: HeaderBytes): Promise<boolean> {
  return await slotInArea(search, area) !== null;
}

/** The key slot that a secret opens in a header, as far as this machine can pay what that costs; null where it opens none. */
export async function slotInArea(
  { context, secret, kdf, profiles = KDF_ORDER }: AreaSearch,
  [first, second]: HeaderBytes,
): Promise<number | null> {
  try {
    const search = { ...context, secret, profiles: typeof kdf === "object" ? [kdf] : profiles };
    // The copies agree: one of them is enough, where it can be read.
    const found = await findSlot(search, [[first, first === null ? second : null]]);
    if (found !== null) vaultKeys(found.payload).wipe();
    return found?.index ?? null;
  } catch (error) {
    // Too little memory for the costliest.
    if (isUnavailable(error)) return null;
    throw error;
  }
}
