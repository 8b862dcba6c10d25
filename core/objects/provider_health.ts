import { VaultError } from "../errors.ts";
import { systemRuntime } from "../runtime.ts";
import type { Abortable } from "../storage/object_store.ts";
import type { NamedProvider } from "./file_info.ts";
import type { ProviderHealth } from "./storage_calls.ts";

/** Asks a provider for as little as it can answer. */
export async function healthOf(named: NamedProvider, options: Abortable): Promise<ProviderHealth> {
  const { name: provider } = named;
  const started = systemRuntime.now();
  const passed = () => Math.round((systemRuntime.now() - started) * 10) / 10;
  try {
    await (await named.store()).list({ ...options, limit: 1 });
    return { provider, healthy: true, milliseconds: passed(), reason: null };
  } catch (error) {
    options.signal?.throwIfAborted();
    if (!(error instanceof VaultError)) throw error;
    return { provider, healthy: false, milliseconds: passed(), reason: error.message };
  }
}
