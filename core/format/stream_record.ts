import { assert } from "../assert.ts";
import { concat, getU48, getU64, setU48, viewOf } from "../bytes.ts";
import { VaultError } from "../errors.ts";
import { FOREIGN_BYTES } from "./foreign_block.ts";
import { NAME_BYTES_MAX } from "./dirent.ts";
import { INODE_BYTES } from "./inode.ts";
import { BLOCK_BYTES_MAX } from "./map_entry.ts";
import {
  decodeStreamBlock,
  decodeStreamInline,
  decodeStreamLock,
  encodeLockedChange,
  type LockedChange,
  SEALED_HEAD_BYTES,
} from "./stream_lock.ts";
import { POSITION_BYTES_MAX } from "./stream_position.ts";
import { KEY_TYPE, keyIno, NODE_KEY_BYTES, OWN_INO_END } from "./volume_key.ts";
import { XATTR_NAME_BYTES_MAX, XATTR_VALUE_BYTES_MAX } from "./xattr.ts";

/**
 * FORMAT.md §18: records of a stream, one behind another in its plaintext: type u8, bytes of the payload u24le, payload.
 * What they say of a volume depends on no vault: names are there themselves, not their keyed hashes, and blocks have no ids.
 */
export const STREAM_TYPE = {
  begin: 1,
  mark: 2,
  put: 3,
  delete: 4,
  name: 5,
  unname: 6,
  attribute: 7,
  noAttribute: 8,
  data: 9,
  free: 10,
  reserve: 11,
  end: 12,
  lock: 13,
  lockedInline: 14,
  lockedBlock: 15,
} as const;

/** Bytes before a payload. */
export const RECORD_HEAD_BYTES = 4;
/** Bytes of a data record before the content. */
export const DATA_HEAD_BYTES = 20;
/** Content of one data record at most: the largest block. */
export const CONTENT_BYTES_MAX = BLOCK_BYTES_MAX;
/** The largest payload. */
export const PAYLOAD_BYTES_MAX: number = SEALED_HEAD_BYTES + CONTENT_BYTES_MAX;

/** File blocks have 40 bits. */
const BLOCKS_MAX = 2 ** 40;
/** Blocks that one record is about at most: those of an extent. */
const RUN_BLOCKS_MAX = 2 ** 32 - 1;
/** Inode numbers are below this, half of what there are. */
const INO_END = 2 * OWN_INO_END;

/** What is kept under type and inode number alone, and how long it can be: FORMAT.md §13. */
const PLAIN_VALUES: Readonly<Record<number, readonly [number, number] | undefined>> = {
  [KEY_TYPE.inode]: [INODE_BYTES, INODE_BYTES],
  [KEY_TYPE.inline]: [1, 2048],
  [KEY_TYPE.target]: [1, 4095],
  [KEY_TYPE.orphan]: [8, 8],
  [KEY_TYPE.pending]: [8, 8],
  [KEY_TYPE.foreign]: [FOREIGN_BYTES, FOREIGN_BYTES],
};

/** Blocks of a file, one behind another. */
export interface FileBlocks {
  readonly ino: number;
  /** File block. */
  readonly first: number;
  readonly count: number;
}

/** One change on the way from one state of a volume to another. Every one says what is there, not what happens: once or twice is the same. */
export type StreamChange =
  /** A record under its key in the tree. */
  | { readonly kind: "put"; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly kind: "delete"; readonly key: Uint8Array }
  /** A name in a directory leads to an inode. */
  | {
    readonly kind: "name";
    readonly directory: number;
    readonly ino: number;
    readonly type: number;
    readonly name: Uint8Array;
  }
  | { readonly kind: "unname"; readonly directory: number; readonly name: Uint8Array }
  | {
    readonly kind: "attribute";
    readonly ino: number;
    readonly name: Uint8Array;
    readonly value: Uint8Array;
  }
  | { readonly kind: "noAttribute"; readonly ino: number; readonly name: Uint8Array }
  /** Content of whole blocks; the last one may be shorter. */
  | FileBlocks & {
    readonly kind: "data";
    readonly lastLength: number;
    readonly content: Uint8Array;
  }
  /** A hole. */
  | FileBlocks & { readonly kind: "free" }
  /** Space that is set aside and reads as zeros. */
  | FileBlocks & { readonly kind: "reserve" }
  | LockedChange;

/** Everything that stands between the begin and the end of a stream. */
export type StreamRecord = StreamChange | {
  readonly kind: "mark";
  readonly position: Uint8Array;
};

/** The head of a record. */
export function encodeRecordHead(type: number, length: number): Uint8Array<ArrayBuffer> {
  assert(length <= PAYLOAD_BYTES_MAX, "a payload has its limit");
  return new Uint8Array([type, length, length >>> 8, length >>> 16]);
}

/** Type and length from the head of a record. */
export function decodeRecordHead(bytes: Uint8Array): { type: number; length: number } {
  const [type, ...length] = bytes;
  const payload = length[0] | length[1] << 8 | length[2] << 16;
  if (payload > PAYLOAD_BYTES_MAX) throw badRecord("it is too long");
  return { type, length: payload };
}

/** A whole record but one of data, whose content follows what {@linkcode encodeDataHead} gives. */
export function encodeStreamRecord(
  record: Exclude<StreamRecord, { kind: "data" }>,
): Uint8Array<ArrayBuffer> {
  const payload = payloadOf(record);
  return concat(encodeRecordHead(STREAM_TYPE[record.kind], payload.length), payload);
}

function payloadOf(record: Exclude<StreamRecord, { kind: "data" }>): Uint8Array {
  switch (record.kind) {
    case "mark":
      return record.position;
    case "put":
      return concat(record.key, record.value);
    case "delete":
      return record.key;
    case "name":
      return concat(
        numbers(record.directory, record.ino),
        new Uint8Array([record.type]),
        record.name,
      );
    case "unname":
      return concat(numbers(record.directory), record.name);
    case "attribute": {
      const { ino, name, value } = record;
      return concat(numbers(ino), new Uint8Array([name.length]), name, value);
    }
    case "noAttribute":
      return concat(numbers(record.ino), record.name);
    case "free":
    case "reserve":
      return numbers(record.ino, record.first, record.count);
    default:
      return encodeLockedChange(record);
  }
}

/** A data record without its content. */
export function encodeDataHead(
  { ino, first, count }: FileBlocks,
  of: { readonly blockBytes: number; readonly lastLength: number },
): Uint8Array<ArrayBuffer> {
  const content = (count - 1) * of.blockBytes + of.lastLength;
  const head = new Uint8Array(DATA_HEAD_BYTES);
  head.set(numbers(ino, first));
  viewOf(head).setUint32(12, count, true);
  viewOf(head).setUint32(16, of.lastLength, true);
  return concat(encodeRecordHead(STREAM_TYPE.data, DATA_HEAD_BYTES + content), head);
}

/** Numbers of 48 bits, one behind another. */
function numbers(...values: number[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(6 * values.length);
  values.forEach((value, i) => setU48(viewOf(bytes), 6 * i, value));
  return bytes;
}

/** Decodes a payload; what it returns are views. `blockBytes` are of a full block. */
export function decodeStreamRecord(
  type: number,
  payload: Uint8Array,
  blockBytes: number,
): StreamRecord {
  switch (type) {
    case STREAM_TYPE.mark:
      return { kind: "mark", position: within(payload, 0, [0, POSITION_BYTES_MAX]) };
    case STREAM_TYPE.put: {
      const key = plainKey(payload.subarray(0, NODE_KEY_BYTES));
      const value = within(payload, NODE_KEY_BYTES, PLAIN_VALUES[key[0]]!);
      if (key[0] === KEY_TYPE.orphan || key[0] === KEY_TYPE.pending) checkFrom(key[0], value);
      return { kind: "put", key, value };
    }
    case STREAM_TYPE.delete:
      return { kind: "delete", key: plainKey(payload) };
    case STREAM_TYPE.name: {
      const name = nameIn(payload, 13, NAME_BYTES_MAX);
      const [directory, ino] = [inoAt(payload, 0), inoAt(payload, 6)];
      return { kind: "name", directory, ino, type: payload[12], name };
    }
    case STREAM_TYPE.unname: {
      const name = nameIn(payload, 6, NAME_BYTES_MAX);
      return { kind: "unname", directory: inoAt(payload, 0), name };
    }
    case STREAM_TYPE.attribute:
      return attributeOf(payload);
    case STREAM_TYPE.noAttribute: {
      const name = nameIn(payload, 6, XATTR_NAME_BYTES_MAX);
      return { kind: "noAttribute", ino: inoAt(payload, 0), name };
    }
    case STREAM_TYPE.data:
      return dataOf(payload, blockBytes);
    case STREAM_TYPE.free:
    case STREAM_TYPE.reserve: {
      if (payload.length !== 18) throw badRecord("wrong length");
      const blocks = blocksOf(payload, getU48(viewOf(payload), 12));
      return { kind: type === STREAM_TYPE.free ? "free" : "reserve", ...blocks };
    }
    case STREAM_TYPE.lock:
      return checkedFile(decodeStreamLock(payload));
    case STREAM_TYPE.lockedInline:
      return checkedFile(decodeStreamInline(payload));
    case STREAM_TYPE.lockedBlock:
      return checkedFile(decodeStreamBlock(payload, blockBytes));
    default:
      throw badRecord(`type ${type} is not known here`);
  }
}

function checkedFile(change: LockedChange): LockedChange {
  checkIno(change.ino);
  if (change.kind === "lockedBlock" && change.first >= BLOCKS_MAX) throw badRecord("no such block");
  return change;
}

function attributeOf(payload: Uint8Array): StreamChange {
  if (payload.length < 7) throw badRecord("wrong length");
  const valueAt = 7 + payload[6];
  const value = within(payload, valueAt, [0, XATTR_VALUE_BYTES_MAX]);
  const name = nameIn(payload.subarray(0, valueAt), 7, XATTR_NAME_BYTES_MAX);
  return { kind: "attribute", ino: inoAt(payload, 0), name, value };
}

function dataOf(payload: Uint8Array, blockBytes: number): StreamChange {
  const content = within(payload, DATA_HEAD_BYTES, [1, CONTENT_BYTES_MAX]);
  const view = viewOf(payload);
  const blocks = blocksOf(payload, view.getUint32(12, true));
  const lastLength = view.getUint32(16, true);
  const isWhole = content.length === (blocks.count - 1) * blockBytes + lastLength;
  if (!isWhole || lastLength === 0 || lastLength > blockBytes) throw badRecord("wrong length");
  return { kind: "data", ...blocks, lastLength, content };
}

function blocksOf(payload: Uint8Array, count: number): FileBlocks {
  const first = getU48(viewOf(payload), 6);
  const isRun = count > 0 && count <= RUN_BLOCKS_MAX;
  if (!isRun || first + count > BLOCKS_MAX) throw badRecord("no such blocks");
  return { ino: inoAt(payload, 0), first, count };
}

function plainKey(key: Uint8Array): Uint8Array {
  const isPlain = key.length === NODE_KEY_BYTES && PLAIN_VALUES[key[0]] !== undefined;
  if (!isPlain) throw badRecord("bad key");
  checkIno(keyIno(key));
  return key;
}

/** The first block that a pending delete is of; none of an orphan. */
function checkFrom(type: number, value: Uint8Array): void {
  const from = getU64(viewOf(value), 0);
  if (!(from <= (type === KEY_TYPE.pending ? BLOCKS_MAX : 0))) throw badRecord("no such block");
}

function inoAt(payload: Uint8Array, at: number): number {
  return checkIno(getU48(viewOf(payload), at));
}

function checkIno(ino: number): number {
  if (ino === 0 || ino >= INO_END) throw badRecord("no such inode number");
  return ino;
}

function nameIn(payload: Uint8Array, at: number, bytesMax: number): Uint8Array {
  return within(payload, at, [1, bytesMax]);
}

function within(
  payload: Uint8Array,
  at: number,
  [min, max]: readonly [number, number],
): Uint8Array {
  const bytes = payload.subarray(at);
  if (payload.length < at || bytes.length < min || bytes.length > max) {
    throw badRecord("wrong length");
  }
  return bytes;
}

/** What a record that cannot be read is answered with. */
export function badRecord(why: string): VaultError {
  return new VaultError("corrupt", `Cannot read a record of a stream: ${why}`);
}
