import {
  closingStream,
  type ObjectCall,
  objectError,
  rangeOf,
} from "../../core/storage/object_body.ts";
import type { GetOptions } from "../../core/storage/object_store.ts";
import type { TimeLimit } from "../../core/storage/time_limit.ts";
import { Patience } from "./patience.ts";

/** Bytes on their way from a provider. */
export interface Arriving extends TimeLimit {
  readonly call: ObjectCall;
  readonly chunks: AsyncIterable<Uint8Array>;
  /** Bytes that were announced. */
  readonly length: number;
  /** Gives the connection up. */
  stop(): void;
  /** The error for what the client throws. */
  failure(error: unknown): unknown;
}

/** The bytes as a stream that ends in time: each chunk within the time limit, and neither fewer nor more than announced. */
export function arrivingBody(arriving: Arriving): ReadableStream<Uint8Array> {
  const chunks = arrivingChunks(arriving);
  const close = () => {
    arriving.stop();
    // What it was waiting for has failed by that, and nobody is to hear of it.
    void chunks.return(undefined).catch(() => {});
  };
  return closingStream(chunks, { close, signal: arriving.signal });
}

async function* arrivingChunks(arriving: Arriving): AsyncGenerator<Uint8Array> {
  const { call, chunks, length } = arriving;
  const iterator = chunks[Symbol.asyncIterator]();
  const patience = new Patience(arriving);
  let seen = 0;
  try {
    while (true) {
      const next = await patience.wait(iterator.next()).catch((error) => {
        throw arriving.failure(error);
      });
      if (next.done) break;
      seen += next.value.length;
      if (seen > length) throw objectError("corrupt", call, `more came than ${length} bytes`);
      yield next.value;
    }
  } finally {
    patience.end();
  }
  if (seen < length) throw objectError("unavailable", call, `${seen} of ${length} bytes came`);
}

/** HTTP's `Range` of what was asked for; undefined for all of an object. */
export function rangeHeader(options: GetOptions, call: ObjectCall): string | undefined {
  const { offset, length } = rangeOf(Number.MAX_SAFE_INTEGER, options, call);
  if (offset === 0 && options.length === undefined) return undefined;
  return `bytes=${offset}-${options.length === undefined ? "" : offset + length - 1}`;
}

/** Bytes of the whole object, from HTTP's `Content-Range`. */
export function sizeInRange(contentRange: string | undefined): number | undefined {
  const match = /^bytes \d+-\d+\/(\d+)$/.exec(contentRange ?? "");
  return match === null ? undefined : Number(match[1]);
}
