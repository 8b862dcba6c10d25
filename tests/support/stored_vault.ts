import { openMedium } from "../../backends/open_medium.ts";
import { MIB } from "../../core/limits.ts";
import { systemRuntime } from "../../core/runtime.ts";
import { openVault, type Vault } from "../../core/vault/vault.ts";
import { createKernel } from "../../wasm/kernel.ts";
import { CHEAP_KDF, testSecret } from "./vault_program.ts";

/** Opens the vault of a mount that is unmounted, works with it and closes it. */
export async function withStoredVault<T>(
  path: string,
  work: (vault: Vault) => T | Promise<T>,
): Promise<T> {
  const medium = await openMedium(path, {});
  const parts = { medium, kernel: createKernel({ memoryBytes: 32 * MIB }), runtime: systemRuntime };
  await using vault = await openVault(parts, { secret: testSecret(), profiles: [CHEAP_KDF] });
  return await work(vault);
}
