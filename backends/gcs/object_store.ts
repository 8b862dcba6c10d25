import type { File, FileMetadata } from "@google-cloud/storage";
import { type ObjectCall, objectError, rangeOf, streamOf } from "../../core/storage/object_body.ts";
import { listLimit } from "../../core/storage/object_page.ts";
import { checkDescription } from "../../core/storage/object_path.ts";
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
} from "../../core/storage/object_store.ts";
import { deleteAll } from "../../core/storage/parallel.ts";
import { requireCondition, StoreCalls } from "../../core/storage/store_calls.ts";
import { unlessMissing } from "../../core/storage/store_failures.ts";
import { checkedPage } from "../remote/listing.ts";
import { checkExpiry } from "../remote/signed_url.ts";
import {
  ask,
  connectBucket,
  fileOf,
  type GcsBucket,
  infoOf,
  isGeneration,
  metadataInput,
  preconditionOf,
  TAGS_NAME,
} from "./bucket.ts";
import { checkGcsConfig, type GcsObjectsConfig } from "./config.ts";
import { openRange } from "./download.ts";
import { OBJECT_BYTES_MAX, uploadObject } from "./upload.ts";

/** An object that is replaced between two requests is asked for anew; this often. */
const READS_MAX = 5;

/**
 * Opens a bucket of Google Cloud Storage. Nothing is asked of it yet.
 *
 * @example
 * ```ts ignore
 * const store = await openGcsObjects({ bucket: "letters" });
 * await store.put("2026/one.txt", new TextEncoder().encode("Dear Ada,"));
 * ```
 */
export async function openGcsObjects(config: GcsObjectsConfig): Promise<ObjectStore> {
  checkGcsConfig(config);
  return new GcsObjectStore(await connectBucket(config));
}

class GcsObjectStore implements ObjectStore {
  readonly name: string;
  readonly provider = "gcs";
  readonly capabilities: StoreCapabilities = {
    atomicCreate: true,
    atomicMatch: true,
    nested: true,
    signedUrls: true,
    objectBytesMax: OBJECT_BYTES_MAX,
    pathBytesMax: 1024,
    partBytesMax: 1024,
    // Google's 8 KiB, but for the tags.
    metadataBytesMax: 4096,
  };
  readonly #bucket: GcsBucket;
  readonly #calls = new StoreCalls(this);

  constructor(bucket: GcsBucket) {
    this.name = bucket.client.name;
    this.#bucket = bucket;
  }

  put(path: string, body: ObjectBody, options: PutOptions = {}): Promise<ObjectInfo> {
    return this.#calls.put(path, body, options, async (call) => {
      this.#checkTagsName(call, options);
      this.#checkMatch(call, options);
      const { isInParts: _, ...info } = await uploadObject(this.#bucket, { call, body, options });
      return info;
    });
  }

  async get(path: string, options: GetOptions = {}): Promise<ObjectContent> {
    const call = this.#calls.of("get", path);
    rangeOf(Number.MAX_SAFE_INTEGER, options, call);
    for (let left = READS_MAX; left > 0; left--) {
      const content = await this.#getNewest(call, options);
      if (content !== null) return content;
    }
    throw objectError("unavailable", call, "it is replaced faster than it can be read");
  }

  /** Null where the state that was looked at is gone. */
  async #getNewest(call: ObjectCall, options: GetOptions): Promise<ObjectContent | null> {
    const { match, signal } = options;
    const info = await this.#infoOf(call, { signal });
    if (info === null) throw objectError("missing", call, "there is no such object");
    requireCondition(call, { match } as WriteCondition, info);
    const { offset, length } = rangeOf(info.size, options, call);
    if (length === 0) return { info, offset, length, body: streamOf([]) };
    const body = await openRange(this.#bucket, call, { etag: info.etag, offset, length, signal });
    return body && { info, offset, length, body };
  }

  async head(path: string, { signal }: Abortable = {}): Promise<ObjectInfo | null> {
    return await this.#infoOf(this.#calls.of("head", path), { signal });
  }

  async describe(path: string, change: ObjectDescription & Abortable): Promise<ObjectInfo> {
    const call = this.#calls.of("describe", path);
    checkDescription(change, this);
    this.#checkTagsName(call, change);
    const { signal } = change;
    const file = fileOf(this.#bucket, path);
    const info = await this.#infoOf(call, { signal }, file);
    if (info === null) throw objectError("missing", call, "there is no such object");
    const said = metadataInput({
      contentType: change.contentType ?? info.contentType,
      metadata: change.metadata ?? info.metadata,
      tags: change.tags ?? info.tags,
    });
    // What is not said again would stay.
    const gone = Object.keys(file.metadata.metadata ?? {}).map((name) => [name, null]);
    const metadata = { ...Object.fromEntries(gone), ...said.metadata };
    const condition = {
      ...preconditionOf({ match: info.etag }),
      ifMetagenerationMatch: file.metadata.metageneration,
    };
    const [told] = await ask(
      this.#bucket,
      { call, signal, condition: { match: info.etag } },
      () => file.setMetadata({ ...said, metadata }, condition),
    );
    return infoOf(path, told);
  }

  async delete(
    path: string,
    { match, signal }: Abortable & { readonly match?: string } = {},
  ): Promise<void> {
    const call = this.#calls.of("delete", path);
    const condition = { match } as WriteCondition;
    this.#checkMatch(call, condition);
    const remove = () => fileOf(this.#bucket, path).delete(preconditionOf(condition));
    await unlessMissing(() => ask(this.#bucket, { call, signal, condition }, remove));
  }

  async deleteMany(paths: readonly string[], options: Abortable = {}): Promise<void> {
    for (const path of paths) this.#calls.of("delete", path);
    await deleteAll(paths, (path) => this.delete(path, options));
  }

  async list(options: ListOptions = {}): Promise<ListPage> {
    const call = this.#calls.whole("list");
    const { prefix, delimited, cursor, signal } = options;
    const query = {
      prefix,
      delimiter: delimited ? "/" : undefined,
      pageToken: cursor,
      maxResults: listLimit(options, this.provider),
      autoPaginate: false,
    };
    const [files, next, answer] = await ask(
      this.#bucket,
      { call, signal },
      () => this.#bucket.client.getFiles(query),
    );
    const { prefixes = [] } = answer as { prefixes?: string[] };
    const page = {
      objects: files.map(({ name, metadata }) => {
        const { path, size, etag, lastModified } = infoOf(name, metadata);
        return { path, size, etag, lastModified };
      }),
      prefixes,
      cursor: (next as { pageToken?: string } | null)?.pageToken ?? null,
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
    this.#checkMatch(target, options);
    const { signal } = options;
    const info = await this.#infoOf(call, { signal });
    if (info === null) throw objectError("missing", call, "there is no such object");
    const request = { call: target, signal, condition: options, bytes: info.size };
    const [, answer] = await ask(
      this.#bucket,
      request,
      () =>
        fileOf(this.#bucket, from, info.etag).copy(fileOf(this.#bucket, to), {
          preconditionOpts: preconditionOf(options),
        }),
    );
    return infoOf(to, (answer as { resource: FileMetadata }).resource);
  }

  async signedUrl(path: string, options: SignedUrlOptions): Promise<string> {
    const call = this.#calls.of("sign a URL of", path);
    checkExpiry(options, call);
    const action = options.method === "PUT" ? "write" : "read";
    // From the same moment on: the client's own would be a second later now and then.
    const accessibleAt = Date.now();
    const expires = accessibleAt + options.expiresSeconds * 1000;
    const wanted = { version: "v4", action, accessibleAt, expires } as const;
    const sign = () => fileOf(this.#bucket, path).getSignedUrl(wanted);
    const [url] = await ask(this.#bucket, { call }, sign);
    return url;
  }

  close(): Promise<void> {
    this.#calls.close();
    return Promise.resolve();
  }

  #checkTagsName(call: ObjectCall, { metadata = {} }: ObjectDescription): void {
    if (!Object.hasOwn(metadata, TAGS_NAME)) return;
    throw objectError("invalid", call, `metadata "${TAGS_NAME}" is where its tags are`);
  }

  #checkMatch(call: ObjectCall, { match }: WriteCondition): void {
    if (match === undefined || isGeneration(match)) return;
    throw objectError("conflict", call, "it has been changed");
  }

  async #infoOf(
    call: ObjectCall,
    { signal }: Abortable,
    file: File = fileOf(this.#bucket, call.path),
  ): Promise<ObjectInfo | null> {
    return await unlessMissing(async () => {
      const [told] = await ask(this.#bucket, { call, signal }, () => file.getMetadata());
      return infoOf(call.path, told);
    });
  }
}
