import {
  collectBody,
  type ObjectCall,
  objectError,
  partStream,
  rangeOf,
} from "../../core/storage/object_body.ts";
import { checkDescription, comparePaths } from "../../core/storage/object_path.ts";
import { pageOf } from "../../core/storage/object_page.ts";
import { saidAfter } from "../../core/storage/object_said.ts";
import { requireCondition, StoreCalls } from "../../core/storage/store_calls.ts";
import { tryEach } from "../../core/storage/store_failures.ts";
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
  StoreCapabilities,
  WriteCondition,
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
  readonly #calls = new StoreCalls(this);
  readonly #objects = new Map<string, Held>();
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

  put(path: string, body: ObjectBody, options: PutOptions = {}): Promise<ObjectInfo> {
    return this.#calls.put(path, body, options, async (call) => {
      this.#checkCondition(call, options);
      const { size, signal } = options;
      const most = this.capabilities.objectBytesMax;
      const bytes = await collectBody(body, { call, size, most, signal });
      // Somebody else may have been there meanwhile.
      this.#checkCondition(call, options);
      return this.#hold(path, bytes, options);
    });
  }

  #hold(
    path: string,
    bytes: Uint8Array,
    description: ObjectDescription,
  ): ObjectInfo {
    const info = {
      path,
      size: bytes.length,
      etag: `${++this.#etags}`,
      lastModified: new Date(this.#now()),
      ...saidAfter(description),
    };
    this.#objects.set(path, { info, bytes });
    return info;
  }

  // deno-lint-ignore require-await
  async get(path: string, options: GetOptions = {}): Promise<ObjectContent> {
    const call = this.#calls.of("get", path);
    const { match, signal } = options;
    signal?.throwIfAborted();
    const { info, bytes } = this.#required(call, match);
    const range = rangeOf(info.size, options, call);
    const part = {
      read: (offset: number, size: number) => Promise.resolve(bytes.slice(offset, offset + size)),
      close: () => Promise.resolve(),
    };
    return { info, ...range, body: partStream(part, { call, ...range, signal }) };
  }

  // deno-lint-ignore require-await
  async head(path: string, { signal }: Abortable = {}): Promise<ObjectInfo | null> {
    this.#calls.of("head", path);
    signal?.throwIfAborted();
    return this.#objects.get(path)?.info ?? null;
  }

  // deno-lint-ignore require-await
  async describe(path: string, change: ObjectDescription & Abortable): Promise<ObjectInfo> {
    const call = this.#calls.of("describe", path);
    checkDescription(change, this);
    change.signal?.throwIfAborted();
    const { info, bytes } = this.#required(call);
    const changed = { ...info, ...saidAfter(change, info), lastModified: new Date(this.#now()) };
    this.#objects.set(path, { info: changed, bytes });
    return changed;
  }

  // deno-lint-ignore require-await
  async delete(
    path: string,
    { match, signal }: Abortable & { readonly match?: string } = {},
  ): Promise<void> {
    const call = this.#calls.of("delete", path);
    signal?.throwIfAborted();
    if (match !== undefined) this.#checkCondition(call, { match });
    this.#objects.delete(path);
  }

  async deleteMany(paths: readonly string[], options: Abortable = {}): Promise<void> {
    for (const path of paths) this.#calls.of("delete", path);
    await tryEach(paths, (path) => this.delete(path, options));
  }

  async list(options: ListOptions = {}): Promise<ListPage> {
    this.#calls.whole("list");
    options.signal?.throwIfAborted();
    const paths = [...this.#objects.keys()].sort(comparePaths);
    const { objects, ...page } = await pageOf(paths, options, this.provider);
    return { ...page, objects: objects.flatMap((path) => this.#objects.get(path)?.info ?? []) };
  }

  // deno-lint-ignore require-await
  async copy(
    from: string,
    to: string,
    options: WriteCondition & Abortable = {},
  ): Promise<ObjectInfo> {
    const call = this.#calls.of("copy", from);
    this.#checkCondition(this.#calls.of("copy to", to), options);
    options.signal?.throwIfAborted();
    const { info, bytes } = this.#required(call);
    return this.#hold(to, bytes, info);
  }

  signedUrl(path: string): Promise<string> {
    const call = this.#calls.of("sign a URL of", path);
    return Promise.reject(objectError("invalid", call, "memory has no URLs"));
  }

  close(): Promise<void> {
    if (this.#calls.close()) this.#objects.clear();
    return Promise.resolve();
  }

  #required(call: ObjectCall, match?: string): Held {
    const held = this.#objects.get(call.path);
    if (held === undefined) throw objectError("missing", call, "there is no such object");
    if (match === undefined || match === held.info.etag) return held;
    throw objectError("conflict", call, "it has been changed");
  }

  #checkCondition(call: ObjectCall, condition: WriteCondition): void {
    this.#calls.whole(call.operation); // it may have been closed meanwhile
    requireCondition(call, condition, this.#objects.get(call.path)?.info);
  }
}
