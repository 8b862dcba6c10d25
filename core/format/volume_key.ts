/**
 * Keys of a volume's tree (RECORDS: volume keys). The type comes first, so that records of one type lie
 * side by side and inodes are dense. Integers are big-endian: the order of bytes is the order of numbers.
 */
import { putU32BE, putU48BE, readU32BE, readU48BE } from "../bytes.ts";

/** First byte of a key. */
export const KEY_TYPE = {
  inode: 1,
  entry: 2,
  extent: 3,
  inline: 4,
  attribute: 5,
  target: 6,
  orphan: 7,
  pending: 8,
  foreign: 9,
} as const;

/** Inode number of the root directory. */
export const ROOT_INO = 1;

/**
 * Inode numbers are counted up to this by what comes in: whoever makes streams, whose numbers are below twice that, cannot use up a
 * receiver's (FORMAT.md §18).
 */
export const OWN_INO_END: number = 2 ** 46;

/** Types whose key is the type and the inode number alone. */
export type NodeKeyType = 1 | 4 | 6 | 7 | 8 | 9;

/** Length of `[type][ino]`. */
export const NODE_KEY_BYTES = 7;
/** Length of `[2][directory][cookie]`. */
export const ENTRY_KEY_BYTES = 14;
/** Length of `[3][ino][first block]`. */
export const EXTENT_KEY_BYTES = 12;
/** Length of `[5][ino][name hash][probe][chunk]`. */
export const ATTRIBUTE_KEY_BYTES = 15;

const TWO_32 = 4294967296;

/** Writes `[type][ino]`. */
export function encodeNodeKey(out: Uint8Array, type: NodeKeyType, ino: number): Uint8Array {
  out[0] = type;
  putU48BE(out, 1, ino);
  return out;
}

/** The same in memory of its own. */
export function nodeKey(type: NodeKeyType, ino: number): Uint8Array {
  return encodeNodeKey(new Uint8Array(NODE_KEY_BYTES), type, ino);
}

/** Writes `[2][directory][cookie]`; a cookie has 56 bits, of which 53 are used. */
export function encodeEntryKey(out: Uint8Array, directory: number, cookie: number): Uint8Array {
  out[0] = KEY_TYPE.entry;
  putU48BE(out, 1, directory);
  const high = Math.floor(cookie / TWO_32);
  out[7] = high >>> 16;
  out[8] = high >>> 8;
  out[9] = high;
  putU32BE(out, 10, cookie);
  return out;
}

/** Writes `[3][ino][block]`. */
export function encodeExtentKey(out: Uint8Array, ino: number, block: number): Uint8Array {
  out[0] = KEY_TYPE.extent;
  putU48BE(out, 1, ino);
  out[7] = Math.floor(block / TWO_32);
  putU32BE(out, 8, block);
  return out;
}

/** Writes `[5][ino][hash][0][0]`; probe and chunk are the last two bytes. */
export function encodeAttributeKey(out: Uint8Array, ino: number, hash: number): Uint8Array {
  out[0] = KEY_TYPE.attribute;
  putU48BE(out, 1, ino);
  putU48BE(out, 7, hash);
  out[13] = 0;
  out[14] = 0;
  return out;
}

/** True where `key` is of this type and belongs to this inode (or directory). */
export function keyBelongsTo(key: Uint8Array, type: number, ino: number): boolean {
  return key.length >= NODE_KEY_BYTES && key[0] === type && readU48BE(key, 1) === ino;
}

/** The inode number of any key. */
export function keyIno(key: Uint8Array): number {
  return readU48BE(key, 1);
}

/** The cookie of an entry's key. */
export function keyCookie(key: Uint8Array): number {
  const high = key[7] << 16 | key[8] << 8 | key[9];
  return high * TWO_32 + readU32BE(key, 10);
}

/** The first block of an extent's key. */
export function keyBlock(key: Uint8Array): number {
  return key[7] * TWO_32 + readU32BE(key, 8);
}

/** The name hash of an attribute's key. */
export function keyHash(key: Uint8Array): number {
  return readU48BE(key, 7);
}
