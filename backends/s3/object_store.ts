import type { HeadObjectCommandOutput } from "@aws-sdk/client-s3";
import type { Readable } from "node:stream";
import { VaultError } from "../../core/errors.ts";
import { type ObjectCall, objectError } from "../../core/storage/object_body.ts";
import { PathTurns } from "../../core/storage/path_turns.ts";
import { checkDescription } from "../../core/storage/object_path.ts";
import { listLimit } from "../../core/storage/object_page.ts";
import { saidAfter } from "../../core/storage/object_said.ts";
import { hasCondition, requireCondition, StoreCalls } from "../../core/storage/store_calls.ts";
import { unlessMissing } from "../../core/storage/store_failures.ts";
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
import { arrivingBody, partAnswered, rangeHeader } from "../remote/body.ts";
import { failure } from "../remote/failure.ts";
import { checkedPage } from "../remote/listing.ts";
import { checkExpiry } from "../remote/signed_url.ts";
import { ask, conditionInput, connectBucket, etagOf, type S3Bucket } from "./bucket.ts";
import { checkS3Config, type S3ObjectsConfig } from "./config.ts";
import { copyObject } from "./copy.ts";
import { s3Failures } from "./failure.ts";
import type { Commit } from "./multipart.ts";
import { OBJECT_BYTES_MAX, uploadObject } from "./upload.ts";

/** Paths that one request deletes. */
const DELETED_AT_ONCE = 1000;

/**
 * Opens a bucket that speaks S3. Nothing is asked of it yet.
 *
 * @example
 * ```ts ignore
 * const store = await openS3Objects({ bucket: "letters", region: "eu-central-1" });
 * await store.put("2026/one.txt", new TextEncoder().encode("Dear Ada,"));
 * ```
 */
export async function openS3Objects(
  config: S3ObjectsConfig,
  provider: string = "s3",
): Promise<ObjectStore> {
  checkS3Config(config, provider);
  return new S3ObjectStore(provider, await connectBucket(config, provider));
}

class S3ObjectStore implements ObjectStore {
  readonly name: string;
  readonly provider: string;
  readonly capabilities: StoreCapabilities;
  readonly #bucket: S3Bucket;
  readonly #turns = new PathTurns();
  readonly #calls = new StoreCalls(this);

  constructor(provider: string, bucket: S3Bucket) {
    this.name = bucket.name;
    this.provider = provider;
    this.#bucket = bucket;
    const isAtomic = bucket.conditions === "everywhere";
    this.capabilities = {
      atomicCreate: isAtomic,
      atomicMatch: isAtomic,
      nested: true,
      signedUrls: true,
      objectBytesMax: OBJECT_BYTES_MAX,
      pathBytesMax: 1024,
      partBytesMax: 1024,
      metadataBytesMax: 2048,
    };
  }

  put(path: string, body: ObjectBody, options: PutOptions = {}): Promise<ObjectInfo> {
    return this.#calls.put(path, body, options, async (call) => {
      const said = saidAfter(options);
      const { etag, size, lastModified, isInParts } = await uploadObject(this.#bucket, {
        call,
        body,
        options,
        commit: this.#commit(call, options),
        head: () => this.head(path, { signal: options.signal }),
      });
      if (isInParts) await this.#sayTagsAgain(call, said.tags, options);
      return { path, size, etag, lastModified, ...said };
    });
  }

  async get(path: string, options: GetOptions = {}): Promise<ObjectContent> {
    const call = this.#calls.of("get", path);
    const { sdk, client, milliseconds } = this.#bucket;
    const { match, signal } = options;
    const range = rangeHeader(options, call);
    const input = { ...this.#at(path), ...conditionInput({ match: match! }, match !== undefined) };
    const command = new sdk.GetObjectCommand({ ...input, Range: range });
    const limits = { call, signal, condition: { match } as WriteCondition };
    const answer = await ask(this.#bucket, limits, (it) => client.send(command, it))
      // An empty object has no first byte.
      .catch((error) => {
        if (range !== undefined && this.#isEmpty(error, options)) return null;
        throw error;
      });
    if (answer === null) return await this.get(path, { match, signal });
    const body = answer.Body as Readable;
    const fail = (error: unknown) => failure(error, call, s3Failures, { signal });
    const stop = () => void body.destroy();
    try {
      const { ContentRange: contentRange, ContentLength } = answer;
      const headers = { contentRange, length: ContentLength };
      const { size, offset, length } = partAnswered(call, options, headers);
      const info = await this.#infoOf(call, answer, { signal });
      return {
        info: { ...info, size },
        offset,
        length,
        body: arrivingBody({
          call,
          chunks: body,
          length,
          stop,
          failure: fail,
          milliseconds,
          signal,
        }),
      };
    } catch (error) {
      stop();
      throw error;
    }
  }

  #isEmpty(error: unknown, { offset = 0 }: GetOptions): boolean {
    if (!(error instanceof VaultError) || offset > 0) return false;
    return (error.cause as Error | undefined)?.name === "InvalidRange";
  }

  async head(path: string, { signal }: Abortable = {}): Promise<ObjectInfo | null> {
    const call = this.#calls.of("head", path);
    const answer = await this.#headOf(call, { signal });
    return answer && await this.#infoOf(call, answer, { signal });
  }

  async describe(path: string, change: ObjectDescription & Abortable): Promise<ObjectInfo> {
    const call = this.#calls.of("describe", path);
    checkDescription(change, this);
    const { contentType, metadata, tags, signal } = change;
    const head = await this.#headOf(call, { signal });
    if (head === null) throw objectError("missing", call, "there is no such object");
    const info = await this.#infoOf(call, head, { signal });
    if (contentType === undefined && metadata === undefined) {
      if (tags !== undefined) await this.#sayTags(call, tags, { signal });
      return { ...info, tags: tags ?? info.tags };
    }
    const description = saidAfter(change, info);
    const condition = { match: info.etag };
    const copied = await copyObject(this.#bucket, {
      call,
      signal,
      from: path,
      to: path,
      head,
      description,
      isRedescribed: true,
      condition,
      commit: this.#commit(call, condition),
    });
    await this.#sayTagsAgain(call, description.tags, { signal });
    return { ...info, ...description, ...copied };
  }

  async delete(
    path: string,
    { match, signal }: Abortable & { readonly match?: string } = {},
  ): Promise<void> {
    const call = this.#calls.of("delete", path);
    const condition = { match } as WriteCondition;
    const isObeyed = this.#bucket.conditions === "everywhere";
    const { sdk, client } = this.#bucket;
    const input = { ...this.#at(path), ...conditionInput(condition, isObeyed) };
    const request = { call, signal, condition };
    await this.#commit(call, condition)(
      isObeyed,
      () => ask(this.#bucket, request, (it) => client.send(new sdk.DeleteObjectCommand(input), it)),
    );
  }

  async deleteMany(paths: readonly string[], { signal }: Abortable = {}): Promise<void> {
    for (const path of paths) this.#calls.of("delete", path);
    let first: unknown;
    for (let at = 0; at < paths.length; at += DELETED_AT_ONCE) {
      const some = paths.slice(at, at + DELETED_AT_ONCE);
      await this.#turns.take(some, () => this.#deleteSome(some, { signal })).catch((error) => {
        first ??= error;
      });
    }
    if (first !== undefined) throw first;
  }

  async #deleteSome(paths: readonly string[], { signal }: Abortable): Promise<void> {
    const { sdk, client, name } = this.#bucket;
    const command = new sdk.DeleteObjectsCommand({
      Bucket: name,
      Delete: { Quiet: true, Objects: paths.map((Key) => ({ Key })) },
    });
    const call = this.#calls.of("delete", paths[0]);
    const { Errors = [] } = await ask(
      this.#bucket,
      { call, signal },
      (it) => client.send(command, it),
    );
    const refused = Errors.find(({ Code }) => Code !== "NoSuchKey");
    if (refused === undefined) return;
    const { Key = paths[0], Code, Message } = refused;
    throw failure({ name: Code, message: Message }, { ...call, path: Key }, s3Failures);
  }

  async list(options: ListOptions = {}): Promise<ListPage> {
    const call = this.#calls.whole("list");
    const { prefix, delimited, cursor, signal } = options;
    const { sdk, client, name } = this.#bucket;
    const command = new sdk.ListObjectsV2Command({
      Bucket: name,
      Prefix: prefix,
      Delimiter: delimited ? "/" : undefined,
      ContinuationToken: cursor,
      MaxKeys: listLimit(options, this.provider),
      // XML has no way to say some characters that others' keys have.
      EncodingType: "url",
    });
    const answer = await ask(this.#bucket, { call, signal }, (it) => client.send(command, it));
    const { IsTruncated, NextContinuationToken: next = null } = answer;
    // What is no listing has nothing of one: a page of a proxy, say, would be taken for an empty one.
    if (IsTruncated === undefined && answer.Name === undefined) {
      throw objectError("unavailable", call, "the answer is no listing");
    }
    if (IsTruncated && next === null) {
      throw objectError("unavailable", call, "its listing does not say where it goes on");
    }
    const text = (said = "") => answer.EncodingType === "url" ? decoded(said, call) : said;
    const page = {
      objects: (answer.Contents ?? []).map((it) => ({
        path: text(it.Key),
        size: it.Size ?? 0,
        etag: etagOf(it.ETag),
        lastModified: it.LastModified!,
      })),
      prefixes: (answer.CommonPrefixes ?? []).map(({ Prefix }) => text(Prefix)),
      cursor: IsTruncated ? next : null,
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
    const head = await this.#headOf(call, { signal });
    if (head === null) throw objectError("missing", call, "there is no such object");
    const info = await this.#infoOf(call, head, { signal });
    const copied = await copyObject(this.#bucket, {
      call: target,
      signal,
      from,
      to,
      head,
      description: info,
      isRedescribed: false,
      condition: options,
      commit: this.#commit(target, options),
    });
    await this.#sayTagsAgain(target, info.tags, { signal });
    return { ...info, path: to, ...copied };
  }

  async signedUrl(path: string, options: SignedUrlOptions): Promise<string> {
    const call = this.#calls.of("sign a URL of", path);
    checkExpiry(options, call);
    const { sdk, client } = this.#bucket;
    const { getSignedUrl } = await import("@aws-sdk/s3-request-presigner");
    const command = options.method === "PUT"
      ? new sdk.PutObjectCommand(this.#at(path))
      : new sdk.GetObjectCommand(this.#at(path));
    const limits = { expiresIn: options.expiresSeconds };
    return await ask(this.#bucket, { call }, () => getSignedUrl(client, command, limits));
  }

  close(): Promise<void> {
    if (this.#calls.close()) this.#bucket.client.destroy();
    return Promise.resolve();
  }

  #at(path: string) {
    return { Bucket: this.#bucket.name, Key: path };
  }

  async #headOf(call: ObjectCall, { signal }: Abortable): Promise<HeadObjectCommandOutput | null> {
    const { sdk, client } = this.#bucket;
    const command = new sdk.HeadObjectCommand(this.#at(call.path));
    return await unlessMissing(() =>
      ask(this.#bucket, { call, signal }, (it) => client.send(command, it))
    );
  }

  async #infoOf(
    call: ObjectCall,
    answer: Omit<HeadObjectCommandOutput, "Body">,
    options: Abortable,
  ): Promise<ObjectInfo> {
    return {
      path: call.path,
      size: answer.ContentLength ?? 0,
      etag: etagOf(answer.ETag),
      lastModified: answer.LastModified!,
      contentType: answer.ContentType ?? DEFAULT_CONTENT_TYPE,
      metadata: answer.Metadata ?? {},
      tags: answer.TagCount ? await this.#tagsOf(call, options) : {},
    };
  }

  async #tagsOf(call: ObjectCall, { signal }: Abortable): Promise<Record<string, string>> {
    const { sdk, client } = this.#bucket;
    const command = new sdk.GetObjectTaggingCommand(this.#at(call.path));
    const { TagSet = [] } = await ask(
      this.#bucket,
      { call, signal },
      (it) => client.send(command, it),
    );
    return Object.fromEntries(TagSet.map(({ Key, Value }) => [Key, Value]));
  }

  async #sayTags(
    call: ObjectCall,
    tags: Readonly<Record<string, string>>,
    { signal }: Abortable,
  ): Promise<void> {
    const { sdk, client } = this.#bucket;
    const TagSet = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
    const command = new sdk.PutObjectTaggingCommand({
      ...this.#at(call.path),
      Tagging: { TagSet },
    });
    await ask(this.#bucket, { call, signal }, (it) => client.send(command, it));
  }

  /** Others' servers lose the tags of copies and of what was made of parts. */
  async #sayTagsAgain(
    call: ObjectCall,
    tags: Readonly<Record<string, string>>,
    options: Abortable,
  ): Promise<void> {
    if (this.#bucket.isAmazon || Object.keys(tags).length === 0) return;
    await this.#sayTags(call, tags, options);
  }

  /** Writes in turns where the server does not obey conditions everywhere; then asks instead of it. */
  #commit(call: ObjectCall, condition: WriteCondition): Commit {
    return async (isObeyed, write) => {
      if (this.#bucket.conditions === "everywhere") return await write();
      return await this.#turns.take([call.path], async () => {
        const isAsked = hasCondition(condition);
        if (!isObeyed && isAsked) {
          const head = await this.#headOf(call, {});
          requireCondition(call, condition, head && { etag: etagOf(head.ETag) });
        }
        return await write();
      });
    };
  }
}

function decoded(encoded: string, call: ObjectCall): string {
  try {
    return decodeURIComponent(encoded.replaceAll("+", "%20"));
  } catch (cause) {
    throw objectError("unavailable", call, "its listing has a name that is no UTF-8", cause);
  }
}
