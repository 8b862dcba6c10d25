import { getU64, putU64BE, readU64BE, setU64, viewOf } from "../bytes.ts";
import { badCatalog, CATALOG_KEY, inRange } from "./catalog_record.ts";

/** Sessions that the catalog keeps; each opening that writes a root is one. */
export const SESSIONS_MAX = 4096;
/** Bytes of a session's id. */
export const SESSION_ID_BYTES = 16;
const HASH_AT = 32;
const SESSION_BYTES = 64;

/**
 * FORMAT.md §12: one opening for writing, from its first root on. Key: type u8, sequence of that root u64 big-endian. Value:
 *
 * | offset | size | meaning |
 * |---|---|---|
 * | 0 | 8 | number, counted from 1 |
 * | 8 | 8 | sequence of the root that it went on from; 0: none |
 * | 16 | 16 | id, random |
 * | 32 | 32 | hash of that root; zeros: none |
 */
export interface Session {
  /** Sequence of its first root; those up to the next session's base are its own. */
  readonly first: number;
  readonly number: number;
  readonly base: number;
  readonly id: Uint8Array;
  readonly baseHash: Uint8Array;
}

/** Key of the session whose first root has this sequence. */
export function sessionKey(first: number): Uint8Array<ArrayBuffer> {
  const key = new Uint8Array(9);
  key[0] = CATALOG_KEY.session;
  putU64BE(key, 1, first);
  return key;
}

/** Encodes the value. */
export function encodeSession({ number, base, id, baseHash }: Session): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(SESSION_BYTES);
  setU64(viewOf(bytes), 0, number);
  setU64(viewOf(bytes), 8, base);
  bytes.set(id, HASH_AT - SESSION_ID_BYTES);
  bytes.set(baseHash, HASH_AT);
  return bytes;
}

/** Decodes key and value. */
export function decodeSession(key: Uint8Array, value: Uint8Array): Session {
  if (key.length !== 9 || value.length !== SESSION_BYTES) throw badCatalog("session");
  const view = viewOf(value);
  const session = {
    first: inRange(readU64BE(key, 1)),
    number: inRange(getU64(view, 0)),
    base: inRange(getU64(view, 8)),
    id: value.slice(HASH_AT - SESSION_ID_BYTES, HASH_AT),
    baseHash: value.slice(HASH_AT),
  };
  if (session.base >= session.first || session.number === 0) throw badCatalog("session");
  return session;
}
