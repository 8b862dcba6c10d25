import type { BlobGetPropertiesResponse, BlobItem, BlobPrefix } from "@azure/storage-blob";
import type { Readable } from "node:stream";
import { VaultError } from "../../core/errors.ts";
import { type ObjectCall, objectError, rangeOf } from "../../core/storage/object_body.ts";
import { listLimit } from "../../core/storage/object_page.ts";
import { checkDescription } from "../../core/storage/object_path.ts";
import { saidAfter } from "../../core/storage/object_said.ts";
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
  type SignedUrlOptions,
  type StoreCapabilities,
  type WriteCondition,
} from "../../core/storage/object_store.ts";
import { deleteAll } from "../../core/storage/parallel.ts";
import { StoreCalls } from "../../core/storage/store_calls.ts";
import { isMissing, unlessMissing } from "../../core/storage/store_failures.ts";
import { arrivingBody, partAnswered } from "../remote/body.ts";
import { failure } from "../remote/failure.ts";
import { checkedPage } from "../remote/listing.ts";
import { checkExpiry } from "../remote/signed_url.ts";
import { type AzureObjectsConfig, checkAzureConfig } from "./config.ts";
import {
  ask,
  type AzureContainer,
  azureMetadata,
  conditionsOf,
  connectContainer,
  etagOf,
  metadataOf,
} from "./container.ts";
import { azureFailures } from "./failure.ts";
import { signedUrl } from "./signed_url.ts";
import { OBJECT_BYTES_MAX, uploadObject } from "./upload.ts";

/** Between two looks at a copy that is not done at once. */
const COPY_LOOK_MS = 200;

/** What tells of an object, whichever call asked. */
type Told = Pick<
  BlobGetPropertiesResponse,
  "contentLength" | "contentType" | "etag" | "lastModified" | "metadata" | "tagCount"
>;

/**
 * Opens a container of Azure Blob Storage. Nothing is asked of it yet.
 *
 * @example
 * ```ts ignore
 * const store = await openAzureObjects({ container: "letters", account: "someone" });
 * await store.put("2026/one.txt", new TextEncoder().encode("Dear Ada,"));
 * ```
 */
export async function openAzureObjects(config: AzureObjectsConfig): Promise<ObjectStore> {
  checkAzureConfig(config);
  return new AzureObjectStore(await connectContainer(config));
}

class AzureObjectStore implements ObjectStore {
  readonly name: string;
  readonly provider = "azure";
  readonly capabilities: StoreCapabilities = {
    atomicCreate: true,
    atomicMatch: true,
    nested: true,
    signedUrls: true,
    objectBytesMax: OBJECT_BYTES_MAX,
    pathBytesMax: 1024,
    partBytesMax: 1024,
    // Azure makes a slash of it.
    refusedCharacters: "\\",
    metadataBytesMax: 8192,
  };
  readonly #container: AzureContainer;
  readonly #calls = new StoreCalls(this);

  constructor(container: AzureContainer) {
    this.name = container.client.containerName;
    this.#container = container;
  }

  put(path: string, body: ObjectBody, options: PutOptions = {}): Promise<ObjectInfo> {
    return this.#calls.put(path, body, options, async (call) => {
      const upload = { call, body, options };
      const { etag, size, lastModified } = await uploadObject(this.#container, upload);
      return { path, size, etag, lastModified, ...saidAfter(options) };
    });
  }

  async get(path: string, options: GetOptions = {}): Promise<ObjectContent> {
    const call = this.#calls.of("get", path);
    rangeOf(Number.MAX_SAFE_INTEGER, options, call);
    const { offset = 0, match, signal } = options;
    const { milliseconds } = this.#container;
    const condition = { match } as WriteCondition;
    const blob = this.#blob(path);
    const answer = await ask(this.#container, { call, signal, condition }, (abortSignal) => {
      const limits = { abortSignal, conditions: conditionsOf(condition), maxRetryRequests: 0 };
      return blob.download(offset, options.length, limits);
    }).catch((error) => isBehindEmpty(error, options) ? null : Promise.reject(error));
    if (answer === null) return await this.get(path, { match, signal });
    const stream = answer.readableStreamBody as Readable;
    const stop = () => void stream.destroy();
    try {
      const headers = { contentRange: answer.contentRange, length: answer.contentLength };
      const { size, offset, length } = partAnswered(call, options, headers);
      const info = await this.#infoOf(call, answer, { signal });
      const fail = (error: unknown) => failure(error, call, azureFailures, { signal });
      const arriving = { call, chunks: stream, length, stop, failure: fail, milliseconds, signal };
      return {
        info: { ...info, size },
        offset,
        length,
        body: arrivingBody(arriving),
      };
    } catch (error) {
      stop();
      throw error;
    }
  }

  async head(path: string, { signal }: Abortable = {}): Promise<ObjectInfo | null> {
    const call = this.#calls.of("head", path);
    const answer = await this.#propertiesOf(call, { signal });
    return answer && await this.#infoOf(call, answer, { signal });
  }

  async describe(path: string, change: ObjectDescription & Abortable): Promise<ObjectInfo> {
    const call = this.#calls.of("describe", path);
    checkDescription(change, this);
    const { contentType, metadata, tags, signal } = change;
    const request = { call, signal };
    const blob = this.#blob(path);
    const told = await this.#propertiesOf(call, { signal });
    if (told === null) throw objectError("missing", call, "there is no such object");
    let etag = etagOf(told.etag);
    // Each of the two gives it another etag, and obeys the one before.
    const next = () => ({ conditions: conditionsOf({ match: etag }) });
    if (metadata !== undefined) {
      const answer = await ask(
        this.#container,
        request,
        (abortSignal) => blob.setMetadata(azureMetadata(metadata), { ...next(), abortSignal }),
      );
      etag = etagOf(answer.etag);
    }
    if (contentType !== undefined) {
      const headers = headersAfter(told, contentType);
      await ask(
        this.#container,
        request,
        (abortSignal) => blob.setHTTPHeaders(headers, { ...next(), abortSignal }),
      );
    }
    if (tags !== undefined) {
      await ask(
        this.#container,
        request,
        (abortSignal) => blob.setTags({ ...tags }, { abortSignal }),
      );
    }
    const info = await this.head(path, { signal });
    if (info === null) throw objectError("missing", call, "there is no such object");
    return info;
  }

  async delete(
    path: string,
    { match, signal }: Abortable & { readonly match?: string } = {},
  ): Promise<void> {
    const call = this.#calls.of("delete", path);
    const condition = { match } as WriteCondition;
    const conditions = conditionsOf(condition);
    try {
      await ask(
        this.#container,
        { call, signal, condition },
        (abortSignal) =>
          this.#blob(path).delete({ abortSignal, conditions, deleteSnapshots: "include" }),
      );
    } catch (error) {
      if (!isMissing(error) || match !== undefined) throw error;
    }
  }

  async deleteMany(paths: readonly string[], options: Abortable = {}): Promise<void> {
    for (const path of paths) this.#calls.of("delete", path);
    await deleteAll(paths, (path) => this.delete(path, options));
  }

  async list(options: ListOptions = {}): Promise<ListPage> {
    const call = this.#calls.whole("list");
    const { prefix, delimited, cursor, signal } = options;
    const paging = { maxPageSize: listLimit(options, this.provider), continuationToken: cursor };
    const { client } = this.#container;
    const { value } = await ask(this.#container, { call, signal }, (abortSignal) => {
      const limits = { prefix, abortSignal };
      return delimited
        ? client.listBlobsByHierarchy("/", limits).byPage(paging).next()
        : client.listBlobsFlat(limits).byPage(paging).next();
    });
    const { segment, continuationToken } = value;
    const items: BlobItem[] = segment.blobItems;
    const prefixes: BlobPrefix[] = segment.blobPrefixes ?? [];
    const page = {
      objects: items.map(({ name, properties }) => ({
        path: name,
        size: properties.contentLength ?? 0,
        etag: etagOf(properties.etag),
        lastModified: properties.lastModified,
      })),
      prefixes: prefixes.map(({ name }) => name),
      cursor: continuationToken || null,
    };
    return checkedPage(page, options, call);
  }

  async copy(
    from: string,
    to: string,
    options: WriteCondition & Abortable = {},
  ): Promise<ObjectInfo> {
    const call = this.#calls.of("copy", from);
    const target = this.#calls.of("copy to", to);
    const { signal } = options;
    const info = await this.head(from, { signal });
    if (info === null) throw objectError("missing", call, "there is no such object");
    const request = { call: target, signal, condition: options, bytes: info.size };
    await ask(this.#container, request, async (abortSignal) => {
      const copying = await this.#blob(to).beginCopyFromURL(this.#blob(from).url, {
        abortSignal,
        conditions: conditionsOf(options),
        sourceConditions: conditionsOf({ match: info.etag }),
        // Copies have the tags that they are given.
        tags: Object.keys(info.tags).length > 0 ? { ...info.tags } : undefined,
        intervalInMs: COPY_LOOK_MS,
      });
      abortSignal.addEventListener("abort", () => copying.stopPolling(), { once: true });
      await copying.pollUntilDone();
    });
    const copied = await this.head(to, { signal });
    if (copied === null) throw objectError("conflict", target, "it has been deleted meanwhile");
    return copied;
  }

  async signedUrl(path: string, options: SignedUrlOptions): Promise<string> {
    const call = this.#calls.of("sign a URL of", path);
    checkExpiry(options, call);
    return await signedUrl(this.#container, call, options);
  }

  close(): Promise<void> {
    this.#calls.close();
    return Promise.resolve();
  }

  #blob(path: string) {
    return this.#container.client.getBlockBlobClient(path);
  }

  async #propertiesOf(call: ObjectCall, { signal }: Abortable) {
    const ofBlob = (abortSignal: AbortSignal) =>
      this.#blob(call.path).getProperties({ abortSignal });
    return await unlessMissing(() => ask(this.#container, { call, signal }, ofBlob));
  }

  async #infoOf(call: ObjectCall, told: Told, { signal }: Abortable): Promise<ObjectInfo> {
    const tags = told.tagCount
      ? await ask(
        this.#container,
        { call, signal },
        (abortSignal) => this.#blob(call.path).getTags({ abortSignal }),
      )
      : { tags: {} };
    return {
      path: call.path,
      size: told.contentLength ?? 0,
      etag: etagOf(told.etag),
      lastModified: told.lastModified!,
      contentType: told.contentType ?? DEFAULT_CONTENT_TYPE,
      metadata: metadataOf(told.metadata),
      tags: tags.tags,
    };
  }
}

/** An empty object has no first byte. */
function isBehindEmpty(error: unknown, { offset = 0, length }: GetOptions): boolean {
  if (!(error instanceof VaultError) || offset > 0 || length === undefined) return false;
  return (error.cause as Error | undefined)?.name === "InvalidRange";
}

/** All headers are said at once. */
function headersAfter(told: BlobGetPropertiesResponse, contentType: string) {
  return {
    blobContentType: contentType,
    blobCacheControl: told.cacheControl,
    blobContentDisposition: told.contentDisposition,
    blobContentEncoding: told.contentEncoding,
    blobContentLanguage: told.contentLanguage,
    blobContentMD5: told.contentMD5,
  };
}
