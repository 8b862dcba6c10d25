import type {
  Abortable,
  GetOptions,
  ListedObject,
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
import { StoreCalls } from "../storage/store_calls.ts";

/** The part of a store below a prefix, as a store of its own. Closing it leaves the other open. */
export class PrefixedStore implements ObjectStore {
  readonly name: string;
  readonly provider: string;
  readonly capabilities: StoreCapabilities;
  readonly #store: ObjectStore;
  readonly #prefix: string;
  readonly #calls = new StoreCalls(this);

  /** `prefix` ends with a `/`. */
  constructor(store: ObjectStore, prefix: string) {
    const { capabilities } = store;
    this.name = `${store.name} below ${prefix}`;
    this.provider = store.provider;
    const pathBytesMax = capabilities.pathBytesMax - new TextEncoder().encode(prefix).length;
    this.capabilities = { ...capabilities, pathBytesMax };
    this.#store = store;
    this.#prefix = prefix;
  }

  #inner(operation: string, path: string): string {
    return this.#prefix + this.#calls.of(operation, path).path;
  }

  #outer<T extends ListedObject>(object: T): T {
    return { ...object, path: object.path.slice(this.#prefix.length) };
  }

  put(path: string, body: ObjectBody, options: PutOptions = {}): Promise<ObjectInfo> {
    const put = () => this.#store.put(this.#prefix + path, body, options);
    return this.#calls.put(path, body, options, async () => this.#outer(await put()));
  }

  async get(path: string, options?: GetOptions): Promise<ObjectContent> {
    const content = await this.#store.get(this.#inner("get", path), options);
    return { ...content, info: this.#outer(content.info) };
  }

  async head(path: string, options?: Abortable): Promise<ObjectInfo | null> {
    const info = await this.#store.head(this.#inner("head", path), options);
    return info && this.#outer(info);
  }

  async describe(path: string, change: ObjectDescription & Abortable): Promise<ObjectInfo> {
    return this.#outer(await this.#store.describe(this.#inner("describe", path), change));
  }

  async delete(path: string, options?: Abortable & { readonly match?: string }): Promise<void> {
    await this.#store.delete(this.#inner("delete", path), options);
  }

  async deleteMany(paths: readonly string[], options?: Abortable): Promise<void> {
    await this.#store.deleteMany(paths.map((path) => this.#inner("delete", path)), options);
  }

  async list(options: ListOptions = {}): Promise<ListPage> {
    this.#calls.whole("list");
    const prefix = this.#prefix + (options.prefix ?? "");
    const { objects, prefixes, cursor } = await this.#store.list({ ...options, prefix });
    return {
      objects: objects.map((object) => this.#outer(object)),
      prefixes: prefixes.map((each) => each.slice(this.#prefix.length)),
      cursor,
    };
  }

  async copy(from: string, to: string, options?: WriteCondition & Abortable): Promise<ObjectInfo> {
    return this.#outer(
      await this.#store.copy(this.#inner("copy", from), this.#inner("copy to", to), options),
    );
  }

  async signedUrl(path: string, options: SignedUrlOptions): Promise<string> {
    return await this.#store.signedUrl(this.#inner("sign a URL of", path), options);
  }

  close(): Promise<void> {
    this.#calls.close();
    return Promise.resolve();
  }
}
