import type { StreamSeal } from "../crypto/stream_seal.ts";
import { VaultError } from "../errors.ts";
import { FRAME_BYTES, FRAME_PLAIN_BYTES } from "../format/stream_frame.ts";

/** A piece, or frames, without bytes: others may have their turn. */
export const PAUSE: Uint8Array<ArrayBuffer> = new Uint8Array(0);

/** Seals pieces of plaintext into frames. A full frame waits for what follows it, because the last one says that it is. */
export function* sealFrames(
  seal: StreamSeal,
  pieces: Iterable<Uint8Array>,
): Generator<Uint8Array<ArrayBuffer>> {
  let filled = 0;
  for (const piece of pieces) {
    if (piece.length === 0) yield PAUSE;
    for (let at = 0; at < piece.length;) {
      if (filled === FRAME_PLAIN_BYTES) {
        yield seal.seal(filled, false);
        filled = 0;
      }
      const part = piece.subarray(at, at + FRAME_PLAIN_BYTES - filled);
      seal.plaintext.set(part, filled);
      filled += part.length;
      at += part.length;
    }
  }
  yield seal.seal(filled, true);
}

/** What a stream is read from. */
export type StreamBytes = ReadableStream<Uint8Array> | AsyncIterable<Uint8Array>;

/** Exactly so many bytes of a stream, whatever it is cut into on its way. */
export class StreamInput {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array(0);
  /** Bytes read. */
  bytes = 0;

  constructor(bytes: StreamBytes) {
    this.#chunks = bytes[Symbol.asyncIterator]();
  }

  /** Fills `into` as far as the stream goes; returns how far. */
  async read(into: Uint8Array): Promise<number> {
    let filled = 0;
    while (filled < into.length && await this.#more()) {
      const part = this.#rest.subarray(0, into.length - filled);
      into.set(part, filled);
      filled += part.length;
      this.#rest = this.#rest.subarray(part.length);
    }
    this.bytes += filled;
    return filled;
  }

  /** True where nothing follows. */
  async ended(): Promise<boolean> {
    return !await this.#more();
  }

  async #more(): Promise<boolean> {
    while (this.#rest.length === 0) {
      const next = await this.#chunks.next();
      if (next.done === true) return false;
      this.#rest = next.value;
    }
    return true;
  }

  /** Tells whoever writes it that no more is wanted. */
  async cancel(): Promise<void> {
    await this.#chunks.return?.();
  }
}

/** A frame as it was sent. */
export interface ReceivedFrame {
  /** Valid until the next is read. */
  readonly bytes: Uint8Array;
  readonly last: boolean;
}

/** The frames of a stream, each checked against those before it. */
export class FrameReader {
  readonly #input: StreamInput;
  readonly #seal: StreamSeal;
  readonly #frame = new Uint8Array(FRAME_BYTES);

  constructor(input: StreamInput, seal: StreamSeal) {
    this.#input = input;
    this.#seal = seal;
  }

  /** The next frame. Throws where the stream ends before its last one, or was changed. */
  async next(): Promise<ReceivedFrame> {
    const length = await this.#input.read(this.#frame);
    if (length === 0) throw cutShort();
    const bytes = this.#frame.subarray(0, length);
    const isFull = length === FRAME_BYTES;
    const last = !isFull || await this.#input.ended();
    if (this.#seal.check(bytes, last)) return { bytes, last };
    // Cut between two frames: this one counts, and the next call says so.
    if (isFull && last && this.#seal.check(bytes, false)) return { bytes, last: false };
    throw isFull ? changed() : cutOrChanged();
  }
}

/** What a stream that is not what was sent is answered with. */
export function changed(): VaultError {
  return new VaultError("corrupt", "Cannot receive the stream: it was changed on its way");
}

function cutOrChanged(): VaultError {
  return new VaultError(
    "corrupt",
    "Cannot receive the stream: it ends early, or was changed on its way",
  );
}

function cutShort(): VaultError {
  return new VaultError("unavailable", "Cannot receive the stream: it ends early");
}
