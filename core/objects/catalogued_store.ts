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
import { checkObjectPath } from "../storage/object_path.ts";
import { isUnavailable, tryEach } from "../storage/store_failures.ts";
import type { Announcement, Catalogue } from "./catalogue.ts";

/** Looks at a file that others keep changing. */
const LOOKS_MAX = 8;

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
  /** What could not be settled. */
  readonly #left = new Set<string>();

  /** Around a store, which it closes. */
  constructor(store: ObjectStore, parts: CataloguedParts) {
    this.#store = store;
    this.#parts = parts;
    this.name = store.name;
    this.provider = store.provider;
    this.capabilities = store.capabilities;
  }

  /** Brings what is noted of a path up to date. */
  async refresh(path: string): Promise<void> {
    const { catalogue, provider } = this.#parts;
    const look = await catalogue.look({ path, provider });
    try {
      await this.#lookAt(look);
    } catch (error) {
      await catalogue.forget(look).catch(() => this.#left.add(look.id));
      throw error;
    }
  }

  /** True once for what this process could not settle: whoever has looked at the path since may forget it. */
  takeLeft(id: string): boolean {
    return this.#left.delete(id);
  }

  /** Looks at what an announced change, which has ended, made of a file. */
  async #lookAfter(change: Announcement): Promise<void> {
    await this.#lookAt(await this.#parts.catalogue.look(change));
  }

  async #lookAt(look: Announcement): Promise<void> {
    const { catalogue, provider } = this.#parts;
    for (let tries = 0; tries < LOOKS_MAX; tries++) {
      if (tries > 0) await catalogue.look(look);
      const info = await this.#store.head(look.path);
      if (await catalogue.settle(look, info && { ...info, provider })) return;
    }
    // It is being changed all the time. Who searches looks again.
    this.#left.add(look.id);
  }

  async #changing<T extends ObjectInfo | void>(path: string, change: () => Promise<T>): Promise<T> {
    checkObjectPath(path, this);
    return await this.#turns.take([path], () => this.#noted(path, change));
  }

  async #noted<T extends ObjectInfo | void>(path: string, change: () => Promise<T>): Promise<T> {
    const { catalogue, provider } = this.#parts;
    const announced = await catalogue.announce({ path, provider });
    let info: T;
    try {
      info = await change();
    } catch (error) {
      // Nobody knows what it did. Where that cannot be seen now either, it stays announced.
      await this.#lookAfter(announced).catch(() => this.#left.add(announced.id));
      throw error;
    }
    const file = info === undefined ? null : { ...info as ObjectInfo, provider };
    try {
      if (!await catalogue.settle(announced, file)) await this.#lookAfter(announced);
    } catch (error) {
      this.#left.add(announced.id);
      // The change was made, and stays announced: a search looks at it.
      if (!isUnavailable(error)) throw error;
    }
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
    await tryEach(paths, (path) => this.delete(path, options));
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
