import { concat } from "../../core/bytes.ts";
import { decodeReceive, encodeReceive } from "../../core/format/receive_record.ts";
import {
  decodeBegin,
  decodeEnd,
  decodeToken,
  encodeBegin,
  encodeEnd,
  printToken,
} from "../../core/format/stream_head.ts";
import { decodePosition, encodePosition } from "../../core/format/stream_position.ts";
import {
  decodeRecordHead,
  decodeStreamRecord,
  encodeDataHead,
  encodeRecordHead,
  RECORD_HEAD_BYTES,
  type StreamRecord,
} from "../../core/format/stream_record.ts";

import { lockRecord } from "./lock_records.ts";
import * as foreign from "../../core/format/foreign_block.ts";
import * as lock from "../../core/format/stream_lock.ts";

const BLOCK_BYTES = 4096;
const guid = new Uint8Array(16).fill(3);
const base = new Uint8Array(16).fill(5);
const position = encodePosition({ key: new Uint8Array([3, 0, 0, 0, 0, 0, 9]), block: 12 });
const key = new Uint8Array([4, 0, 0, 0, 0, 0, 9]);
const name = new TextEncoder().encode("user.note");
const blocks = { ino: 9, first: 3, count: 2 };

const own = { secretId: 0, attempts: 0, lastAttempt: 0, erasing: false, secret: null };
const seal = { nonce: new Uint8Array(24).fill(3), tag: new Uint8Array(16).fill(4) };
const content = { nonce: seal.nonce, sealed: new Uint8Array(48).fill(4) };
const LOCKED: readonly lock.LockedChange[] = [
  { kind: "lock", ino: 9, record: { ...lockRecord, ...own, state: "locked" } },
  { kind: "lockedInline", ino: 9, length: 32, index: 300, content },
  {
    kind: "lockedBlock",
    ino: 9,
    first: 3,
    codec: 0,
    length: 100,
    ...seal,
    content: new Uint8Array(100).fill(5),
  },
];
const [lockPayload, inlinePayload, blockPayload] = LOCKED.map(lock.encodeLockedChange);

/** One record of each kind but data. */
export const STREAM_RECORDS: readonly Exclude<StreamRecord, { kind: "data" }>[] = [
  { kind: "mark", position },
  { kind: "put", key, value: new Uint8Array(100).fill(7) },
  { kind: "delete", key },
  { kind: "name", directory: 1, ino: 9, type: 8, name },
  { kind: "unname", directory: 1, name },
  { kind: "attribute", ino: 9, name, value: new Uint8Array(5000).fill(1) },
  { kind: "noAttribute", ino: 9, name },
  { kind: "free", ...blocks },
  { kind: "reserve", ...blocks },
  ...LOCKED,
];

/** A record of data, whole. */
export function dataRecord(): Uint8Array {
  const head = encodeDataHead(blocks, { blockBytes: BLOCK_BYTES, lastLength: 100 });
  return concat(head, new Uint8Array(BLOCK_BYTES + 100).fill(2));
}

/** Decodes a record that begins with its head. */
export function decodeWhole(bytes: Uint8Array): StreamRecord {
  const { type } = decodeRecordHead(bytes.subarray(0, RECORD_HEAD_BYTES));
  return decodeStreamRecord(type, bytes.subarray(RECORD_HEAD_BYTES), BLOCK_BYTES);
}

const begin = {
  blockBytes: BLOCK_BYTES,
  guid,
  base,
  time: 1_700_000_000_000,
  referencedBytes: 4096,
  position,
  compression: "zstd" as const,
  raw: true,
  name: "monday",
};
const asText = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** Decoders of what streams are made of, and of what the catalog says of them. */
export const streamDecoders = {
  decodeReceive: {
    decode: decodeReceive,
    valid: () =>
      encodeReceive({ guid, base, position, volume: 0, name: "copy", contentBytes: 9, began: 8 }),
  },
  decodeForeign: {
    decode: foreign.decodeForeign,
    valid: () =>
      foreign.encodeForeign({ ...seal, kind: 1, level: 0, codec: 1, length: 9000, stored: 3000 }),
  },
  decodeAbout: {
    decode: foreign.decodeAbout,
    valid: () =>
      foreign.encodeAbout({
        guid,
        root: 77,
        blockBytes: BLOCK_BYTES,
        compression: "zstd",
        time: 1_700_000_000_000,
        referencedBytes: 4096,
        name: "monday",
      }),
  },
  decodePosition: { decode: decodePosition, valid: () => position },
  decodeBegin: {
    decode: decodeBegin,
    valid: () => encodeBegin(begin).subarray(RECORD_HEAD_BYTES),
  },
  decodeEnd: {
    decode: decodeEnd,
    valid: () => encodeEnd({ records: 9, contentBytes: 4196 }).subarray(RECORD_HEAD_BYTES),
  },
  decodeToken: {
    decode: (bytes: Uint8Array) => decodeToken(asText(bytes)),
    valid: () => new TextEncoder().encode(printToken({ guid, base, position })),
  },
  decodeRecordHead: {
    decode: (bytes: Uint8Array) => decodeRecordHead(bytes.subarray(0, RECORD_HEAD_BYTES)),
    valid: () => encodeRecordHead(9, 4196),
  },
  decodeStreamLock: { decode: lock.decodeStreamLock, valid: () => lockPayload },
  decodeStreamInline: { decode: lock.decodeStreamInline, valid: () => inlinePayload },
  decodeStreamBlock: {
    decode: (bytes: Uint8Array) => lock.decodeStreamBlock(bytes, BLOCK_BYTES),
    valid: () => blockPayload,
  },
  decodeStreamRecord: { decode: decodeWhole, valid: dataRecord },
};
