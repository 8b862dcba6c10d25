import { joined } from "../bytes.ts";
import { VaultError } from "../errors.ts";
import { chunkStream, readerOf } from "./chunk_stream.ts";
import type {
  Abortable,
  ObjectBody,
  ObjectContent,
  ObjectInfo,
  ObjectStore,
  WriteCondition,
} from "./object_store.ts";

/** Bytes that are read at once. */
const READ_BYTES = 256 * 1024;

/** What an operation on an object is, for messages. */
export interface ObjectCall {
  readonly provider: string;
  /** The verb: `"put"`. */
  readonly operation: string;
  readonly path: string;
}

/** `Cannot put "a/b": why`. */
export function objectError(
  kind: VaultError["kind"],
  { provider, operation, path }: ObjectCall,
  why: string,
  cause?: unknown,
): VaultError {
  const message = `Cannot ${operation} ${JSON.stringify(path)}: ${why}`;
  return new VaultError(kind, message, { provider, operation, cause });
}

/** Chunks of a body; it is cancelled where the reading ends early. */
export async function* bodyChunks(
  body: ObjectBody,
  { signal }: Abortable = {},
): AsyncGenerator<Uint8Array> {
  signal?.throwIfAborted();
  if (body instanceof Uint8Array) return yield body;
  const reader = readerOf(body);
  const abort = () => void reader.cancel(signal!.reason).catch(() => {});
  signal?.addEventListener("abort", abort, { once: true });
  let ended = false;
  try {
    while (true) {
      const { done, value } = await reader.read();
      signal?.throwIfAborted();
      ended = done;
      if (done) return;
      yield value;
    }
  } finally {
    signal?.removeEventListener("abort", abort);
    // Of a stream that has ended the lock is of no use to anybody, and giving it back costs more than many chunks.
    if (!ended) {
      await reader.cancel().catch(() => {}); // the reason for giving up is thrown already
      reader.releaseLock();
    }
  }
}

/** Chunks of a body that must have `size` bytes, where that is said, and no more than `most`. */
export async function* sizedChunks(
  body: ObjectBody,
  { call, size, most, ...abortable }: Abortable & {
    readonly call: ObjectCall;
    readonly size?: number;
    readonly most: number;
  },
): AsyncGenerator<Uint8Array> {
  const wanted = (seen: number) =>
    objectError("invalid", call, `its body has ${seen} bytes instead of ${size}`);
  let seen = 0;
  for await (const chunk of bodyChunks(body, abortable)) {
    seen += chunk.length;
    if (size !== undefined && seen > size) throw wanted(seen);
    if (seen > most) throw objectError("invalid", call, `more than ${most} bytes`);
    yield chunk;
  }
  if (size !== undefined && seen < size) throw wanted(seen);
}

/** Bytes that are taken of memory before they come: untouched, they cost nothing. */
const FILLED_BYTES_MAX = 64 * 1024 * 1024;

/** All bytes of a body, in memory. */
export async function collectBody(
  body: ObjectBody,
  options: Parameters<typeof sizedChunks>[1],
): Promise<Uint8Array<ArrayBuffer>> {
  const { size = Infinity } = options;
  if (size > FILLED_BYTES_MAX) return joined(await Array.fromAsync(sizedChunks(body, options)));
  // Each chunk is copied while the processor still has it, and is garbage soon.
  const whole = new Uint8Array(size);
  let at = 0;
  for await (const chunk of sizedChunks(body, options)) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}

/** A stream of these chunks. */
export function streamOf(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): ReadableStream<Uint8Array> {
  return ReadableStream.from(chunks);
}

/** What lies behind a stream. */
export interface Closing extends Abortable {
  /** Gives up what the chunks come from. */
  close(): Promise<unknown> | void;
}

/**
 * A stream of chunks behind which something is to be closed: once, when they end or fail, and where the stream is cancelled
 * or the caller gives up, whether or not any was read. A generator cannot do so: where it has not begun, it does not end.
 */
export function closingStream(
  chunks: AsyncIterator<Uint8Array, unknown>,
  { close, signal }: Closing,
): ReadableStream<Uint8Array> {
  let closing: Promise<void> | undefined;
  const end = () =>
    closing ??= (async () => {
      signal?.removeEventListener("abort", abort);
      await close();
    })();
  const abort = () => void end().catch(() => {}); // whoever gave up knows why
  signal?.addEventListener("abort", abort, { once: true });
  if (signal?.aborted) abort();
  return chunkStream({
    async next() {
      try {
        signal?.throwIfAborted();
        const next = await chunks.next();
        if (!next.done) return { done: false, value: next.value };
      } catch (error) {
        await end().catch(() => {}); // the first failure is the one to tell
        throw error;
      }
      await end();
      return { done: true, value: undefined };
    },
    cancel: end,
  });
}

/** Does what takes a body; where that fails, however early, the body is cancelled. */
export async function takingBody<T>(body: ObjectBody, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    // Whoever has a reader of it cancels it himself.
    const isUnread = body instanceof ReadableStream && !body.locked;
    if (isUnread) await body.cancel(error).catch(() => {}); // the failure is told already
    throw error;
  }
}

/** Stores what was read elsewhere, through this machine, with all that is said of it. */
export function putContent(
  store: ObjectStore,
  path: string,
  { info, body }: Pick<ObjectContent, "info" | "body">,
  options: WriteCondition & Abortable,
): Promise<ObjectInfo> {
  const { size, contentType, metadata, tags } = info;
  return store.put(path, body, { size, contentType, metadata, tags, ...options });
}

/** What happens to the bytes of a stream on their way. */
export interface Passing {
  /** Sees each chunk before it goes on; what it throws ends the stream. */
  chunk(chunk: Uint8Array): void;
  /** The stream has ended well; what it throws is an end that is not. */
  ended?(): void;
  /** The stream failed. */
  failed?(): void;
}

/**
 * The same bytes, seen on their way. Nothing is read before it is asked for, and there are no queues in between: a transform
 * stream costs twice as much for each chunk.
 */
export function passedOn(
  body: ReadableStream<Uint8Array>,
  { chunk, ended, failed }: Passing,
): ReadableStream<Uint8Array> {
  const reader = readerOf(body);
  return chunkStream({
    async next() {
      try {
        const read = await reader.read();
        if (read.done) ended?.();
        else chunk(read.value);
        return read;
      } catch (error) {
        failed?.();
        await reader.cancel(error).catch(() => {}); // it may be the one that failed
        throw error;
      }
    },
    cancel: (reason) => reader.cancel(reason),
  });
}

/** The part of an object that was asked for; `invalid` where it begins behind the end. */
export function rangeOf(
  size: number,
  { offset = 0, length }: { readonly offset?: number; readonly length?: number },
  call: ObjectCall,
): { offset: number; length: number } {
  const isWhole = (value: number) => Number.isSafeInteger(value) && value >= 0;
  if (!isWhole(offset) || (length !== undefined && (!isWhole(length) || length === 0))) {
    throw objectError("invalid", call, "want whole numbers as offset and length");
  }
  if (offset >= size && offset > 0) {
    throw objectError("invalid", call, `offset ${offset} is behind its ${size} bytes`);
  }
  return { offset, length: Math.min(length ?? size, size - offset) };
}

/** Something that is read piece by piece, and closed in the end. */
export interface ReadablePart {
  /** Up to `size` bytes at `offset`; none at the end. */
  read(offset: number, size: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** Which bytes of something to read, and for which call. */
export interface AskedPart extends Abortable {
  readonly call: ObjectCall;
  readonly offset: number;
  readonly length: number;
}

/** The bytes of a part of something; `unavailable` where there are fewer. */
export async function* partChunks(
  part: Pick<ReadablePart, "read">,
  { call, offset, length, signal }: AskedPart,
): AsyncGenerator<Uint8Array> {
  for (let done = 0; done < length;) {
    signal?.throwIfAborted();
    const chunk = await part.read(offset + done, Math.min(READ_BYTES, length - done));
    if (chunk.length === 0) {
      throw objectError("unavailable", call, `${done} of ${length} bytes came`);
    }
    done += chunk.length;
    yield chunk;
  }
}

/** The same as a stream, which closes what it reads from. */
export function partStream(part: ReadablePart, asked: AskedPart): ReadableStream<Uint8Array> {
  const chunks = partChunks(part, asked);
  const close = async () => {
    await chunks.return(undefined); // a read that is under way ends first
    await part.close();
  };
  return closingStream(chunks, { close, signal: asked.signal });
}
