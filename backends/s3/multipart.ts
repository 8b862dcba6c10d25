import type * as Sdk from "@aws-sdk/client-s3";
import { createHash } from "node:crypto";
import type { WriteCondition } from "../../core/storage/object_store.ts";
import { inParallel } from "../../core/storage/parallel.ts";
import {
  ask,
  conditionInput,
  etagOf,
  type S3Bucket,
  type S3Request,
  type Written,
  writtenOf,
} from "./bucket.ts";

/** Does what makes a write visible, on its condition; `isObeyed`: the server itself obeys the condition there. */
export type Commit = <T>(isObeyed: boolean, write: () => Promise<T>) => Promise<T>;

/** A part on its way: what its request says beside its content. */
export type PartTarget = Pick<Sdk.UploadPartRequest, "Bucket" | "Key" | "UploadId" | "PartNumber">;

/** An object made of parts. */
export interface MultipartPlan<T> {
  readonly request: S3Request;
  readonly condition: WriteCondition;
  readonly commit: Commit;
  /** What is said of the object. */
  readonly description: Omit<Sdk.CreateMultipartUploadRequest, "Bucket" | "Key">;
  readonly parts: AsyncIterable<T> | Iterable<T>;
  readonly atOnce: (part: T) => number;
  readonly onFailure?: (error: unknown) => void;
  /** Sends a part; resolves with its etag. */
  readonly send: (part: T, target: PartTarget) => Promise<string>;
}

/** Numbers of parts: 1 to this. */
export const PARTS_MAX = 10_000;

/** Makes an object of parts, or leaves nothing behind. */
export async function putParts<T>(bucket: S3Bucket, plan: MultipartPlan<T>): Promise<Written> {
  const { sdk, client } = bucket;
  const { request, description } = plan;
  const at = { Bucket: bucket.name, Key: request.call.path };
  const { UploadId } = await ask(
    bucket,
    request,
    (it) => client.send(new sdk.CreateMultipartUploadCommand({ ...at, ...description }), it),
  );
  try {
    const etags: string[] = [];
    let count = 0;
    await inParallel(plan.parts, plan, async (part) => {
      const PartNumber = ++count;
      etags[PartNumber - 1] = await plan.send(part, { ...at, UploadId, PartNumber });
    });
    return await complete(bucket, plan, { ...at, UploadId }, etags);
  } catch (error) {
    const { call } = request;
    // The failure itself is told; an upload that cannot be dropped now falls to the bucket's own rules.
    await ask(
      bucket,
      { call },
      (it) => client.send(new sdk.AbortMultipartUploadCommand({ ...at, UploadId }), it),
    ).catch(() => {});
    throw error;
  }
}

async function complete<T>(
  bucket: S3Bucket,
  { commit, condition, request }: MultipartPlan<T>,
  upload: Omit<PartTarget, "PartNumber">,
  etags: readonly string[],
): Promise<Written> {
  const isObeyed = bucket.conditions === "everywhere";
  const command = new bucket.sdk.CompleteMultipartUploadCommand({
    ...upload,
    ...conditionInput(condition, isObeyed),
    MultipartUpload: { Parts: etags.map((ETag, i) => ({ ETag, PartNumber: i + 1 })) },
  });
  const answer = await commit(
    isObeyed,
    () => ask(bucket, { ...request, condition }, (it) => bucket.client.send(command, it)),
  );
  // Ceph says none, but has the one that everybody has.
  const written = writtenOf(bucket, answer);
  return { ...written, etag: written.etag || joinedEtag(etags) };
}

function joinedEtag(etags: readonly string[]): string {
  const hash = createHash("md5");
  for (const etag of etags) hash.update(etagOf(etag), "hex");
  return `${hash.digest("hex")}-${etags.length}`;
}
