import { VaultError } from "../errors.ts";
import { takingBody } from "../storage/object_body.ts";
import type { ObjectStore, StoreCapabilities } from "../storage/object_store.ts";

/** What can be relied on of a store that nobody has seen. */
const UNKNOWN: StoreCapabilities = {
  atomicCreate: false,
  atomicMatch: false,
  nested: true,
  signedUrls: false,
  objectBytesMax: Number.MAX_SAFE_INTEGER,
  pathBytesMax: 1024,
  partBytesMax: 1024,
  metadataBytesMax: 8192,
};

/** What a store that is opened late is known by. */
export interface LateParts {
  /** Name of the provider in the settings. */
  readonly name: string;
  /** Which kind it is. */
  readonly provider: string;
  /** Opens it; after a failure the next call tries again. */
  readonly open: () => Promise<ObjectStore>;
}

/**
 * A store that could not be opened when it was wanted: each call tries again, and is `unavailable` as long as that fails. So what
 * is made of several stores works without one of them from the start.
 */
export class LateStore implements ObjectStore {
  readonly name: string;
  readonly provider: string;
  readonly capabilities = UNKNOWN;
  readonly #open: () => Promise<ObjectStore>;
  #opened: ObjectStore | null = null;
  #isClosed = false;

  /** Nothing is opened yet. */
  constructor({ name, provider, open }: LateParts) {
    this.name = name;
    this.provider = provider;
    this.#open = open;
  }

  async #store(): Promise<ObjectStore> {
    const { provider } = this;
    if (this.#isClosed) {
      throw new VaultError("invalid", `Cannot use "${this.name}": it is closed`, { provider });
    }
    try {
      return this.#opened ??= await this.#open();
    } catch (cause) {
      if (!(cause instanceof VaultError)) throw cause;
      const message = `Cannot reach "${this.name}": ${cause.message}`;
      throw new VaultError("unavailable", message, { provider, cause });
    }
  }

  put: ObjectStore["put"] = (path, body, options) =>
    takingBody(body, async () => await (await this.#store()).put(path, body, options));
  get: ObjectStore["get"] = async (...args) => await (await this.#store()).get(...args);
  head: ObjectStore["head"] = async (...args) => await (await this.#store()).head(...args);
  list: ObjectStore["list"] = async (...args) => await (await this.#store()).list(...args);
  copy: ObjectStore["copy"] = async (...args) => await (await this.#store()).copy(...args);
  delete: ObjectStore["delete"] = async (...args) => await (await this.#store()).delete(...args);
  deleteMany: ObjectStore["deleteMany"] = async (...args) =>
    await (await this.#store()).deleteMany(...args);
  describe: ObjectStore["describe"] = async (...args) =>
    await (await this.#store()).describe(...args);
  signedUrl: ObjectStore["signedUrl"] = async (...args) =>
    await (await this.#store()).signedUrl(...args);

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#opened?.close();
  }
}
