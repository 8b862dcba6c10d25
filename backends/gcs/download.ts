import type { ObjectCall } from "../../core/storage/object_body.ts";
import { arrivingBody, partAnswered } from "../remote/body.ts";
import { failure } from "../remote/failure.ts";
import { ask, type GcsBucket } from "./bucket.ts";
import { googleFailures } from "./failure.ts";

/** Part of an object. */
export interface Range {
  /** Of the state that is read. */
  readonly etag: string;
  readonly offset: number;
  /** At least 1. */
  readonly length: number;
  readonly signal?: AbortSignal;
}

/**
 * Opens a part of one state of an object; null where that state is gone. Asked without Google's client, whose streams
 * cannot be ended before an answer and warn of themselves.
 */
export async function openRange(
  bucket: GcsBucket,
  call: ObjectCall,
  { etag, offset, length, signal }: Range,
): Promise<ReadableStream<Uint8Array> | null> {
  const url = new URL(`${bucket.client.storage.baseUrl}/b/${bucket.client.name}/o/`);
  url.pathname += encodeURIComponent(call.path);
  url.search = `${new URLSearchParams({ alt: "media", generation: etag })}`;
  const giving = new AbortController();
  const fail = (error: unknown) => failure(error, call, googleFailures, { signal });
  const stop = () => giving.abort();
  const answer = await ask(bucket, { call, signal }, async () => {
    const headers = await bucket.headersFor(url);
    // Bytes as they are stored, packed or not.
    headers.set("accept-encoding", "gzip");
    headers.set("range", `bytes=${offset}-${offset + length - 1}`);
    return await fetch(url, { headers, signal: giving.signal });
  }).catch((error) => {
    stop();
    throw error;
  });
  if (answer.status === 200 || answer.status === 206) {
    const { milliseconds } = bucket;
    try {
      const said = answer.headers.get("content-length");
      partAnswered(call, { offset, length }, {
        contentRange: answer.headers.get("content-range") ?? undefined,
        length: said === null ? length : Number(said),
      });
    } catch (error) {
      stop();
      throw error;
    }
    const limits = { call, length, milliseconds, signal };
    return arrivingBody({ ...limits, chunks: answer.body!, stop, failure: fail });
  }
  await answer.body?.cancel();
  // Somebody has replaced it.
  if (answer.status === 404) return null;
  throw fail({ code: answer.status, message: answer.statusText });
}
