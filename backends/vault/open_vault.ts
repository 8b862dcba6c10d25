import { wipe } from "../../core/bytes.ts";
import { MIB, VIEW_BYTES_MAX } from "../../core/limits.ts";
import type { VaultSettings } from "../../core/objects/settings.ts";
import { systemRuntime } from "../../core/runtime.ts";
import { openVault } from "../../core/vault/vault.ts";
import { createKernel } from "../../wasm/kernel.ts";
import { fromSystemError } from "../file/system_error.ts";
import { openMedium } from "../open_medium.ts";
import { openVaultObjects, type VaultObjectStore } from "./object_store.ts";

/** Dirty and cached blocks, staging, further volumes and snapshots. Untouched pages cost nothing. */
const KERNEL_BYTES = 72 * MIB + VIEW_BYTES_MAX;

/** Opens the vault that settings name, and keeps objects in it. Closing the store closes the vault. */
export async function openVaultStore(settings: VaultSettings): Promise<VaultObjectStore> {
  const passphrase = await passphraseIn(settings.passphraseFile);
  const medium = await openMedium(settings.medium, { fallbackReadOnly: true });
  try {
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
async function passphraseIn(path: string): Promise<Uint8Array> {
  const bytes = await Deno.readFile(path).catch((error) => {
    throw fromSystemError(error, "read passphrase", path, "vault");
  });
  const end = bytes.indexOf(10);
  return end < 0 ? bytes : bytes.subarray(0, end);
}
