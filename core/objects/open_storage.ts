import { VaultError } from "../errors.ts";
import type { ObjectStore } from "../storage/object_store.ts";
import type { NamedProvider } from "./file_info.ts";
import { ObjectStorage } from "./object_storage.ts";
import { FailoverStore } from "./failover_store.ts";
import { systemRuntime } from "../runtime.ts";
import { RetryingStore } from "./retrying_store.ts";
import type { CheckedSettings, SingleSettings } from "./settings.ts";

/** Opens what the settings of one provider name. */
export type OpenStore = (settings: SingleSettings) => Promise<ObjectStore>;

/** Storage as checked settings want it. Each provider is opened when it is first used. */
export function storageOf(settings: CheckedSettings, open: OpenStore): ObjectStorage {
  const { providers, routing, patterns, provider, retry, maxFileSize } = settings;
  const named = new Map<string, LazyProvider>();
  const storeOf = (name: string) => named.get(name)!.store();
  for (const [name, each] of Object.entries(providers)) {
    const opening = async () => {
      if (each.type !== "failover") return new RetryingStore(await open(each), retry);
      const fallbacks = await Promise.all(each.fallbacks.map(storeOf));
      return new FailoverStore(await storeOf(each.primary), fallbacks, systemRuntime.now);
    };
    named.set(name, new LazyProvider(name, publicUrl(settings, name), opening));
  }
  return new ObjectStorage({
    providers: [...named.values()],
    rules: {
      firstParts: routing,
      patterns: patterns.map(({ match, to }) => ({ match, provider: to })),
      fallback: provider,
    },
    fileBytesMax: maxFileSize,
  });
}

/** Where a provider's objects are to be read: by the CDN before all, else at its own URL, else at that of all. */
function publicUrl({ cdn, providers, baseUrl }: CheckedSettings, name: string): string | null {
  if (cdn !== undefined && cdn.enabled !== false) {
    return cdn.domain.includes("://") ? cdn.domain : `https://${cdn.domain}`;
  }
  return providers[name].url ?? baseUrl ?? null;
}

class LazyProvider implements NamedProvider {
  readonly name: string;
  readonly publicUrl: string | null;
  readonly #open: () => Promise<ObjectStore>;
  #opened: Promise<ObjectStore> | null = null;
  #closed = false;

  constructor(name: string, publicUrl: string | null, open: () => Promise<ObjectStore>) {
    this.name = name;
    this.publicUrl = publicUrl;
    this.#open = open;
  }

  async store(): Promise<ObjectStore> {
    if (this.#closed) {
      throw new VaultError("invalid", `Cannot use provider "${this.name}": the storage is closed`, {
        provider: this.name,
      });
    }
    this.#opened ??= this.#open();
    try {
      return await this.#opened;
    } catch (error) {
      // The next call tries again.
      this.#opened = null;
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    const store = await this.#opened?.catch(() => null);
    await store?.close();
  }
}
