import type { HeadObjectCommandOutput } from "@aws-sdk/client-s3";
import type { Readable } from "node:stream";
import { VaultError } from "../../core/errors.ts";
import { type ObjectCall, objectError } from "../../core/storage/object_body.ts";
import { PathTurns } from "../../core/storage/path_turns.ts";
import { checkDescription, checkObjectPath, isObjectPath } from "../../core/storage/object_path.ts";
import { listLimit } from "../../core/storage/object_page.ts";
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
import { arrivingBody, rangeHeader, sizeInRange } from "../remote/body.ts";
import { failure } from "../remote/failure.ts";
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
  #isClosed = false;

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

  async put(path: string, body: ObjectBody, options: PutOptions = {}): Promise<ObjectInfo> {
    const call = this.#call("put", path);
    checkDescription(options, this);
    const { contentType = DEFAULT_CONTENT_TYPE, metadata = {}, tags = {}, signal } = options;
    const { etag, size, lastModified, isInParts } = await uploadObject(this.#bucket, {
      call,
      body,
      options,
      commit: this.#commit(call, options),
      head: () => this.head(path, { signal }),
    });
    if (isInParts) await this.#sayTagsAgain(call, tags, options);
    return { path, size, etag, lastModified, contentType, metadata, tags };
  }

  async get(path: string, options: GetOptions = {}): Promise<ObjectContent> {
    const call = this.#call("get", path);
    const { sdk, client, milliseconds } = this.#bucket;
    const { match, signal } = options;
    const range = rangeHeader(options, call);
    const input = { ...this.#at(path), ...conditionInput({ match: match! }, match !== undefined) };
    const command = new sdk.GetObjectCommand({ ...input, Range: range });
    const limits = { call, signal, condition: { match } as WriteCondition };
    const answer = await ask(this.#bucket, limits, (it) => client.send(command, it))
      // An empty object has no first byte.
      .catch((error) => this.#isEmpty(error, options) ? null : Promise.reject(error));
    if (answer === null) return await this.get(path, { match, signal });
    const body = answer.Body as Readable;
    const fail = (error: unknown) => failure(error, call, s3Failures, { signal });
    const stop = () => void body.destroy();
    const length = answer.ContentLength!;
    try {
      const info = await this.#infoOf(call, answer, { signal });
      return {
        info: { ...info, size: sizeInRange(answer.ContentRange) ?? length },
        offset: options.offset ?? 0,
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
    const call = this.#call("head", path);
    const answer = await this.#headOf(call, { signal });
    return answer && await this.#infoOf(call, answer, { signal });
  }

  async describe(path: string, change: ObjectDescription & Abortable): Promise<ObjectInfo> {
    const call = this.#call("describe", path);
    checkDescription(change, this);
    const { contentType, metadata, tags, signal } = change;
    const head = await this.#headOf(call, { signal });
    if (head === null) throw objectError("missing", call, "there is no such object");
    const info = await this.#infoOf(call, head, { signal });
    if (contentType === undefined && metadata === undefined) {
      if (tags !== undefined) await this.#sayTags(call, tags, { signal });
      return { ...info, tags: tags ?? info.tags };
    }
    const description = {
      contentType: contentType ?? info.contentType,
      metadata: metadata ?? info.metadata,
      tags: tags ?? info.tags,
    };
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
    const call = this.#call("delete", path);
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
    for (const path of paths) this.#call("delete", path);
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
    const call = this.#call("delete", paths[0]);
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
    const call = this.#openCall("list", this.name);
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
    const objects = (answer.Contents ?? []).map((it) => ({
      path: decoded(it.Key),
      size: it.Size ?? 0,
      etag: etagOf(it.ETag),
      lastModified: it.LastModified!,
    }));
    return {
      // No call could name others: marks of folders, which some programs make.
      objects: objects.filter(({ path }) => isObjectPath(path)),
      prefixes: (answer.CommonPrefixes ?? []).map(({ Prefix }) => decoded(Prefix)),
      cursor: answer.IsTruncated ? answer.NextContinuationToken ?? null : null,
    };
  }

  async copy(
    from: string,
    to: string,
    options: WriteCondition & Abortable = {},
  ): Promise<ObjectInfo> {
    const call = this.#call("copy", from);
    const target = this.#call("copy to", to);
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
    const call = this.#call("sign a URL of", path);
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
    if (!this.#isClosed) this.#bucket.client.destroy();
    this.#isClosed = true;
    return Promise.resolve();
  }

  #openCall(operation: string, path: string): ObjectCall {
    const { provider } = this;
    if (!this.#isClosed) return { provider, operation, path };
    throw new VaultError("invalid", `Cannot ${operation}: "${this.name}" is closed`, { provider });
  }

  #call(operation: string, path: string): ObjectCall {
    const call = this.#openCall(operation, path);
    checkObjectPath(path, this);
    return call;
  }

  #at(path: string) {
    return { Bucket: this.#bucket.name, Key: path };
  }

  async #headOf(call: ObjectCall, { signal }: Abortable): Promise<HeadObjectCommandOutput | null> {
    const { sdk, client } = this.#bucket;
    const command = new sdk.HeadObjectCommand(this.#at(call.path));
    try {
      return await ask(this.#bucket, { call, signal }, (it) => client.send(command, it));
    } catch (error) {
      if (error instanceof VaultError && error.kind === "missing") return null;
      throw error;
    }
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
        if (!isObeyed) await this.#checkCondition(call, condition);
        return await write();
      });
    };
  }

  async #checkCondition(call: ObjectCall, { create, match }: WriteCondition): Promise<void> {
    if (!create && match === undefined) return;
    const head = await this.#headOf(call, {});
    if (create && head !== null) throw objectError("conflict", call, "it is there already");
    if (match !== undefined && match !== etagOf(head?.ETag)) {
      throw objectError("conflict", call, "it has been changed");
    }
  }
}

function decoded(encoded: string | undefined): string {
  return decodeURIComponent((encoded ?? "").replaceAll("+", "%20"));
}
