import type { PutObjectCommandOutput } from "@aws-sdk/client-s3";
import { createHash } from "node:crypto";
import { VaultError } from "../../core/errors.ts";
import { type ObjectCall, objectError, sizedChunks } from "../../core/storage/object_body.ts";
import type { ObjectBody, ObjectInfo, PutOptions } from "../../core/storage/object_store.ts";
import { type Part, partBytes, partsAtOnce, partsOf } from "../remote/parts.ts";
import {
  ask,
  conditionInput,
  descriptionInput,
  type S3Bucket,
  type Written,
  writtenOf,
} from "./bucket.ts";
import { type Commit, PARTS_MAX, putParts } from "./multipart.ts";

/** Bytes of an object. */
export const OBJECT_BYTES_MAX = 5 * 2 ** 40;
const RULES = { partsMax: PARTS_MAX, objectBytesMax: OBJECT_BYTES_MAX };

/** An object on its way in. */
export interface Upload {
  readonly call: ObjectCall;
  readonly body: ObjectBody;
  readonly options: PutOptions;
  readonly commit: Commit;
  /** What is there now; null: nothing. */
  readonly head: () => Promise<ObjectInfo | null>;
}

/** What came of it. */
export type Uploaded = Written & { readonly size: number; readonly isInParts: boolean };

/** Stores a body: as one, where it has no more bytes than a part, else in parts. */
export async function uploadObject(bucket: S3Bucket, upload: Upload): Promise<Uploaded> {
  const { call, body, options } = upload;
  const giving = new AbortController();
  const signals = [giving.signal, ...options.signal ? [options.signal] : []];
  const size = options.size ?? (body instanceof Uint8Array ? body.length : undefined);
  const chunks = sizedChunks(body, {
    call,
    size,
    most: OBJECT_BYTES_MAX,
    signal: AbortSignal.any(signals),
  });
  let sent = 0;
  const counted = async function* () {
    for await (const chunk of chunks) {
      sent += chunk.length;
      yield chunk;
    }
  };
  const parts = partsOf(counted(), (index) => partBytes(index, size, RULES));
  try {
    const first = (await parts.next()).value!;
    const written = first.isLast
      ? await putWhole(bucket, upload, first.bytes)
      : await putStream(bucket, upload, startingWith(first, parts), giving);
    return { ...written, size: sent, isInParts: !first.isLast };
  } finally {
    await parts.return(undefined);
  }
}

function putStream(
  bucket: S3Bucket,
  { call, options, commit }: Upload,
  parts: AsyncIterable<Part>,
  giving: AbortController,
): Promise<Written> {
  const request = { call, signal: options.signal };
  return putParts(bucket, {
    request,
    condition: options,
    commit,
    description: descriptionInput(options),
    parts,
    atOnce: ({ bytes }) => partsAtOnce(bytes.length),
    onFailure: (error) => giving.abort(error),
    send: async ({ bytes }, target) => {
      const command = new bucket.sdk.UploadPartCommand({ ...target, Body: bytes });
      const limits = { ...request, bytes: bytes.length };
      const { ETag } = await ask(bucket, limits, (it) => bucket.client.send(command, it));
      return ETag ?? "";
    },
  });
}

async function* startingWith<T>(first: T, rest: AsyncIterable<T>): AsyncGenerator<T> {
  yield first;
  yield* rest;
}

async function putWhole(bucket: S3Bucket, upload: Upload, bytes: Uint8Array): Promise<Written> {
  const { call, options, commit } = upload;
  const isObeyed = bucket.conditions !== "none";
  const command = new bucket.sdk.PutObjectCommand({
    Bucket: bucket.name,
    Key: call.path,
    Body: bytes,
    ...descriptionInput(options),
    ...conditionInput(options, isObeyed),
  });
  const request = { call, signal: options.signal, bytes: bytes.length, condition: options };
  const put = (): Promise<PutObjectCommandOutput> =>
    ask(bucket, request, (it) => bucket.client.send(command, it));
  try {
    return writtenOf(bucket, await commit(isObeyed, put));
  } catch (error) {
    throw await settled(error, upload, bytes);
  }
}

/** Ceph answers some of those who lose a race with 500: who lost for certain is told of a conflict. */
async function settled(error: unknown, upload: Upload, bytes: Uint8Array): Promise<unknown> {
  const { call, options: { create, match } } = upload;
  const isConditional = create || match !== undefined;
  if (!(error instanceof VaultError) || error.kind !== "unavailable" || !isConditional) {
    return error;
  }
  const there = await upload.head().catch(() => null);
  // What is there may be what was sent, by an answer that was lost.
  const isOurs = there?.etag === createHash("md5").update(bytes).digest("hex");
  if (there === null || isOurs || there.etag === match) return error;
  return objectError("conflict", call, "it has been changed, or is there already", error);
}
