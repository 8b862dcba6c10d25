import { VaultError } from "../errors.ts";
import { systemRuntime } from "../runtime.ts";
import type { Abortable } from "../storage/object_store.ts";
import type { NamedProvider } from "./file_info.ts";
import type { FileSearch } from "./file_search.ts";
import type { ProviderHealth } from "./storage_calls.ts";

/** Asks every provider, and the catalogue, for as little as they can answer. */
export async function wholeHealth(
  providers: readonly NamedProvider[],
  openSearch: (() => Promise<FileSearch>) | undefined,
  options: Abortable,
): Promise<readonly ProviderHealth[]> {
  const asked = providers.map((named) =>
    healthOf(named.name, async () => (await named.store()).list({ ...options, limit: 1 }), options)
  );
  if (openSearch !== undefined) {
    asked.push(healthOf("(catalogue)", async () => (await openSearch()).check(), options));
  }
  return await Promise.all(asked);
}

async function healthOf(
  provider: string,
  ask: () => Promise<unknown>,
  options: Abortable,
): Promise<ProviderHealth> {
  const started = systemRuntime.now();
  const passed = () => Math.round((systemRuntime.now() - started) * 10) / 10;
  try {
    await ask();
    return { provider, healthy: true, milliseconds: passed(), reason: null };
  } catch (error) {
    options.signal?.throwIfAborted();
    if (!(error instanceof VaultError)) throw error;
    return { provider, healthy: false, milliseconds: passed(), reason: error.message };
  }
}
