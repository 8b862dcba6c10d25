import type { PutObjectCommandOutput } from "@aws-sdk/client-s3";
import { createHash } from "node:crypto";
import { type ObjectCall, objectError } from "../../core/storage/object_body.ts";
import type { ObjectBody, ObjectInfo, PutOptions } from "../../core/storage/object_store.ts";
import { hasCondition } from "../../core/storage/store_calls.ts";
import { isUnavailable } from "../../core/storage/store_failures.ts";
import { type Part, partsAtOnce } from "../remote/parts.ts";
import { uploadBody, type Uploaded } from "../remote/upload.ts";
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

/** Stores a body: as one, where it has no more bytes than a part, else in parts. */
export function uploadObject(bucket: S3Bucket, upload: Upload): Promise<Uploaded<Written>> {
  const { call, options, commit } = upload;
  const request = { call, signal: options.signal };
  return uploadBody({
    ...upload,
    rules: RULES,
    whole: (bytes) => putWhole(bucket, upload, bytes),
    inParts: (parts, onFailure) =>
      putParts(bucket, {
        request,
        condition: options,
        commit,
        description: descriptionInput(options),
        parts,
        atOnce: ({ bytes }: Part) => partsAtOnce(bytes.length),
        onFailure,
        send: async ({ bytes }, target) => {
          const command = new bucket.sdk.UploadPartCommand({ ...target, Body: bytes });
          const limits = { ...request, bytes: bytes.length };
          const { ETag } = await ask(bucket, limits, (it) => bucket.client.send(command, it));
          return ETag ?? "";
        },
      }),
  });
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
  const { call, options } = upload;
  if (!isUnavailable(error) || !hasCondition(options)) return error;
  const there = await upload.head().catch(() => null);
  // What is there may be what was sent, by an answer that was lost.
  const isOurs = there?.etag === createHash("md5").update(bytes).digest("hex");
  if (there === null || isOurs || there.etag === options.match) return error;
  return objectError("conflict", call, "it has been changed, or is there already", error);
}
