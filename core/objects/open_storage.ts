import { VaultError } from "../errors.ts";
import type { ObjectStore } from "../storage/object_store.ts";
import type { NamedProvider } from "./file_info.ts";
import { ObjectStorage } from "./object_storage.ts";
import { RetryingStore } from "./retrying_store.ts";
import type { CheckedSettings, ProviderSettings } from "./settings.ts";

/** Opens what the settings of a provider name. */
export type OpenStore = (settings: ProviderSettings) => Promise<ObjectStore>;

/** Storage as checked settings want it. Each provider is opened when it is first used. */
export function storageOf(settings: CheckedSettings, open: OpenStore): ObjectStorage {
  const { providers, routing, patterns, provider, retry, maxFileSize } = settings;
  return new ObjectStorage({
    providers: Object.entries(providers).map(([name, each]) => {
      return new LazyProvider(name, publicUrl(settings, name), async () => {
        return new RetryingStore(await open(each), retry);
      });
    }),
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
