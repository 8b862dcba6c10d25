/**
 * What goes over the control socket: frames of a JSON text and byte strings. Secrets are among the byte strings, never in
 * the text, so that every copy of them can be wiped.
 *
 *   u32le length of the text | u32le length of the bytes | text | bytes
 *
 * The text is `{"json": …, "bytes": [[name, length], …]}`.
 *
 * @module
 */
import { concat } from "../../core/bytes.ts";
import { VaultError } from "../../core/errors.ts";
import { KIB } from "../../core/limits.ts";

/** A request or an answer. */
export interface Message {
  readonly json: unknown;
  /** Byte strings by name. */
  readonly bytes: Readonly<Record<string, Uint8Array>>;
}

/** How long a frame may be that is taken. */
export interface FrameLimits {
  readonly textBytesMax: number;
  readonly bytesMax: number;
}

/** Requests are small: options, secrets of 64 KiB, a header backup of 180 KiB. */
export const REQUEST_LIMITS: FrameLimits = { textBytesMax: 64 * KIB, bytesMax: 512 * KIB };
/** Answers may list many things. */
export const ANSWER_LIMITS: FrameLimits = { textBytesMax: 64 * 1024 * KIB, bytesMax: 512 * KIB };

const HEAD_BYTES = 8;
const NAME = /^[A-Za-z]{1,32}$/;

/** A stream of bytes in both directions. */
export type Connection = Pick<Deno.Conn, "read" | "write">;

/** The frame of a message, which holds copies of its bytes. */
export function encodeFrame({ json, bytes }: Message): Uint8Array<ArrayBuffer> {
  const parts = Object.values(bytes);
  const lengths = Object.entries(bytes).map(([name, { length }]) => [name, length]);
  const text = new TextEncoder().encode(JSON.stringify({ json, bytes: lengths }));
  const head = new Uint8Array(HEAD_BYTES);
  const view = new DataView(head.buffer);
  view.setUint32(0, text.length, true);
  view.setUint32(4, parts.reduce((sum, { length }) => sum + length, 0), true);
  return concat(head, text, ...parts);
}

/** The message of a frame without its head; its byte strings are copies. */
export function decodeFrame(text: Uint8Array, bytes: Uint8Array): Message {
  const { json, lengths } = parse(text);
  const parts: [string, number, number][] = [];
  let at = 0;
  for (const entry of lengths) {
    const [name, length] = Array.isArray(entry) ? entry : [];
    const isPart = typeof name === "string" && NAME.test(name) && Number.isSafeInteger(length) &&
      length >= 0 && at + length <= bytes.length && !parts.some(([known]) => known === name);
    if (!isPart) throw malformed();
    parts.push([name, at, at += length]);
  }
  if (at !== bytes.length) throw malformed();
  // Copied last: there may be secrets in them.
  const copies = parts.map(([name, from, to]) => [name, bytes.slice(from, to)]);
  return { json, bytes: Object.fromEntries(copies) };
}

function parse(text: Uint8Array): { json: unknown; lengths: readonly unknown[] } {
  try {
    const frame: unknown = JSON.parse(new TextDecoder().decode(text));
    const isObject = typeof frame === "object" && frame !== null;
    if (isObject && "json" in frame && "bytes" in frame && Array.isArray(frame.bytes)) {
      return { json: frame.json, lengths: frame.bytes };
    }
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw malformed();
}

function malformed(): VaultError {
  return new VaultError("invalid", "Cannot read from the control socket: a message is malformed");
}

/** Sends a message, and wipes the copy that was sent. */
export async function sendFrame(connection: Connection, message: Message): Promise<void> {
  const frame = encodeFrame(message);
  try {
    for (let at = 0; at < frame.length;) at += await connection.write(frame.subarray(at));
  } finally {
    frame.fill(0);
  }
}

/** The next message; null where the connection has ended. One beyond the limits is refused unread. */
export async function receiveFrame(
  connection: Connection,
  limits: FrameLimits,
): Promise<Message | null> {
  const head = new Uint8Array(HEAD_BYTES);
  if (!await fill(connection, head)) return null;
  const view = new DataView(head.buffer);
  const [textBytes, bytes] = [view.getUint32(0, true), view.getUint32(4, true)];
  if (textBytes > limits.textBytesMax || bytes > limits.bytesMax) {
    throw new VaultError("invalid", "Cannot read from the control socket: a message is too long");
  }
  const body = new Uint8Array(textBytes + bytes);
  try {
    if (!await fill(connection, body)) return null;
    return decodeFrame(body.subarray(0, textBytes), body.subarray(textBytes));
  } finally {
    body.fill(0);
  }
}

async function fill(connection: Connection, into: Uint8Array): Promise<boolean> {
  for (let at = 0; at < into.length;) {
    const length = await connection.read(into.subarray(at));
    if (length === null) return false;
    at += length;
  }
  return true;
}
