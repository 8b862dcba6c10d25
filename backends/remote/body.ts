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

/** Which bytes an answer says to bring, by its headers. */
export interface AnswerHeaders {
  readonly contentRange: string | undefined;
  /** `Content-Length`. */
  readonly length: number | undefined;
}

/**
 * The part of an object that was asked for, and the size of the whole. A server may ignore a range (RFC 9110, section 14.2), or answer
 * with another one: then other bytes would be taken for these, so that it counts as `unavailable`.
 */
export function partAnswered(
  call: ObjectCall,
  asked: GetOptions,
  headers: AnswerHeaders,
): { size: number; offset: number; length: number } {
  const { contentRange } = headers;
  const said = /^bytes (\d+)-(\d+)\/(\d+)$/i.exec(contentRange ?? "")?.slice(1).map(Number);
  const length = headers.length ?? (said && said[1] - said[0] + 1);
  const isSaid = contentRange === undefined || said !== undefined;
  if (!isSaid || length === undefined || !Number.isSafeInteger(length)) {
    throw objectError("unavailable", call, "the answer does not say which bytes come, or how many");
  }
  const [first, last, size] = said ?? [0, length - 1, length];
  const part = rangeOf(size, asked, call);
  const isIt = first === part.offset && length === part.length && last - first + 1 === length;
  if (!isIt) throw objectError("unavailable", call, "other bytes came than were asked for");
  return { size, ...part };
}
