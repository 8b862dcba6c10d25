import { VaultError } from "../../core/errors.ts";
import {
  collectBody,
  type ObjectCall,
  objectError,
  rangeOf,
  streamOf,
} from "../../core/storage/object_body.ts";
import { checkDescription, checkObjectPath, comparePaths } from "../../core/storage/object_path.ts";
import { pageOf } from "../../core/storage/object_page.ts";
import {
  type Abortable,
  DEFAULT_CONTENT_TYPE,
  type GetOptions,
  type ListOptions,
  type ListPage,
  type ObjectBody,
  type ObjectContent,
  type ObjectDescription,
  type ObjectInfo,
  type ObjectStore,
  type PutOptions,
  type StoreCapabilities,
  type WriteCondition,
} from "../../core/storage/object_store.ts";
import type { MemoryObjectsConfig } from "./config.ts";

interface Held {
  readonly info: ObjectInfo;
  readonly bytes: Uint8Array;
}

/** Objects in memory: for tests, and for what need not stay. */
export class MemoryObjectStore implements ObjectStore {
  readonly name: string;
  readonly provider = "memory";
  readonly capabilities: StoreCapabilities;
  readonly #now: () => number;
  #objects: Map<string, Held> | null = new Map();
  #etags = 0;

  /** An empty store. */
  constructor({ name = "memory:", objectBytesMax = 2 ** 31, now }: MemoryObjectsConfig) {
    this.name = name;
    this.#now = now;
    this.capabilities = {
      atomicCreate: true,
      atomicMatch: true,
      nested: true,
      signedUrls: false,
      objectBytesMax,
      pathBytesMax: 1024,
      partBytesMax: 1024,
      metadataBytesMax: 8192,
    };
  }

  async put(path: string, body: ObjectBody, options: PutOptions = {}): Promise<ObjectInfo> {
    const call = this.#call("put", path);
    checkDescription(options, this);
    this.#checkCondition(call, options);
    const { size, signal } = options;
    const most = this.capabilities.objectBytesMax;
    const bytes = await collectBody(body, { call, size, most, signal });
    // Somebody else may have been there meanwhile.
    this.#checkCondition(call, options);
    return this.#hold(path, bytes, options);
  }

  #hold(
    path: string,
    bytes: Uint8Array,
    { contentType = DEFAULT_CONTENT_TYPE, metadata = {}, tags = {} }: ObjectDescription,
  ): ObjectInfo {
    const info = {
      path,
      size: bytes.length,
      etag: `${++this.#etags}`,
      lastModified: new Date(this.#now()),
      contentType,
      metadata: { ...metadata },
      tags: { ...tags },
    };
    this.#all("put").set(path, { info, bytes });
    return info;
  }

  // deno-lint-ignore require-await
  async get(path: string, options: GetOptions = {}): Promise<ObjectContent> {
    const call = this.#call("get", path);
    options.signal?.throwIfAborted();
    const { info, bytes } = this.#required(call, options.match);
    const { offset, length } = rangeOf(info.size, options, call);
    const part = bytes.slice(offset, offset + length);
    return { info, body: streamOf(length === 0 ? [] : [part]), offset, length };
  }

  // deno-lint-ignore require-await
  async head(path: string, { signal }: Abortable = {}): Promise<ObjectInfo | null> {
    const { operation } = this.#call("head", path);
    signal?.throwIfAborted();
    return this.#all(operation).get(path)?.info ?? null;
  }

  // deno-lint-ignore require-await
  async describe(path: string, change: ObjectDescription & Abortable): Promise<ObjectInfo> {
    const call = this.#call("describe", path);
    checkDescription(change, this);
    change.signal?.throwIfAborted();
    const { info, bytes } = this.#required(call);
    const { contentType = info.contentType, metadata = info.metadata, tags = info.tags } = change;
    const changed = { ...info, contentType, metadata, tags, lastModified: new Date(this.#now()) };
    this.#all("describe").set(path, { info: changed, bytes });
    return changed;
  }

  // deno-lint-ignore require-await
  async delete(
    path: string,
    { match, signal }: Abortable & { readonly match?: string } = {},
  ): Promise<void> {
    const call = this.#call("delete", path);
    signal?.throwIfAborted();
    if (match !== undefined) this.#checkCondition(call, { match });
    this.#all("delete").delete(path);
  }

  async deleteMany(paths: readonly string[], options: Abortable = {}): Promise<void> {
    for (const path of paths) this.#call("delete", path);
    for (const path of paths) await this.delete(path, options);
  }

  async list(options: ListOptions = {}): Promise<ListPage> {
    options.signal?.throwIfAborted();
    const paths = [...this.#all("list").keys()].sort(comparePaths);
    const { objects, ...page } = await pageOf(paths, options, this.provider);
    const all = this.#all("list");
    return { ...page, objects: objects.flatMap((path) => all.get(path)?.info ?? []) };
  }

  // deno-lint-ignore require-await
  async copy(
    from: string,
    to: string,
    options: WriteCondition & Abortable = {},
  ): Promise<ObjectInfo> {
    const call = this.#call("copy", from);
    this.#checkCondition(this.#call("copy to", to), options);
    options.signal?.throwIfAborted();
    const { info, bytes } = this.#required(call);
    return this.#hold(to, bytes, info);
  }

  signedUrl(path: string): Promise<string> {
    const call = this.#call("sign a URL of", path);
    return Promise.reject(objectError("invalid", call, "memory has no URLs"));
  }

  close(): Promise<void> {
    this.#objects = null;
    return Promise.resolve();
  }

  #call(operation: string, path: string): ObjectCall {
    this.#all(operation);
    checkObjectPath(path, this);
    return { provider: this.provider, operation, path };
  }

  #all(operation: string): Map<string, Held> {
    if (this.#objects !== null) return this.#objects;
    const { provider } = this;
    throw new VaultError("invalid", `Cannot ${operation}: "${this.name}" is closed`, { provider });
  }

  #required(call: ObjectCall, match?: string): Held {
    const held = this.#all(call.operation).get(call.path);
    if (held === undefined) throw objectError("missing", call, "there is no such object");
    if (match === undefined || match === held.info.etag) return held;
    throw objectError("conflict", call, "it has been changed");
  }

  #checkCondition(call: ObjectCall, { create, match }: WriteCondition): void {
    const held = this.#all(call.operation).get(call.path);
    if (create && held !== undefined) throw objectError("conflict", call, "it is there already");
    if (match !== undefined && match !== held?.info.etag) {
      throw objectError("conflict", call, "it has been changed");
    }
  }
}
