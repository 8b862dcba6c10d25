/**
 * Streams of bytes on their way through several hands: what arrives is watched, counted, taken up again where it stops. Each
 * web stream in between costs more for a chunk of 64 KiB than all that is done with it. So whoever has to read one that was made
 * here reads what lies behind it, and the stream itself is only locked.
 *
 * @module
 */
import { requireBytes } from "../bytes.ts";
import { VaultError } from "../errors.ts";

/** A chunk, or that there are no more. */
export type ChunkRead = ReadableStreamReadResult<Uint8Array>;

/** What gives chunks, one after another. */
export interface ChunkSource {
  /** The next one. Not asked again after the last one, a failure, or `cancel`. */
  next(): Promise<ChunkRead>;
  /** Nobody wants more. */
  cancel(reason: unknown): Promise<unknown>;
}

/** Reads a stream. */
export type BodyReader = Pick<
  ReadableStreamDefaultReader<Uint8Array>,
  "read" | "cancel" | "releaseLock"
>;

const END: ChunkRead = { done: true, value: undefined };
const sources = new WeakMap<ReadableStream<Uint8Array>, Reading>();

/** A stream of what a source gives when it is asked; there is no queue. */
export function chunkStream(source: ChunkSource): ReadableStream<Uint8Array> {
  const reading = new Reading(source);
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await reading.read();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: (reason) => reading.cancel(reason),
  }, { highWaterMark: 0 });
  sources.set(stream, reading);
  return stream;
}

/**
 * A reader of a stream, which it locks. Throws `invalid` where there is no stream, or somebody else reads it; chunks that are no
 * bytes fail as such, too: types alone do not keep them out, and they would be stored as others or as none.
 */
export function readerOf(stream: ReadableStream<Uint8Array>): BodyReader {
  if (!(stream instanceof ReadableStream) || stream.locked) {
    const why = stream instanceof ReadableStream ? "somebody else reads it" : "it is none";
    throw new VaultError("invalid", `Cannot read a stream: ${why}`);
  }
  const lock = stream.getReader();
  const reading = sources.get(stream);
  if (reading === undefined) {
    return {
      read: () => lock.read().then(checked),
      cancel: (reason) => lock.cancel(reason),
      releaseLock: () => lock.releaseLock(),
    };
  }
  return {
    read: () => reading.read(),
    cancel: (reason) => reading.cancel(reason),
    releaseLock: () => lock.releaseLock(),
  };
}

function checked(read: ChunkRead): ChunkRead {
  if (!read.done) requireBytes(read.value, "a chunk of a stream");
  return read;
}

/** A source as a stream's reader sees it: after its end there is only that, and cancelling answers who waits. */
class Reading {
  readonly #source: ChunkSource;
  #isOver = false;
  #failure: { readonly error: unknown } | null = null;
  #answer: ((read: ChunkRead) => void) | null = null;

  constructor(source: ChunkSource) {
    this.#source = source;
  }

  read(): Promise<ChunkRead> {
    if (this.#failure !== null) return Promise.reject(this.#failure.error);
    if (this.#isOver) return Promise.resolve(END);
    return new Promise((resolve, reject) => {
      this.#answer = resolve;
      const answered = (next: ChunkRead) => {
        if (this.#isOver) return;
        if (!next.done) return resolve(next);
        this.#isOver = true;
        resolve(END);
      };
      const failed = (error: unknown) => {
        if (this.#isOver) return;
        this.#isOver = true;
        this.#failure = { error };
        reject(error);
      };
      this.#source.next().then(answered, failed);
    });
  }

  async cancel(reason: unknown): Promise<void> {
    if (this.#failure !== null) throw this.#failure.error;
    if (this.#isOver) return;
    this.#isOver = true;
    this.#answer?.(END);
    await this.#source.cancel(reason);
  }
}
