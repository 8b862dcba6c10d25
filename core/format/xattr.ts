import { viewOf } from "../bytes.ts";
import { VaultError } from "../errors.ts";

/** Bytes before the name in the first chunk of an extended attribute (RECORDS: extended attribute). */
export const XATTR_NAME_AT = 6;
/** Value bytes in a chunk: a tree value holds 4,096 bytes, and the first chunk also a name of 255. */
export const XATTR_CHUNK_BYTES = 3800;
/** Longest value of an attribute, as in Linux. */
export const XATTR_VALUE_BYTES_MAX = 65536;
/** Longest name of an attribute, as in Linux. */
export const XATTR_NAME_BYTES_MAX = 255;

/** The first chunk: name, length of the whole value, and the value's first bytes. */
export function encodeXattr(name: Uint8Array, value: Uint8Array): Uint8Array {
  const part = value.subarray(0, XATTR_CHUNK_BYTES);
  const out = new Uint8Array(XATTR_NAME_AT + name.length + part.length);
  viewOf(out).setUint32(0, value.length, true);
  out[4] = name.length;
  out.set(name, XATTR_NAME_AT);
  out.set(part, XATTR_NAME_AT + name.length);
  return out;
}

/** Throws `corrupt` unless these bytes are a first chunk; the other functions here want checked ones. */
export function checkXattr(bytes: Uint8Array): void {
  if (bytes.length <= XATTR_NAME_AT) throw corrupt("too short");
  const length = xattrValueLength(bytes);
  if (length > XATTR_VALUE_BYTES_MAX) throw corrupt("its value is too long");
  if (bytes[4] === 0 || bytes[5] !== 0) throw corrupt("bad name");
  const inside = bytes.length - XATTR_NAME_AT - bytes[4];
  if (inside !== Math.min(length, XATTR_CHUNK_BYTES)) throw corrupt("wrong length");
}

/** Length of the whole value. */
export function xattrValueLength(bytes: Uint8Array): number {
  return viewOf(bytes).getUint32(0, true);
}

/** The name in a first chunk: a view. */
export function xattrName(bytes: Uint8Array): Uint8Array {
  return bytes.subarray(XATTR_NAME_AT, XATTR_NAME_AT + bytes[4]);
}

/** The part of the value that lies in the first chunk: a view. */
export function xattrFirstPart(bytes: Uint8Array): Uint8Array {
  return bytes.subarray(XATTR_NAME_AT + bytes[4]);
}

/** How many chunks a value of this length takes. */
export function xattrChunks(valueLength: number): number {
  return Math.max(1, Math.ceil(valueLength / XATTR_CHUNK_BYTES));
}

function corrupt(why: string): VaultError {
  return new VaultError("corrupt", `Cannot read an extended attribute: ${why}`);
}
