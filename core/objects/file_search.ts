import { VaultError } from "../errors.ts";
import { systemRuntime } from "../runtime.ts";
import { type Abortable, listObjects } from "../storage/object_store.ts";
import type { Announced, Catalogue, SearchPage, SearchQuery } from "./catalogue.ts";
import type { CataloguedStore } from "./catalogued_store.ts";
import { isUnavailable } from "../storage/store_failures.ts";

/** What others announced so long ago was never finished. */
const ABANDONED_MS = 24 * 3600 * 1000;
/** Files that are asked about at once. */
const PARALLEL = 8;

/** What a reindexing came to. */
export interface ReindexReport {
  /** Name of the provider. */
  readonly provider: string;
  /** Files that it has. */
  readonly files: number;
  /** Files that the catalogue knew and that are not there. */
  readonly forgotten: number;
}

/** How to reindex. */
export interface ReindexOptions extends Abortable {
  /** Told how many files have been looked at. */
  readonly onProgress?: (files: number, provider: string) => void;
}

/** The catalogue of a storage, kept true to what its providers hold. */
export class FileSearch {
  readonly #catalogue: Catalogue;
  readonly #storeOf: (provider: string) => Promise<CataloguedStore | null>;

  /** `storeOf`: the store of a provider; null where there is none of that name. */
  constructor(
    catalogue: Catalogue,
    storeOf: (provider: string) => Promise<CataloguedStore | null>,
  ) {
    this.#catalogue = catalogue;
    this.#storeOf = storeOf;
  }

  /** A page of the files that fit, as they are now. */
  async search(query: SearchQuery): Promise<SearchPage> {
    for (const each of await this.#catalogue.announced()) await this.#lookAt(each);
    return await this.#catalogue.search(query);
  }

  /** Looks at a file whose change was announced. Others may be about to change it: they settle that themselves. */
  async #lookAt({ provider, path, own, since }: Announced): Promise<void> {
    const store = await this.#storeOf(provider);
    if (store === null || (own && store.isChanging(path))) return;
    try {
      await store.refresh(path);
    } catch (error) {
      // It stays announced, and is found as it was.
      if (isUnavailable(error)) return;
      throw error;
    }
    const now = systemRuntime.now();
    if (own) await this.#catalogue.settle({ provider, path });
    else if (since < now - ABANDONED_MS) await this.#catalogue.forgetAnnounced(now - ABANDONED_MS);
  }

  /** Makes what is known of a provider anew, from what it holds. */
  async reindex(provider: string, options: ReindexOptions = {}): Promise<ReindexReport> {
    const store = await this.#storeOf(provider);
    if (store === null) {
      throw new VaultError("missing", `Cannot reindex "${provider}": there is no such provider`);
    }
    const round = await this.#catalogue.beginReindex(provider);
    let files = 0;
    const looks = new Set<Promise<void>>();
    const failures: unknown[] = [];
    for await (const { path } of listObjects(store, "", options)) {
      const look = store.isChanging(path) ? Promise.resolve() : store.refresh(path);
      const ended = look.then(() => {
        files++;
        options.onProgress?.(files, provider);
      })
        .catch((error) => void failures.push(error)).finally(() => looks.delete(ended));
      looks.add(ended);
      if (looks.size >= PARALLEL) await Promise.race(looks);
      if (failures.length > 0) break;
    }
    await Promise.all(looks);
    if (failures.length > 0) throw failures[0];
    return { provider, files, forgotten: await round.end() };
  }

  /** Closes the catalogue. */
  close(): Promise<void> {
    return this.#catalogue.close();
  }
}
