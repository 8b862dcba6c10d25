/**
 * Key export: the opened keys of a vault in a file of 4,096 bytes under a passphrase given for it, for
 * `recover` when header and superblocks are gone. It is noise without the passphrase.
 *
 * @module
 */
import { wipe } from "../bytes.ts";
import { VaultError } from "../errors.ts";
import { HEADER_PURPOSE, type HeaderPlace, SALT_BYTES } from "../format/header.ts";
import { SLOT_IMAGE_BYTES } from "../format/key_slot.ts";
import { CELL_BYTES } from "../limits.ts";
import { KDF_ORDER, type KdfChoice } from "./argon2.ts";
import { deriveKek } from "./key_encryption.ts";
import { openKeySlot, randomBytes, sealKeySlot, type SealTools } from "./key_slot.ts";
import { type VaultKeys, vaultKeys } from "./vault_keys.ts";

/** Bytes of a key export: salt, one sealed slot, random bytes. */
export const KEY_EXPORT_BYTES: number = CELL_BYTES;

/** The passphrase of an export, which is not one of the vault. */
export interface ExportSecret {
  /** Any bytes, used as they are. */
  readonly passphrase: Uint8Array;
  /** `moderate` where nothing is said: the file will lie somewhere for long. */
  readonly kdf?: KdfChoice;
}

/** Seals the keys into an export. */
export async function exportKeys(
  tools: SealTools,
  keys: VaultKeys,
  { passphrase, kdf = "moderate" }: ExportSecret,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = randomBytes(tools.runtime, KEY_EXPORT_BYTES);
  const salt = bytes.slice(0, SALT_BYTES);
  const inputs = { secret: { passphrase }, salt, kdf, deviceSecret: null };
  const kek = await deriveKek("export", inputs);
  const image = sealKeySlot(tools, kek, exportPlace(salt), {
    ...keys,
    mode: "export",
    label: "",
    created: tools.runtime.now(),
    device: null,
  });
  wipe(kek);
  bytes.set(image, SALT_BYTES);
  return bytes;
}

/** Opens an export. A wrong passphrase and a file that is none give the same error. */
export async function importKeys(
  tools: SealTools,
  bytes: Uint8Array,
  { passphrase, profiles = KDF_ORDER }: {
    readonly passphrase: Uint8Array;
    readonly profiles?: readonly KdfChoice[];
  },
): Promise<VaultKeys> {
  const salt = bytes.slice(0, SALT_BYTES);
  const image = bytes.subarray(SALT_BYTES, SALT_BYTES + SLOT_IMAGE_BYTES);
  for (const kdf of bytes.length === KEY_EXPORT_BYTES ? profiles : []) {
    const inputs = { secret: { passphrase }, salt, kdf, deviceSecret: null };
    const kek = await deriveKek("export", inputs);
    const payload = openKeySlot(tools.kernel, kek, exportPlace(salt), image);
    wipe(kek);
    if (payload !== null) return vaultKeys(payload);
  }
  throw new VaultError("denied", "Cannot open the key export: wrong passphrase or not an export", {
    operation: "import keys",
  });
}

function exportPlace(salt: Uint8Array): HeaderPlace {
  return { purpose: HEADER_PURPOSE.keyExport, copy: 0, index: 0, salt };
}
