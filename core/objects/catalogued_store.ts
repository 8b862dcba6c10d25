import type {
  Abortable,
  GetOptions,
  ListOptions,
  ListPage,
  ObjectBody,
  ObjectContent,
  ObjectDescription,
  ObjectInfo,
  ObjectStore,
  PutOptions,
  SignedUrlOptions,
  StoreCapabilities,
  WriteCondition,
} from "../storage/object_store.ts";
import { takingBody } from "../storage/object_body.ts";
import { PathTurns } from "../storage/path_turns.ts";
import { deleteEach } from "../storage/store_failures.ts";
import type { Catalogue, FilePlace } from "./catalogue.ts";

/** Where a store's changes are noted. */
export interface CataloguedParts {
  /** The catalogue. */
  readonly catalogue: Catalogue;
  /** Under which name. */
  readonly provider: string;
}

/** A store whose changes are noted in a catalogue, whatever is cut short. */
export class CataloguedStore implements ObjectStore {
  readonly name: string;
  readonly provider: string;
  readonly capabilities: StoreCapabilities;
  readonly #store: ObjectStore;
  readonly #parts: CataloguedParts;
  /** Changes of the same path follow one another. */
  readonly #turns = new PathTurns();

  /** Around a store, which it closes. */
  constructor(store: ObjectStore, parts: CataloguedParts) {
    this.#store = store;
    this.#parts = parts;
    this.name = store.name;
    this.provider = store.provider;
    this.capabilities = store.capabilities;
  }

  /** True while this process changes a path. */
  isChanging(path: string): boolean {
    return this.#turns.has(path);
  }

  /** Brings what is noted of a path up to date. */
  async refresh(path: string): Promise<void> {
    const { catalogue, provider } = this.#parts;
    const info = await this.#store.head(path);
    if (info === null) await catalogue.remove({ path, provider });
    else await catalogue.put({ ...info, provider });
  }

  #changing<T extends ObjectInfo | void>(path: string, change: () => Promise<T>): Promise<T> {
    return this.#turns.take([path], () => this.#noted(path, change));
  }

  async #noted<T extends ObjectInfo | void>(path: string, change: () => Promise<T>): Promise<T> {
    const { catalogue, provider } = this.#parts;
    const place: FilePlace = { path, provider };
    await catalogue.announce(place);
    let info: T;
    try {
      info = await change();
    } catch (error) {
      // Nobody knows what it did. Where that cannot be seen now either, it stays announced.
      await this.refresh(path).then(() => catalogue.settle(place)).catch(() => {});
      throw error;
    }
    if (await catalogue.isContested(place)) await this.refresh(path);
    else if (info === undefined) await catalogue.remove(place);
    else await catalogue.put({ ...info as ObjectInfo, provider });
    await catalogue.settle(place);
    return info;
  }

  put(path: string, body: ObjectBody, options: PutOptions = {}): Promise<ObjectInfo> {
    const put = () => this.#store.put(path, body, options);
    return takingBody(body, () => this.#changing(path, put));
  }

  async describe(path: string, change: ObjectDescription & Abortable): Promise<ObjectInfo> {
    return await this.#changing(path, () => this.#store.describe(path, change));
  }

  async delete(path: string, options: Abortable & { readonly match?: string } = {}): Promise<void> {
    await this.#changing(path, () => this.#store.delete(path, options));
  }

  async deleteMany(paths: readonly string[], options: Abortable = {}): Promise<void> {
    await deleteEach(paths, (path) => this.delete(path, options));
  }

  async copy(
    from: string,
    to: string,
    options: WriteCondition & Abortable = {},
  ): Promise<ObjectInfo> {
    return await this.#changing(to, () => this.#store.copy(from, to, options));
  }

  get(path: string, options?: GetOptions): Promise<ObjectContent> {
    return this.#store.get(path, options);
  }

  head(path: string, options?: Abortable): Promise<ObjectInfo | null> {
    return this.#store.head(path, options);
  }

  list(options?: ListOptions): Promise<ListPage> {
    return this.#store.list(options);
  }

  signedUrl(path: string, options: SignedUrlOptions): Promise<string> {
    return this.#store.signedUrl(path, options);
  }

  close(): Promise<void> {
    return this.#store.close();
  }
}
