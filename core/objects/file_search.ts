import { VaultError } from "../errors.ts";
import { type Abortable, listObjects } from "../storage/object_store.ts";
import { inParallel } from "../storage/parallel.ts";
import { isUnavailable } from "../storage/store_failures.ts";
import type { Announced, Catalogue, SearchPage, SearchQuery } from "./catalogue.ts";
import type { CataloguedStore } from "./catalogued_store.ts";
import { checkSearch, placeText } from "./search_page.ts";

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
    checkSearch(query);
    const announced = Map.groupBy(await this.#catalogue.announced(), placeText);
    await inParallel(announced.values(), { atOnce: () => PARALLEL }, (each) => this.#lookAt(each));
    return await this.#catalogue.search(query);
  }

  /** Looks at a file of which something is announced. Who is about to change it settles that himself. */
  async #lookAt(announced: readonly Announced[]): Promise<void> {
    const [{ provider, path }] = announced;
    let store: CataloguedStore | null;
    try {
      store = await this.#storeOf(provider);
      await store?.refresh(path);
    } catch (error) {
      // It stays announced, and is found as it was.
      if (isUnavailable(error)) return;
      throw error;
    }
    if (store === null) return;
    for (const each of announced) {
      const isOver = store.takeLeft(each.id) || each.age > ABANDONED_MS;
      if (isOver) await this.#catalogue.forget(each);
    }
  }

  /** Makes what is known of a provider anew, from what it holds. */
  async reindex(provider: string, options: ReindexOptions = {}): Promise<ReindexReport> {
    const store = await this.#storeOf(provider);
    if (store === null) {
      throw new VaultError("missing", `Cannot reindex "${provider}": there is no such provider`);
    }
    const round = await this.#catalogue.beginReindex(provider);
    let files = 0;
    const listed = listObjects(store, "", options);
    await inParallel(listed, { atOnce: () => PARALLEL }, async ({ path }) => {
      await store.refresh(path);
      files++;
      options.onProgress?.(files, provider);
    });
    return { provider, files, forgotten: await round.end() };
  }

  /** Throws where the catalogue cannot be used now. */
  check(): Promise<void> {
    return this.#catalogue.check();
  }

  /** Closes the catalogue. */
  close(): Promise<void> {
    return this.#catalogue.close();
  }
}
