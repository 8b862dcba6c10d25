import { exportKeys as exportKeysOf, type ExportSecret } from "../crypto/key_export.ts";
import type { Vault } from "./vault.ts";

/** Seals a vault's keys under a passphrase of their own: 4,096 bytes, for `recoverVault` when the header is gone. */
export async function exportKeys(
  vault: Vault,
  secret: ExportSecret,
): Promise<Uint8Array<ArrayBuffer>> {
  // Its keys are wiped: zeros would be exported.
  vault.transactions.requireOpen();
  return await exportKeysOf(vault.header, vault.header.keys, secret);
}
