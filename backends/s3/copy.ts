import type * as Sdk from "@aws-sdk/client-s3";
import { MIB } from "../../core/limits.ts";
import type { ObjectCall } from "../../core/storage/object_body.ts";
import type {
  Abortable,
  ObjectDescription,
  WriteCondition,
} from "../../core/storage/object_store.ts";
import {
  ask,
  conditionInput,
  descriptionInput,
  etagOf,
  type S3Bucket,
  sourceOf,
  type Written,
  writtenOf,
} from "./bucket.ts";
import { type Commit, PARTS_MAX, putParts } from "./multipart.ts";

/** Bytes that one request copies at most; also of a part. */
export const COPY_BYTES_MAX = 5 * 2 ** 30;
/** Bytes of a part of a longer copy, which several requests copy at once. */
const COPY_PART_BYTES = 512 * MIB;
const COPIES_AT_ONCE = 4;

/** What is copied, and what is said of the copy. */
export interface CopyPlan extends Abortable {
  readonly call: ObjectCall;
  readonly from: string;
  readonly to: string;
  readonly head: Sdk.HeadObjectCommandOutput;
  readonly description: Required<ObjectDescription>;
  /** What is said of the copy differs from what is said of the source. */
  readonly isRedescribed: boolean;
  readonly condition: WriteCondition;
  readonly commit: Commit;
}

/** Copies inside the bucket; resolves with what is different there. */
export async function copyObject(bucket: S3Bucket, plan: CopyPlan): Promise<Written> {
  if (plan.head.ContentLength! > COPY_BYTES_MAX) return await copyInParts(bucket, plan);
  const isObeyed = bucket.conditions === "everywhere";
  const { Tagging, ...said } = saidOf(plan);
  const command = new bucket.sdk.CopyObjectCommand({
    Bucket: bucket.name,
    Key: plan.to,
    ...sourceInput(bucket, plan),
    ...plan.isRedescribed && {
      ...said,
      MetadataDirective: "REPLACE",
      TaggingDirective: "REPLACE",
      Tagging: Tagging ?? "",
    },
    ...conditionInput(plan.condition, isObeyed),
  });
  const answer = await plan.commit(
    isObeyed,
    () =>
      ask(
        bucket,
        { ...plan, bytes: plan.head.ContentLength },
        (it) => bucket.client.send(command, it),
      ),
  );
  return writtenOf(bucket, answer.CopyObjectResult ?? {}, answer);
}

/** The same, by several requests for a range each. */
export function copyInParts(
  bucket: S3Bucket,
  plan: CopyPlan,
  bytesOfPart: number = COPY_PART_BYTES,
): Promise<Written> {
  const size = plan.head.ContentLength!;
  const length = Math.max(bytesOfPart, Math.ceil(size / PARTS_MAX));
  return putParts(bucket, {
    request: plan,
    condition: plan.condition,
    commit: plan.commit,
    description: saidOf(plan),
    parts: Array.from({ length: Math.ceil(size / length) }, (_, i) => i * length),
    atOnce: () => COPIES_AT_ONCE,
    send: async (start, target) => {
      const bytes = Math.min(length, size - start);
      const command = new bucket.sdk.UploadPartCopyCommand({
        ...target,
        ...sourceInput(bucket, plan),
        CopySourceRange: `bytes=${start}-${start + bytes - 1}`,
      });
      const answer = await ask(
        bucket,
        { ...plan, bytes },
        (it) => bucket.client.send(command, it),
      );
      return answer.CopyPartResult?.ETag ?? "";
    },
  });
}

/** The source, in the state that was looked at. */
function sourceInput(bucket: S3Bucket, { from, head }: CopyPlan) {
  return { CopySource: sourceOf(bucket, from), CopySourceIfMatch: etagOf(head.ETag) };
}

/** What this contract does not know of stays with the object as well. */
function saidOf({ description, head }: CopyPlan) {
  return {
    ...descriptionInput(description),
    CacheControl: head.CacheControl,
    ContentDisposition: head.ContentDisposition,
    ContentEncoding: head.ContentEncoding,
    ContentLanguage: head.ContentLanguage,
    StorageClass: head.StorageClass,
    WebsiteRedirectLocation: head.WebsiteRedirectLocation,
  };
}
