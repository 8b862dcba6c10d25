import { VaultError } from "../errors.ts";
import type { ObjectStore } from "../storage/object_store.ts";
import { type NamedProvider, urlBelow } from "./file_info.ts";
import type { ImageTransformer } from "./images.ts";
import { ObjectStorage } from "./object_storage.ts";
import { FailoverStore } from "./failover_store.ts";
import { systemRuntime } from "../runtime.ts";
import { RetryingStore } from "./retrying_store.ts";
import type { Catalogue } from "./catalogue.ts";
import { CataloguedStore } from "./catalogued_store.ts";
import { ObservedStore } from "./observed_store.ts";
import { type Prices, UsageCount } from "./usage.ts";
import { FileSearch } from "./file_search.ts";
import { InvalidatingStore } from "./invalidating_store.ts";
import { type Invalidate, Invalidations } from "./invalidations.ts";
import {
  type CatalogueSettings,
  type CheckedSettings,
  type FailoverSettings,
  membersOf,
  type MirrorSettings,
  type ProviderSettings,
  type PurgeSettings,
  type SingleSettings,
} from "./settings.ts";
import { type LateParts, LateStore } from "./late_store.ts";
import type { Reconciling } from "./reconciling.ts";
import type { Telemetry } from "./telemetry.ts";

/** Opens what the settings of one provider name. */
export type OpenStore = (settings: SingleSettings) => Promise<ObjectStore>;

/** Opens a catalogue. */
export type OpenCatalogue = (settings: CatalogueSettings) => Promise<Catalogue>;

/** What an application may give beside settings. */
export interface StorageHooks {
  /** Told which public URLs show something else than before, after the change, together with others; in place of the settings' `cdn.purge`. */
  readonly invalidate?: Invalidate;
  /** Hears of what went wrong behind calls that succeeded: URLs that could not be invalidated. */
  readonly onWarning?: (warning: VaultError) => void;
}

/** What opens what settings name. */
export interface Opening {
  readonly hooks?: StorageHooks;
  /** Makes the hook of settings. */
  readonly purge: (settings: PurgeSettings) => Promise<Invalidate>;
  readonly store: OpenStore;
  readonly catalogue: OpenCatalogue;
  /** Loads what transforms images. */
  readonly images: () => Promise<ImageTransformer>;
}

/** Storage as checked settings want it. Everything is opened when it is first used. */
export function storageOf(settings: CheckedSettings, open: Opening): ObjectStorage {
  const { routing, patterns, provider, maxFileSize, catalogue } = settings;
  const counts = new Map<string, UsageCount>();
  const reconciling = new Map<string, Reconciling>();
  const telling = settings.telemetry === true
    ? once(async () => (await import("./telemetry.ts")).openTelemetry())
    : undefined;
  const stores = plainStores(settings, open.store, { counts, reconciling, telling });
  const invalidations = invalidationsOf(settings, open, telling);
  let opened: Catalogue | undefined;
  const noted = catalogue &&
    once(async () => opened = await open.catalogue(catalogue));
  const catalogued = noted && cataloguedStores(stores, noted);
  const storeOf = (name: string): Promise<ObjectStore> => (catalogued ?? stores).get(name)!();
  const search = noted && once(async () => {
    return new FileSearch(await noted(), async (name) => await catalogued?.get(name)?.() ?? null);
  });
  return new ObjectStorage({
    providers: [...stores.keys()].map((name) => {
      const url = publicUrl(settings, name);
      const parts = { url, made: makingOf(settings.providers[name]), reconciling };
      if (url === null || invalidations === undefined) {
        return new LazyProvider(name, parts, () => storeOf(name));
      }
      const changed = (path: string) => invalidations.changed(urlBelow(url, path));
      const opening = once(async () => new InvalidatingStore(await storeOf(name), changed));
      return new LazyProvider(name, parts, opening);
    }),
    rules: {
      firstParts: routing,
      patterns: patterns.map(({ match, to }) => ({ match, provider: to })),
      fallback: provider,
    },
    fileBytesMax: maxFileSize,
    atOnce: settings.atOnce,
    images: once(open.images),
    imageLimits: settings.images,
    search,
    usage: () => [...counts].map(([name, count]) => count.report(name, pricesOf(settings, name))),
    closing: async () => {
      await invalidations?.close();
      await opened?.close();
    },
  });
}

/** The same stores, whose changes are noted in a catalogue. */
function cataloguedStores(
  stores: ReadonlyMap<string, () => Promise<ObjectStore>>,
  noted: () => Promise<Catalogue>,
): ReadonlyMap<string, () => Promise<CataloguedStore>> {
  const catalogued = new Map<string, () => Promise<CataloguedStore>>();
  for (const [provider, open] of stores) {
    const opening = async () => {
      const [store, catalogue] = await Promise.all([open(), noted()]);
      return new CataloguedStore(store, { catalogue, provider });
    };
    catalogued.set(provider, once(opening));
  }
  return catalogued;
}

/** Tries of a provider whose place another one takes: more would keep a change waiting. */
const SOON = { attempts: 3, delayMs: 100 };
/** Milliseconds that a change waits for a primary: at most this, and half of the primary's own limit. */
const FAILOVER_MS_MAX = 5000;

/** How each provider's store is opened: once, however many ask for it. */
function plainStores(
  { providers, retry }: CheckedSettings,
  open: OpenStore,
  { counts, reconciling, telling }: {
    readonly counts: Map<string, UsageCount>;
    readonly reconciling: Map<string, Reconciling>;
    readonly telling?: () => Promise<Telemetry>;
  },
): ReadonlyMap<string, () => Promise<ObjectStore>> {
  const stores = new Map<string, () => Promise<ObjectStore>>();
  const isReplaced = (name: string) =>
    Object.values(providers).some((each) =>
      each.type === "failover" ? each.primary === name : membersOf(each).includes(name)
    );
  for (const [name, each] of Object.entries(providers)) {
    const opening = async () => {
      if (each.type !== "failover" && each.type !== "mirror") {
        const usage = new UsageCount();
        counts.set(name, usage);
        const telemetry = await telling?.();
        const observed = new ObservedStore(await open(each), { provider: name, usage, telemetry });
        return new RetryingStore(observed, isReplaced(name) ? { ...SOON, ...retry } : retry);
      }
      const members = await Promise.all(
        membersOf(each).map((member) => {
          const { type } = providers[member];
          return openedOrLate({ name: member, provider: type, open: stores.get(member)! });
        }),
      );
      const made = await joined(each, members, providers);
      reconciling.set(name, made);
      return made;
    };
    stores.set(name, once(opening));
  }
  return stores;
}

/** One that cannot be opened now is away, as one that does not answer. */
async function openedOrLate(parts: LateParts): Promise<ObjectStore> {
  try {
    return await parts.open();
  } catch (error) {
    if (error instanceof VaultError && error.kind !== "invalid") return new LateStore(parts);
    throw error;
  }
}

/** One store of several. */
async function joined(
  settings: FailoverSettings | MirrorSettings,
  stores: readonly ObjectStore[],
  providers: CheckedSettings["providers"],
): Promise<ObjectStore & Reconciling> {
  if (settings.type === "failover") {
    const [primary, ...fallbacks] = stores;
    const its = providers[settings.primary];
    const patience = "timeLimitSeconds" in its ? its.timeLimitSeconds : undefined;
    const most = patience === undefined ? undefined : Math.min(patience * 500, FAILOVER_MS_MAX);
    const { choose } = settings;
    return new FailoverStore(primary, fallbacks, {
      now: systemRuntime.now,
      timeLimitMs: most,
      choose,
    });
  }
  const { write = "all", read = "first", timeLimitSeconds } = settings;
  const timeLimitMs = timeLimitSeconds === undefined ? undefined : timeLimitSeconds * 1000;
  const { MirrorStore } = await import("./mirror_store.ts");
  return new MirrorStore(stores, { write, read, timeLimitMs, runtime: systemRuntime });
}

/** What a provider is made of, for people. */
function makingOf(settings: ProviderSettings): string | undefined {
  if (settings.type === "failover") {
    return `${settings.primary}, else ${settings.fallbacks.join(", ")}`;
  }
  if (settings.type !== "mirror") return undefined;
  const { stores, write = "all", read = "first" } = settings;
  return `mirror of ${stores.join(", ")}: write ${write}, read ${read}`;
}

/** Who is told that URLs show something else; nobody where neither application nor settings want it. */
function invalidationsOf(
  { cdn }: CheckedSettings,
  { hooks = {}, purge }: Opening,
  telling?: () => Promise<Telemetry>,
): Invalidations | undefined {
  const wanted = cdn?.enabled === false ? undefined : cdn?.purge;
  const made = wanted && once(() => purge(wanted));
  const invalidate: Invalidate | undefined = hooks.invalidate ??
    (made && (async (urls, options) => await (await made())(urls, options)));
  if (invalidate === undefined) return undefined;
  const warn = (warning: VaultError) => {
    hooks.onWarning?.(warning);
    telling?.().then((telemetry) => telemetry.warned(warning.operation));
  };
  return new Invalidations(invalidate, warn, wanted?.batch ? { batch: wanted.batch } : {});
}

function pricesOf({ providers }: CheckedSettings, name: string): Prices | undefined {
  const settings = providers[name];
  return "prices" in settings ? settings.prices : undefined;
}

/** The same promise for everybody; after a failure the next call tries again. */
function once<T>(open: () => Promise<T>): () => Promise<T> {
  let opened: Promise<T> | null = null;
  return () => {
    return opened ??= open().catch((error) => {
      opened = null;
      throw error;
    });
  };
}

/** Where a provider's objects are to be read: by the CDN before all, else at its own URL, else at that of all. */
function publicUrl({ cdn, providers, baseUrl }: CheckedSettings, name: string): string | null {
  if (cdn !== undefined && cdn.enabled !== false) {
    return cdn.domain.includes("://") ? cdn.domain : `https://${cdn.domain}`;
  }
  return providers[name].url ?? baseUrl ?? null;
}

interface ProviderParts {
  readonly url: string | null;
  readonly made?: string;
  /** Stores over others, by name, where they are open. */
  readonly reconciling: ReadonlyMap<string, Reconciling>;
}

class LazyProvider implements NamedProvider {
  readonly name: string;
  readonly publicUrl: string | null;
  readonly made?: string;
  readonly reconcile?: NamedProvider["reconcile"];
  readonly #open: () => Promise<ObjectStore>;
  #isUsed = false;
  #closed = false;

  constructor(name: string, parts: ProviderParts, open: () => Promise<ObjectStore>) {
    const { url, made, reconciling } = parts;
    this.name = name;
    this.publicUrl = url;
    this.#open = open;
    if (made === undefined) return;
    this.made = made;
    this.reconcile = async (what) => {
      await this.store();
      return await reconciling.get(name)!.reconcile(what);
    };
  }

  async store(): Promise<ObjectStore> {
    if (this.#closed) {
      throw new VaultError("invalid", `Cannot use provider "${this.name}": the storage is closed`, {
        provider: this.name,
      });
    }
    this.#isUsed = true;
    return await this.#open();
  }

  async close(): Promise<void> {
    this.#closed = true;
    const store = this.#isUsed ? await this.#open().catch(() => null) : null;
    await store?.close();
  }
}
