import type { FileMetadata } from "@google-cloud/storage";
import type { ObjectCall } from "../../core/storage/object_body.ts";
import type { ObjectBody, ObjectInfo, PutOptions } from "../../core/storage/object_store.ts";
import { eitherSignal } from "../../core/storage/time_limit.ts";
import { failure } from "../remote/failure.ts";
import type { Part } from "../remote/parts.ts";
import { uploadBody, type Uploaded } from "../remote/upload.ts";
import {
  ask,
  fileOf,
  type GcsBucket,
  type GcsRequest,
  infoOf,
  metadataInput,
  preconditionOf,
} from "./bucket.ts";

import { googleFailures } from "./failure.ts";
import { SendingParts } from "./sending_parts.ts";

/** Bytes of an object. */
export const OBJECT_BYTES_MAX = 5 * 2 ** 40;
/** A stream has no parts here: what is called one is what is written at once, and never longer than the first. */
const RULES = { partsMax: 10 ** 9, objectBytesMax: OBJECT_BYTES_MAX };

/** Stores a body: as one, where it is short, else as a stream that shows when it has ended. */
export function uploadObject(
  bucket: GcsBucket,
  { call, body, options }: {
    readonly call: ObjectCall;
    readonly body: ObjectBody;
    readonly options: PutOptions;
  },
): Promise<Uploaded<ObjectInfo>> {
  const file = fileOf(bucket, call.path);
  const request = { call, signal: options.signal, condition: options };
  const { contentType, metadata } = metadataInput(options);
  const said = {
    contentType,
    metadata: { contentType, metadata },
    preconditionOpts: preconditionOf(options),
    // Its own check reads everything once more.
    validation: false,
  };
  return uploadBody({
    call,
    body,
    options,
    rules: RULES,
    async whole(bytes) {
      const limits = { ...request, bytes: bytes.length };
      await ask(bucket, limits, () => file.save(bytes, { ...said, resumable: false }));
      return infoOf(call.path, file.metadata);
    },
    async inParts(parts, giveUp) {
      const [session] = await ask(bucket, request, () => file.createResumableUpload(said));
      return infoOf(call.path, await putStream(bucket, { session, request, parts, giveUp }));
    },
  });
}

/**
 * Sends a stream as one request, which stores nothing unless it ends well. Google's client has streams for it, but they
 * cannot be broken off: their request stays open.
 */
async function putStream(
  bucket: GcsBucket,
  { session, request, parts, giveUp }: {
    readonly session: string;
    readonly request: GcsRequest;
    readonly parts: AsyncIterable<Part>;
    readonly giveUp: (error: unknown) => void;
  },
): Promise<FileMetadata> {
  const fail = (error: unknown) => failure(error, request.call, googleFailures, request);
  const sending = new SendingParts(parts, bucket.milliseconds);
  try {
    const answer = await fetch(session, {
      method: "PUT",
      // Its end is not known.
      headers: { "content-range": "bytes 0-*/*" },
      body: ReadableStream.from(sending),
      signal: eitherSignal(sending.signal, request.signal),
    });
    if (answer.ok) return await answer.json();
    await answer.body?.cancel();
    throw { code: answer.status, message: answer.statusText };
  } catch (error) {
    const told = sending.broken === null ? fail(error) : sending.broken.error;
    giveUp(told);
    // What has arrived is dropped now rather than in a week; the failure itself is what is told.
    await ask(bucket, { call: request.call }, () => dropped(session)).catch(() => {});
    throw told;
  } finally {
    sending.end();
  }
}

async function dropped(session: string): Promise<void> {
  const answer = await fetch(session, { method: "DELETE" });
  await answer.body?.cancel();
}
