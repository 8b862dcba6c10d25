import { setU64, viewOf } from "../bytes.ts";
import { NONCE_BYTES, TAG_BYTES } from "../limits.ts";

/**
 * FORMAT.md §18: how the records of a stream are sealed: salt (32), then frames. A frame is ciphertext, tag (16), check (32).
 * All but the last hold {@linkcode FRAME_PLAIN_BYTES}; the last one holds 1 byte or more. So nothing but the length shows.
 */
export const STREAM_SALT_BYTES = 32;
/** Plaintext of a full frame. */
export const FRAME_PLAIN_BYTES = 65536;
/** Bytes of the running hash behind each frame. */
export const CHECK_BYTES = 32;
/** Bytes of a full frame. */
export const FRAME_BYTES: number = FRAME_PLAIN_BYTES + TAG_BYTES + CHECK_BYTES;
/** Bytes that a frame has beside its plaintext. */
export const FRAME_OVERHEAD: number = TAG_BYTES + CHECK_BYTES;

/** Where a frame stands. */
export interface FramePlace {
  /** Counted from 0. */
  readonly number: number;
  /** The stream ends with it. */
  readonly last: boolean;
}

/**
 * The nonce of a frame: number u64le, 1 where it is the last, zeros. It is never used twice, because every stream has a key of
 * its own: so frames cannot be left out, exchanged or repeated, and a stream cannot end early.
 */
export function frameNonce({ number, last }: FramePlace): Uint8Array<ArrayBuffer> {
  const nonce = new Uint8Array(NONCE_BYTES);
  setU64(viewOf(nonce), 0, number);
  nonce[8] = last ? 1 : 0;
  return nonce;
}
