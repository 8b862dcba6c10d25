import { getU64, setU64, viewOf } from "../bytes.ts";
import { VaultError } from "../errors.ts";
import { NONCE_BYTES, TAG_BYTES } from "../limits.ts";
import { SESSION_ID_BYTES } from "./session_record.ts";
import { exactly } from "./exact.ts";

const LAYOUT = 1;
const SESSION_AT = 24;
const HASH_AT = SESSION_AT + SESSION_ID_BYTES;
const PLAINTEXT_BYTES = HASH_AT + 32;
/** The last millisecond that a date can hold. */
const TIME_MAX = 8.64e15;

/** Bytes of what a device keeps for a vault: nonce, ciphertext, tag. */
export const ROOT_MEMORY_BYTES: number = NONCE_BYTES + PLAINTEXT_BYTES + TAG_BYTES;

/** Names a root, and with it everything that led to it. */
export interface RootPoint {
  readonly sequence: number;
  /** Id of the session that wrote it. */
  readonly session: Uint8Array;
  /** Hash of its record. */
  readonly hash: Uint8Array;
}

/**
 * FORMAT.md §17: the newest root that a device has seen. Plaintext:
 *
 * | offset | size | meaning |
 * |---|---|---|
 * | 0 | 4 | layout, u32le: 1 |
 * | 4 | 4 | zero |
 * | 8 | 8 | sequence |
 * | 16 | 8 | when this was noted, milliseconds since 1970 |
 * | 24 | 16 | id of the session that wrote the root |
 * | 40 | 32 | hash of its record |
 */
export interface RememberedRoot extends RootPoint {
  readonly seen: number;
}

/** Encodes the plaintext. */
export function encodeRootMemory(root: RememberedRoot): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(PLAINTEXT_BYTES);
  const view = viewOf(bytes);
  view.setUint32(0, LAYOUT, true);
  setU64(view, 8, root.sequence);
  setU64(view, 16, Math.max(0, Math.min(TIME_MAX, Math.floor(root.seen))));
  bytes.set(root.session, SESSION_AT);
  bytes.set(root.hash, HASH_AT);
  return bytes;
}

/** Decodes the plaintext. */
export function decodeRootMemory(bytes: Uint8Array): RememberedRoot {
  const view = viewOf(bytes);
  if (bytes.length !== PLAINTEXT_BYTES || view.getUint32(0, true) !== LAYOUT) throw bad();
  const [sequence, seen] = [getU64(view, 8), getU64(view, 16)];
  if (Number.isNaN(sequence) || !(seen <= TIME_MAX)) throw bad();
  const root: RememberedRoot = {
    sequence,
    seen,
    session: bytes.slice(SESSION_AT, HASH_AT),
    hash: bytes.slice(HASH_AT),
  };
  return exactly(root, bytes, encodeRootMemory, bad);
}

function bad(): VaultError {
  return new VaultError("corrupt", "Cannot read what this device remembers: unknown layout");
}
