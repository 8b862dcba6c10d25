import { wipe } from "../../core/bytes.ts";
import { VaultError } from "../../core/errors.ts";
import { KIB, MIB, VIEW_BYTES_MAX } from "../../core/limits.ts";
import type { VaultSettings } from "../../core/objects/settings.ts";
import { systemRuntime } from "../../core/runtime.ts";
import { openVault } from "../../core/vault/vault.ts";
import { createKernel } from "../../wasm/kernel.ts";
import { fromSystemError } from "../file/system_error.ts";
import { openMedium } from "../open_medium.ts";
import { openVaultObjects, type VaultObjectStore } from "./object_store.ts";

/** The longest passphrase that a file may hold. */
const SECRET_BYTES_MAX = 64 * KIB;
/** Dirty and cached blocks, staging, further volumes and snapshots. Untouched pages cost nothing. */
const KERNEL_BYTES = 72 * MIB + VIEW_BYTES_MAX;

/** Opens the vault that settings name, and keeps objects in it. Closing the store closes the vault. */
export async function openVaultStore(settings: VaultSettings): Promise<VaultObjectStore> {
  const medium = await openMedium(settings.medium, { fallbackReadOnly: true });
  let passphrase = new Uint8Array(0);
  try {
    passphrase = await passphraseIn(settings.passphraseFile);
    const kernel = createKernel({ memoryBytes: KERNEL_BYTES });
    const vault = await openVault({ medium, kernel, runtime: systemRuntime }, {
      secret: { passphrase },
    });
    return await openVaultObjects({ vault, directory: settings.directory, closing: true });
  } catch (error) {
    await medium.close();
    throw error;
  } finally {
    wipe(passphrase);
  }
}

/** The first line, as a terminal would have given it. */
async function passphraseIn(path: string): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(SECRET_BYTES_MAX + 1);
  try {
    const length = await readStart(path, bytes);
    const end = bytes.subarray(0, length).indexOf(10);
    if (end < 0 && length > SECRET_BYTES_MAX) {
      const what = `Cannot read passphrase "${path}": it is longer than ${SECRET_BYTES_MAX} bytes`;
      throw new VaultError("invalid", what);
    }
    return bytes.slice(0, end < 0 ? length : end);
  } catch (error) {
    throw fromSystemError(error, "read passphrase", path, "vault");
  } finally {
    wipe(bytes);
  }
}

async function readStart(path: string, into: Uint8Array<ArrayBuffer>): Promise<number> {
  using file = await Deno.open(path);
  let length = 0;
  while (length < into.length) {
    const read = await file.read(into.subarray(length));
    if (read === null) break;
    length += read;
  }
  return length;
}
