import { VaultError } from "../errors.ts";
import {
  bodyChunks,
  collectBody,
  putContent,
  streamOf,
  takingBody,
} from "../storage/object_body.ts";
import { checkObjectPath } from "../storage/object_path.ts";
import { tryEach } from "../storage/store_failures.ts";
import type {
  Abortable,
  ListOptions,
  ObjectBody,
  PutOptions,
  WriteCondition,
} from "../storage/object_store.ts";
import type { ImageSettings } from "./settings.ts";
import type { SearchQuery } from "./catalogue.ts";
import type { FileSearch, ReindexOptions, ReindexReport } from "./file_search.ts";
import type { ProviderUsage } from "./usage.ts";
import { CallLines } from "./call_lines.ts";
import { typedBody } from "./content_type.ts";
import {
  type FileInfo,
  fileInfo,
  type NamedProvider,
  publicUrlOf,
  type UploadResult,
} from "./file_info.ts";
import { ImageUploads, type ImageVariant, storeVariants } from "./image_upload.ts";
import type { ImageTransformer } from "./images.ts";
import { type FilePage, mergedPage } from "./merged_listing.ts";
import { wholeHealth } from "./provider_health.ts";
import { type Route, Routing, type RoutingRules } from "./routing.ts";
import {
  type AtProvider,
  bodyOf,
  type DownloadOptions,
  type FileContent,
  type FoundPage,
  type ProviderHealth,
  type UploadData,
  type UploadOptions,
  type UrlOptions,
  type VariantOptions,
} from "./storage_calls.ts";
import { type ByteProgress, watchedBody } from "./watched_body.ts";

/** Of calls with bytes in memory: 1,000 of them at once would take 100 MiB more, and no less time. */
const AT_ONCE = 32;

/** What universal storage is made of. */
export interface ObjectStorageParts {
  /** At least those that the rules name. */
  readonly providers: readonly NamedProvider[];
  /** Which provider a path belongs to. */
  readonly rules: RoutingRules;
  /** Bytes of a file. */
  readonly fileBytesMax?: number;
  /** Calls with bytes in memory that go on at once at each provider; 32 unless given. */
  readonly atOnce?: number;
  /** Opens what transforms images; nothing does unless given. */
  readonly images?: () => Promise<ImageTransformer>;
  /** Of images that are transformed. */
  readonly imageLimits?: ImageSettings;
  /** Opens what is searched; none unless given. */
  readonly search?: () => Promise<FileSearch>;
  /** What has been asked of the providers. */
  readonly usage?: () => readonly ProviderUsage[];
  /** Closes what was opened beside the stores. */
  readonly closing?: () => Promise<void>;
}

/**
 * One storage over many providers: which of them holds a file is decided by rules, not by the program.
 *
 * @example
 * ```ts
 * import { createStorage } from "@sigmavault/sigmavault/storage";
 * import assert from "node:assert/strict";
 *
 * await using storage = await createStorage({
 *   provider: "fast",
 *   providers: { fast: { type: "memory" }, archive: { type: "memory" } },
 *   patterns: [{ match: "*.zip|*.tar.gz", to: "archive" }],
 * });
 * await storage.upload("letters/one.txt", "Dear Ada,", { tags: { to: "Ada" } });
 * assert.equal(await storage.downloadText("letters/one.txt"), "Dear Ada,");
 * assert.equal((await storage.getInfo("letters/one.txt")).contentType, "text/plain; charset=utf-8");
 * assert.equal(storage.explain("all.zip").provider, "archive");
 * ```
 */
export class ObjectStorage {
  readonly #providers: ReadonlyMap<string, NamedProvider>;
  readonly #routing: Routing;
  readonly #fileBytesMax: number | undefined;
  readonly #lines: CallLines;
  readonly #images: ImageUploads | undefined;
  readonly #usage: (() => readonly ProviderUsage[]) | undefined;
  readonly #closing: (() => Promise<void>) | undefined;
  readonly #openSearch: (() => Promise<FileSearch>) | undefined;

  /** Over providers, whose stores it closes. */
  constructor(parts: ObjectStorageParts) {
    const { images, imageLimits } = parts;
    this.#usage = parts.usage;
    this.#openSearch = parts.search;
    this.#closing = parts.closing;
    this.#providers = new Map(parts.providers.map((named) => [named.name, named]));
    this.#routing = new Routing(parts.rules);
    this.#fileBytesMax = parts.fileBytesMax;
    this.#lines = new CallLines(parts.atOnce ?? AT_ONCE);
    this.#images = images && new ImageUploads(images, imageLimits);
  }

  /** Names of all providers. */
  get providers(): readonly string[] {
    return [...this.#providers.keys()];
  }

  /** A provider by name: `missing` where there is none. */
  named(name: string): NamedProvider {
    const named = this.#providers.get(name);
    if (named !== undefined) return named;
    const known = this.providers.map((each) => `"${each}"`).join(", ");
    throw new VaultError("missing", `Cannot find provider "${name}": there are ${known}`);
  }

  /** Where a path belongs, and which rule says so. */
  explain(path: string): Route {
    checkObjectPath(path);
    return this.#routing.routeOf(path);
  }

  #providerOf(path: string, { provider }: AtProvider): NamedProvider {
    checkObjectPath(path);
    return this.named(provider ?? this.#routing.routeOf(path).provider);
  }

  /** Stores a file, in place of one that is there. Its content type is found by name and first bytes unless given. */
  async upload(path: string, data: UploadData, options: UploadOptions = {}): Promise<UploadResult> {
    const { onProgress, provider: _, transforms, ...put } = options;
    const { body: given, size } = bodyOf(data);
    const watched = this.#watched(path, given, onProgress);
    return await takingBody(watched, async () => {
      const named = this.#providerOf(path, options);
      if (transforms !== undefined) {
        const source = { size, ...put };
        const made = await this.#imaging().transformed(path, watched, transforms, source);
        const { contentType } = made;
        const image = this.#watched(path, made.bytes);
        return await this.#put(named, path, image, { ...put, contentType, size: undefined });
      }
      const { body, contentType } = options.contentType === undefined
        ? await typedBody(path, watched, options.signal)
        : { body: watched, contentType: options.contentType };
      return await this.#put(named, path, body, { size, ...put, contentType });
    });
  }

  async #put(
    named: NamedProvider,
    path: string,
    body: ObjectBody,
    options: PutOptions,
  ): Promise<UploadResult> {
    const put = async () => fileInfo(named, await (await named.store()).put(path, body, options));
    return body instanceof Uint8Array
      ? await this.#lines.take(named.name, options, put)
      : await takingBody(body, put);
  }

  #watched(path: string, body: ObjectBody, onProgress?: ByteProgress): ObjectBody {
    return watchedBody(body, { path, most: this.#fileBytesMax, onProgress });
  }

  #imaging(): ImageUploads {
    if (this.#images !== undefined) return this.#images;
    throw new VaultError("invalid", "Cannot transform images: this storage has nothing that does");
  }

  /**
   * Stores variants of an image, by their names; not the image itself. All are made before the first one is stored, so that a
   * bad image stores nothing. They become visible one by one. Where one cannot be stored, those are removed again that were
   * stored where nothing had been; one that replaced an older file stays.
   */
  async uploadVariants<Name extends string>(
    path: string,
    data: UploadData,
    variants: Readonly<Record<Name, ImageVariant>>,
    options: VariantOptions = {},
  ): Promise<Record<Name, UploadResult>> {
    const { onProgress, provider, create, metadata, tags, signal } = options;
    const condition = create === true ? { create } : {};
    const { body, size } = bodyOf(data);
    const watched = this.#watched(path, body, onProgress);
    const source = { size, ...options };
    const images = await takingBody(watched, async () => {
      checkObjectPath(path);
      return await this.#imaging().variants(path, watched, variants, source);
    });
    const said = { ...condition, metadata, tags, signal, provider };
    const stored = await storeVariants(images, {
      exists: (path) => this.exists(path, { provider, signal }),
      put: ({ path, bytes, contentType }) => this.upload(path, bytes, { ...said, contentType }),
      takeBack: ({ path, etag, provider }) => this.deleteState(path, etag, { provider }),
    });
    return stored as Record<Name, UploadResult>;
  }

  /** As {@linkcode upload}, from a stream. */
  uploadStream(
    path: string,
    stream: ReadableStream<Uint8Array>,
    options: UploadOptions = {},
  ): Promise<UploadResult> {
    return this.upload(path, stream, options);
  }

  /** All bytes of a file, or of a part of it. For large files see {@linkcode downloadStream}. */
  async download(path: string, options: DownloadOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
    return await this.#lines.take(this.#providerOf(path, options).name, options, async () => {
      const { body, info, length: size } = await this.downloadStream(path, options);
      const call = { provider: info.provider, operation: "download", path };
      const { signal } = options;
      return await collectBody(body, { call, size, most: Number.MAX_SAFE_INTEGER, signal });
    });
  }

  /** A file as text. */
  async downloadText(path: string, options: DownloadOptions = {}): Promise<string> {
    return new TextDecoder().decode(await this.download(path, options));
  }

  /** A file as a stream, in constant memory. */
  async downloadStream(path: string, options: DownloadOptions = {}): Promise<FileContent> {
    const named = this.#providerOf(path, options);
    const { onProgress, provider: _, ...get } = options;
    const { info, body, length } = await (await named.store()).get(path, get);
    const watched = watchedBody(body, { path, onProgress });
    return { info: fileInfo(named, info), body: streamed(watched), length };
  }

  /** Removes files; those that are not there are no mistake. */
  async delete(
    paths: string | readonly string[],
    options: Abortable & AtProvider = {},
  ): Promise<void> {
    if (typeof paths === "string") {
      const store = await this.#providerOf(paths, options).store();
      return await store.delete(paths, { signal: options.signal });
    }
    const byProvider = Map.groupBy(paths, (path) => this.#providerOf(path, options));
    await tryEach(byProvider, async ([named, mine]) => {
      await (await named.store()).deleteMany(mine, { signal: options.signal });
    });
  }

  /** Removes just this state of a file: `conflict` where it has been changed. */
  async deleteState(
    path: string,
    etag: string,
    options: Abortable & AtProvider = {},
  ): Promise<void> {
    const store = await this.#providerOf(path, options).store();
    await store.delete(path, { match: etag, signal: options.signal });
  }

  /** True where there is such a file. */
  async exists(path: string, options: Abortable & AtProvider = {}): Promise<boolean> {
    const store = await this.#providerOf(path, options).store();
    return await store.head(path, options) !== null;
  }

  /** What is known of a file; `missing` where there is none. */
  async getInfo(path: string, options: Abortable & AtProvider = {}): Promise<FileInfo> {
    const named = this.#providerOf(path, options);
    const info = await (await named.store()).head(path, options);
    if (info !== null) return fileInfo(named, info);
    const why = `provider "${named.name}" has no such file`;
    throw new VaultError("missing", `Cannot find ${JSON.stringify(path)}: ${why}`, {
      provider: named.name,
    });
  }

  /** A URL of a file: signed where it expires, else the public one, if the store has that. */
  async getUrl(path: string, { expires, ...options }: UrlOptions = {}): Promise<string> {
    const named = this.#providerOf(path, options);
    if (expires !== undefined) {
      return await (await named.store()).signedUrl(path, { expiresSeconds: expires });
    }
    const url = publicUrlOf(named, path);
    if (url !== null) return url;
    throw new VaultError(
      "invalid",
      `Cannot give a URL of ${JSON.stringify(path)}: provider "${named.name}" has no public URL; ` +
        `set one, or ask for a signed one that expires`,
      { provider: named.name },
    );
  }

  /** A page of files, of all providers at which the rules put such paths. */
  async list(options: ListOptions & AtProvider = {}): Promise<FilePage> {
    const { provider, prefix = "" } = options;
    const names = provider === undefined
      ? this.#routing.providersBelow(prefix)
      : [this.named(provider).name];
    const providers = names.map((name) => ({
      name,
      list: async (wanted: ListOptions) => await (await this.named(name).store()).list(wanted),
    }));
    return await mergedPage(providers, options, (path) => this.#routing.routeOf(path).provider);
  }

  /** Copies a file, through this machine only where it goes to another provider. */
  async copy(
    from: string,
    to: string,
    options: WriteCondition & Abortable & {
      readonly fromProvider?: string;
      readonly toProvider?: string;
    } = {},
  ): Promise<UploadResult> {
    const { fromProvider, toProvider, ...condition } = options;
    const source = this.#providerOf(from, { provider: fromProvider });
    const target = this.#providerOf(to, { provider: toProvider });
    const store = await target.store();
    if (source === target) return fileInfo(target, await store.copy(from, to, condition));
    const { signal } = options;
    const content = await (await source.store()).get(from, { signal });
    return fileInfo(target, await putContent(store, to, content, condition));
  }

  /** Gives a file another path: a copy, and then, when it is durable, the removal of just the state that was copied. */
  async move(
    from: string,
    to: string,
    { provider, ...options }: WriteCondition & Abortable & AtProvider = {},
  ): Promise<UploadResult> {
    const source = this.#providerOf(from, { provider });
    const before = await this.getInfo(from, { provider });
    if (from === to) return before;
    const both = { fromProvider: provider, toProvider: provider };
    const moved = await this.copy(from, to, { ...options, ...both });
    await (await source.store()).delete(from, { match: before.etag, signal: options.signal });
    return moved;
  }

  /** A page of the files that fit, by the catalogue: `invalid` where the settings name none. */
  async search(query: SearchQuery): Promise<FoundPage> {
    if (query.provider !== undefined) this.named(query.provider);
    const { files, cursor } = await (await this.#searching("search")).search(query);
    const known = files.filter(({ provider }) => this.#providers.has(provider));
    return { files: known.map((file) => fileInfo(this.named(file.provider), file)), cursor };
  }

  /** Makes the catalogue anew from what the providers hold: all of them, or one. */
  async reindex(
    options: ReindexOptions & AtProvider = {},
  ): Promise<readonly ReindexReport[]> {
    const search = await this.#searching("reindex");
    const { provider } = options;
    const names = provider === undefined ? this.providers : [this.named(provider).name];
    const reports: ReindexReport[] = [];
    for (const name of names) reports.push(await search.reindex(name, options));
    return reports;
  }

  async #searching(operation: string): Promise<FileSearch> {
    if (this.#openSearch !== undefined) return await this.#openSearch();
    const why = 'the settings name no catalogue, as "catalogue": {"type": "sqlite", "path": …}';
    throw new VaultError("invalid", `Cannot ${operation}: ${why}`);
  }

  /** Asks every provider, and the catalogue, for as little as they can answer. */
  async health(options: Abortable = {}): Promise<readonly ProviderHealth[]> {
    return await wholeHealth([...this.#providers.values()], this.#openSearch, options);
  }

  /** What has been asked of each provider that was used since this was opened. */
  usage(): readonly ProviderUsage[] {
    return this.#usage?.() ?? [];
  }

  /** Closes all stores. Idempotent. */
  async close(): Promise<void> {
    for (const named of this.#providers.values()) await named.close();
    await this.#closing?.();
  }

  /** Closes it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

function streamed(body: ObjectBody): ReadableStream<Uint8Array> {
  return body instanceof ReadableStream ? body : streamOf(bodyChunks(body));
}
