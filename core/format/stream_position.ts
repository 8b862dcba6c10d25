import { assert } from "../assert.ts";
import { getU48, setU48 } from "../bytes.ts";
import { viewOf } from "../bytes.ts";
import { VaultError } from "../errors.ts";
import { KEY_BYTES_MAX } from "./node.ts";

const HEAD_BYTES = 6;

/** Bytes of an encoded position at most. */
export const POSITION_BYTES_MAX: number = HEAD_BYTES + KEY_BYTES_MAX;

/**
 * FORMAT.md §18: how far a stream has come: everything before this record of the sender's tree is in it, and of an extent
 * the blocks before `block`. Only the sender reads it: file block u48, then the key.
 */
export interface StreamPosition {
  readonly key: Uint8Array;
  /** File block; 0 where the record is not begun. */
  readonly block: number;
}

/** Where a stream begins. */
export const STREAM_START: StreamPosition = { key: new Uint8Array(0), block: 0 };

/** Encodes a position: empty at the start. */
export function encodePosition({ key, block }: StreamPosition): Uint8Array<ArrayBuffer> {
  assert(key.length <= KEY_BYTES_MAX, "a key has its limit");
  if (key.length === 0) return new Uint8Array(0);
  const bytes = new Uint8Array(HEAD_BYTES + key.length);
  setU48(viewOf(bytes), 0, block);
  bytes.set(key, HEAD_BYTES);
  return bytes;
}

/** Decodes a position. */
export function decodePosition(bytes: Uint8Array): StreamPosition {
  if (bytes.length === 0) return STREAM_START;
  if (bytes.length <= HEAD_BYTES || bytes.length > POSITION_BYTES_MAX) {
    throw new VaultError("invalid", "Cannot read the position in a stream: wrong length");
  }
  return { key: bytes.slice(HEAD_BYTES), block: getU48(viewOf(bytes), 0) };
}
