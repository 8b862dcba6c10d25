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
 * hides.
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
  if (!await opensArea(context, secret, isHidden ? own : second, kdf)) return;
  throw new VaultError(
    "invalid",
    `Cannot use this passphrase for "${medium.name}": it opens another vault there; choose another`,
    { operation: "change key slots" },
  );
}

/**
 * Whether a passphrase opens a header, at any cost that this machine can pay. Explicit costs have no names: whoever has them uses
 * no others.
 */
export async function opensArea(
  context: HeaderContext,
  secret: Secret,
  [first, second]: HeaderBytes,
  kdf?: KdfChoice,
): Promise<boolean> {
  const profiles = typeof kdf === "object" ? [kdf] : KDF_ORDER;
  try {
    const search = { ...context, secret, profiles };
    // The copies agree: one of them is enough, where it can be read.
    const found = await findSlot(search, [[first, first === null ? second : null]]);
    if (found !== null) vaultKeys(found.payload).wipe();
    return found !== null;
  } catch (error) {
    // Too little memory for the costliest.
    if (isUnavailable(error)) return false;
    throw error;
  }
}
