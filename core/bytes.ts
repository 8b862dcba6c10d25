/** Byte helpers that several layers share. Multi-byte integers are little-endian unless said. */

import { assert } from "./assert.ts";
import { VaultError } from "./errors.ts";
import { KEY_BYTES } from "./limits.ts";

const TAG = Symbol.toStringTag;
const TWO_32 = 4294967296;

/** Bytes of something, one behind another. */
export interface BytesPart {
  readonly from: number;
  readonly length: number;
}

/**
 * Throws `invalid` for what is no `Uint8Array`: text, numbers and arrays of wider elements would be taken for other bytes, or for
 * none. The error names what it is for, and never what it holds.
 */
export function requireBytes(value: unknown, what: string): asserts value is Uint8Array {
  // Of another realm, as test runners have them, it is no instance of ours.
  if (ArrayBuffer.isView(value) && value[TAG as never] === "Uint8Array") return;
  const given = value === null ? "null" : (value as object | undefined)?.constructor?.name;
  throw new VaultError(
    "invalid",
    `Cannot take ${what} of type ${given ?? typeof value}: give its bytes, a Uint8Array`,
  );
}

/** The bytes of text, or the bytes that were given; throws `invalid` for what is neither. */
export function encoded(value: string | Uint8Array, what: string): Uint8Array {
  if (typeof value === "string") return new TextEncoder().encode(value);
  requireBytes(value, what);
  return value;
}

/** Throws `invalid` for what is no key of 32 bytes. */
export function requireKey(value: unknown): asserts value is Uint8Array {
  requireBytes(value, "a key");
  if (value.length === KEY_BYTES) return;
  throw new VaultError("invalid", `Cannot use a key of ${value.length} bytes: want ${KEY_BYTES}`);
}

/** Joins parts into one new array. */
export function concat(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  return joined(parts);
}

/** The same, of parts too many for arguments. */
export function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  let length = 0;
  for (const part of parts) length += part.length;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Compares in lexicographic order: negative, zero or positive. */
export function compare(a: Uint8Array, b: Uint8Array): number {
  const n = Math.min(a.length, b.length);
  for (let i = 0; i < n; i++) {
    const d = a[i] - b[i];
    if (d !== 0) return d;
  }
  return a.length - b.length;
}

/** Compares in time that depends on the lengths only. */
export function equalConstantTime(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let different = 0;
  for (let i = 0; i < a.length; i++) different |= a[i] ^ b[i];
  return different === 0;
}

/** Overwrites secrets. */
export function wipe(...secrets: Uint8Array[]): void {
  for (const secret of secrets) secret.fill(0);
}

/** True where all bytes are zero, as holes of a file read. */
export function isHole(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

/** Reads an unsigned 48-bit little-endian integer. */
export function getU48(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint16(at + 4, true) * TWO_32;
}

/** Writes an unsigned 48-bit little-endian integer. */
export function setU48(view: DataView, at: number, value: number): void {
  view.setUint32(at, value >>> 0, true);
  view.setUint16(at + 4, Math.floor(value / TWO_32), true);
}

/** Reads an unsigned 64-bit little-endian integer that must stay below 2^53; above, NaN. */
export function getU64(view: DataView, at: number): number {
  const high = view.getUint32(at + 4, true);
  return high < 0x200000 ? view.getUint32(at, true) + high * TWO_32 : NaN;
}

/** Writes an unsigned integer below 2^53 as 64-bit little-endian. */
export function setU64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value >>> 0, true);
  view.setUint32(at + 4, Math.floor(value / TWO_32), true);
}

/** Writes a 48-bit big-endian integer: the order of bytes is the order of numbers. */
export function putU48BE(bytes: Uint8Array, at: number, value: number): void {
  const high = Math.floor(value / TWO_32);
  bytes[at] = high >>> 8;
  bytes[at + 1] = high;
  bytes[at + 2] = value >>> 24;
  bytes[at + 3] = value >>> 16;
  bytes[at + 4] = value >>> 8;
  bytes[at + 5] = value;
}

/** Reads a 48-bit big-endian integer. */
export function readU48BE(bytes: Uint8Array, at: number): number {
  return (bytes[at] * 256 + bytes[at + 1]) * TWO_32 +
    ((bytes[at + 2] << 24 | bytes[at + 3] << 16 | bytes[at + 4] << 8 | bytes[at + 5]) >>> 0);
}

/*
 * The same by hand, for what is done for each block: making a DataView takes longer than all that is read through it.
 */

/** Reads an unsigned 16-bit little-endian integer. */
export function readU16(bytes: Uint8Array, at: number): number {
  return bytes[at] | bytes[at + 1] << 8;
}

/** Writes an unsigned 16-bit little-endian integer. */
export function putU16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
}

/** Reads an unsigned 32-bit little-endian integer. */
export function readU32(bytes: Uint8Array, at: number): number {
  return (bytes[at] | bytes[at + 1] << 8 | bytes[at + 2] << 16 | bytes[at + 3] << 24) >>> 0;
}

/** Writes an unsigned 32-bit little-endian integer. */
export function putU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}

/** Reads an unsigned 48-bit little-endian integer. */
export function readU48(bytes: Uint8Array, at: number): number {
  return readU32(bytes, at) + readU16(bytes, at + 4) * TWO_32;
}

/** Writes an unsigned 48-bit little-endian integer. */
export function putU48(bytes: Uint8Array, at: number, value: number): void {
  putU32(bytes, at, value);
  putU16(bytes, at + 4, Math.floor(value / TWO_32));
}

/** Reads an unsigned 64-bit little-endian integer that must stay below 2^53; above, NaN. */
export function readU64(bytes: Uint8Array, at: number): number {
  const high = readU32(bytes, at + 4);
  return high < 0x200000 ? readU32(bytes, at) + high * TWO_32 : NaN;
}

/** Writes an unsigned integer below 2^53 as 64-bit little-endian. */
export function putU64(bytes: Uint8Array, at: number, value: number): void {
  putU32(bytes, at, value);
  putU32(bytes, at + 4, Math.floor(value / TWO_32));
}

/** Bytes of a short copy at most, and of what short copies are parts of. */
const SHORT_BYTES_MAX = 256;
const SHARED_BYTES = 16 * 1024;
let shared = new Uint8Array(SHARED_BYTES);
let sharedUsed = 0;

/**
 * A copy of a few bytes that nobody wipes. It is a part of a larger array: one of its own takes V8 half a microsecond, which is
 * noticed where it is done for each block. So its buffer must not be transferred to another thread.
 */
export function shortCopy(bytes: Uint8Array, from: number, to: number): Uint8Array<ArrayBuffer> {
  const length = to - from;
  assert(length <= SHORT_BYTES_MAX, "a short copy is short");
  if (length > SHARED_BYTES - sharedUsed) {
    shared = new Uint8Array(SHARED_BYTES);
    sharedUsed = 0;
  }
  const start = sharedUsed;
  sharedUsed += length;
  for (let i = 0; i < length; i++) shared[start + i] = bytes[from + i];
  return shared.subarray(start, sharedUsed);
}

/** A DataView over exactly these bytes. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Writes a 32-bit big-endian integer. */
export function putU32BE(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

/** Reads a 32-bit big-endian integer. */
export function readU32BE(bytes: Uint8Array, at: number): number {
  return (bytes[at] << 24 | bytes[at + 1] << 16 | bytes[at + 2] << 8 | bytes[at + 3]) >>> 0;
}

/** Writes an unsigned integer below 2^53 as 64-bit big-endian. */
export function putU64BE(bytes: Uint8Array, at: number, value: number): void {
  putU32BE(bytes, at, Math.floor(value / TWO_32));
  putU32BE(bytes, at + 4, value >>> 0);
}

/** Reads an unsigned 64-bit big-endian integer that must stay below 2^53; above, NaN. */
export function readU64BE(bytes: Uint8Array, at: number): number {
  const high = readU32BE(bytes, at);
  return high < 0x200000 ? high * TWO_32 + readU32BE(bytes, at + 4) : NaN;
}
