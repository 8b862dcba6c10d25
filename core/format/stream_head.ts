import { assert } from "../assert.ts";
import { concat, getU64, setU64, viewOf } from "../bytes.ts";
import { type Compression, COMPRESSIONS, GUID_BYTES, nameAt, nameBytes } from "./catalog_record.ts";
import { POSITION_BYTES_MAX } from "./stream_position.ts";
import { BLOCK_BYTES_MAX } from "./map_entry.ts";
import { badRecord, encodeRecordHead, STREAM_TYPE } from "./stream_record.ts";
import { CELL_BYTES } from "../limits.ts";
import { VaultError } from "../errors.ts";

const LAYOUT = 1;
const BEGIN_BYTES = 64;
const END_BYTES = 16;
const TOKEN_LAYOUT = 1;
const TOKEN_HEAD_BYTES: number = 1 + 2 * GUID_BYTES;
/** Characters of a token at most. */
const TOKEN_CHARACTERS_MAX = 256;

/**
 * FORMAT.md §18: what a stream is: the payload of its first record.
 *
 * | offset | size | meaning |
 * |---|---|---|
 * | 0 | 4 | layout, u32le: 1 |
 * | 4 | 4 | bytes of a full data block |
 * | 8 | 16 | guid of the snapshot |
 * | 24 | 16 | guid of the base; zeros: it is sent whole |
 * | 40 | 8 | time of the snapshot, milliseconds since 1970 |
 * | 48 | 8 | bytes of the blocks that the snapshot refers to |
 * | 56 | 2 | bytes of the position |
 * | 58 | 1 | codec of data blocks that the volume's files are written with |
 * | 59 | 1 | 1: the volume holds foreign blocks |
 * | 60 | 4 | zero |
 * | 64 | | the position that it goes on from, then the snapshot's name |
 */
export interface StreamBegin {
  readonly blockBytes: number;
  readonly guid: Uint8Array;
  readonly base: Uint8Array;
  readonly time: number;
  readonly referencedBytes: number;
  readonly position: Uint8Array;
  readonly compression: Compression;
  /** What is sent are blocks that the receiver keeps without their key. */
  readonly raw: boolean;
  readonly name: string;
}

/** The last record: how many records came before it, the first among them, and how much content. */
export interface StreamEnd {
  readonly records: number;
  readonly contentBytes: number;
}

/** What an interrupted receive needs. */
export interface ResumePoint {
  readonly guid: Uint8Array;
  readonly base: Uint8Array;
  readonly position: Uint8Array;
}

/** The first record, whole. */
export function encodeBegin(begin: StreamBegin): Uint8Array<ArrayBuffer> {
  assert(begin.position.length <= POSITION_BYTES_MAX, "a position has its limit");
  const head = new Uint8Array(BEGIN_BYTES);
  const view = viewOf(head);
  view.setUint32(0, LAYOUT, true);
  view.setUint32(4, begin.blockBytes, true);
  head.set(begin.guid, 8);
  head.set(begin.base, 24);
  setU64(view, 40, begin.time);
  setU64(view, 48, begin.referencedBytes);
  view.setUint16(56, begin.position.length, true);
  head[58] = COMPRESSIONS.indexOf(begin.compression);
  head[59] = begin.raw ? 1 : 0;
  const payload = concat(head, begin.position, new TextEncoder().encode(begin.name));
  return concat(encodeRecordHead(STREAM_TYPE.begin, payload.length), payload);
}

/** Decodes its payload. */
export function decodeBegin(payload: Uint8Array): StreamBegin {
  if (payload.length < BEGIN_BYTES) throw badRecord("wrong length");
  const view = viewOf(payload);
  if (view.getUint32(0, true) !== LAYOUT) throw badRecord("its layout is not known here");
  const blockBytes = view.getUint32(4, true);
  const isPower = (blockBytes & (blockBytes - 1)) === 0;
  if (!isPower || blockBytes < CELL_BYTES || blockBytes > BLOCK_BYTES_MAX) {
    throw badRecord("bad block size");
  }
  const positionBytes = view.getUint16(56, true);
  const nameFrom = BEGIN_BYTES + positionBytes;
  const name = nameAt(payload, nameFrom);
  if (positionBytes > POSITION_BYTES_MAX || nameBytes(name) === null) throw badRecord("bad name");
  const compression = COMPRESSIONS[payload[58]];
  const isKnown = compression !== undefined && payload[59] <= 1 && view.getUint32(60, true) === 0;
  if (!isKnown) throw badRecord("bad codec");
  return {
    blockBytes,
    guid: payload.slice(8, 24),
    base: payload.slice(24, 40),
    time: checked(getU64(view, 40)),
    referencedBytes: checked(getU64(view, 48)),
    position: payload.slice(BEGIN_BYTES, nameFrom),
    compression,
    raw: payload[59] === 1,
    name,
  };
}

/** The last record, whole. */
export function encodeEnd({ records, contentBytes }: StreamEnd): Uint8Array<ArrayBuffer> {
  const payload = new Uint8Array(END_BYTES);
  setU64(viewOf(payload), 0, records);
  setU64(viewOf(payload), 8, contentBytes);
  return concat(encodeRecordHead(STREAM_TYPE.end, END_BYTES), payload);
}

/** Decodes its payload. */
export function decodeEnd(payload: Uint8Array): StreamEnd {
  if (payload.length !== END_BYTES) throw badRecord("wrong length");
  const view = viewOf(payload);
  return { records: checked(getU64(view, 0)), contentBytes: checked(getU64(view, 8)) };
}

function checked(value: number): number {
  if (Number.isNaN(value)) throw badRecord("a number is out of range");
  return value;
}

/** What a person carries from an interrupted receive to the sender: base64url. Nothing in it is secret. */
export function printToken({ guid, base, position }: ResumePoint): string {
  return concat(new Uint8Array([TOKEN_LAYOUT]), guid, base, position)
    .toBase64({ alphabet: "base64url", omitPadding: true });
}

/** Reads a token. */
export function decodeToken(text: string): ResumePoint {
  const bytes = tokenBytes(text.trim());
  const length = bytes?.length ?? 0;
  const fits = length >= TOKEN_HEAD_BYTES && length <= TOKEN_HEAD_BYTES + POSITION_BYTES_MAX;
  if (bytes === null || !fits || bytes[0] !== TOKEN_LAYOUT) {
    throw new VaultError(
      "invalid",
      'Cannot read the token: take what "receive --resume-token" prints',
    );
  }
  return {
    guid: bytes.slice(1, 1 + GUID_BYTES),
    base: bytes.slice(1 + GUID_BYTES, TOKEN_HEAD_BYTES),
    position: bytes.slice(TOKEN_HEAD_BYTES),
  };
}

function tokenBytes(text: string): Uint8Array | null {
  if (text.length > TOKEN_CHARACTERS_MAX) return null;
  try {
    return Uint8Array.fromBase64(text, { alphabet: "base64url", lastChunkHandling: "loose" });
  } catch {
    return null;
  }
}
