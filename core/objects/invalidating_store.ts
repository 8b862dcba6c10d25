import { VaultError } from "../errors.ts";
import type {
  ListPage,
  ObjectContent,
  ObjectInfo,
  ObjectStore,
  StoreCapabilities,
} from "../storage/object_store.ts";

/** What a call can fail with when it certainly has changed nothing. */
const UNCHANGED: readonly VaultError["kind"][] = ["invalid", "denied", "missing", "conflict"];

/**
 * A store that tells of the paths which may have shown something else before: all that were put, but for those that were only to
 * be created, described or deleted. It tells when a change was acknowledged, or nobody knows whether it happened.
 */
export class InvalidatingStore implements ObjectStore {
  readonly name: string;
  readonly provider: string;
  readonly capabilities: StoreCapabilities;
  readonly #store: ObjectStore;
  readonly #changed: (path: string) => void;

  /** Around a store, which it closes. */
  constructor(store: ObjectStore, changed: (path: string) => void) {
    this.#store = store;
    this.#changed = changed;
    this.name = store.name;
    this.provider = store.provider;
    this.capabilities = store.capabilities;
  }

  async #telling<T>(paths: readonly string[], change: () => Promise<T>): Promise<T> {
    const tell = () => paths.forEach(this.#changed);
    try {
      const done = await change();
      tell();
      return done;
    } catch (error) {
      const isUnchanged = error instanceof VaultError && UNCHANGED.includes(error.kind);
      // Of many, some may have been changed.
      if (!isUnchanged || paths.length > 1) tell();
      throw error;
    }
  }

  put: ObjectStore["put"] = (path, body, options): Promise<ObjectInfo> => {
    const put = () => this.#store.put(path, body, options);
    return this.#telling(options?.create === true ? [] : [path], put);
  };
  describe: ObjectStore["describe"] = (path, change): Promise<ObjectInfo> =>
    this.#telling([path], () => this.#store.describe(path, change));
  delete: ObjectStore["delete"] = (path, options): Promise<void> =>
    this.#telling([path], () => this.#store.delete(path, options));
  deleteMany: ObjectStore["deleteMany"] = (paths, options): Promise<void> =>
    this.#telling(paths, () => this.#store.deleteMany(paths, options));
  copy: ObjectStore["copy"] = (from, to, options): Promise<ObjectInfo> =>
    this.#telling(
      options?.create === true ? [] : [to],
      () => this.#store.copy(from, to, options),
    );
  get: ObjectStore["get"] = (...args): Promise<ObjectContent> => this.#store.get(...args);
  head: ObjectStore["head"] = (...args): Promise<ObjectInfo | null> => this.#store.head(...args);
  list: ObjectStore["list"] = (...args): Promise<ListPage> => this.#store.list(...args);
  signedUrl: ObjectStore["signedUrl"] = (...args): Promise<string> =>
    this.#store.signedUrl(...args);
  close: ObjectStore["close"] = (): Promise<void> => this.#store.close();
}
