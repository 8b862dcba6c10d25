import { viewOf } from "../bytes.ts";
import { VaultError } from "../errors.ts";
import { TAG_BYTES } from "../limits.ts";
import { KEY_BYTES_MAX, VALUE_BYTES_MAX } from "./node.ts";
import { CELL_NUMBER_BYTES, readCell, writeCell } from "./place.ts";
import { PLACES_MAX } from "./redundancy.ts";

/**
 * FORMAT.md §11: the intent log: a chain of chunks of 16 cells, or fewer where no 16 adjacent ones are free. Each chunk
 * has c copies; a record takes 1 to 16 whole cells of one chunk, the same ones of every copy: nonce (24) | ciphertext |
 * tag (16). AAD: §4's, with id = sequence in the log, then log id (16): 56 bytes; and the tags of the record before are
 * in the plaintext, so that records form a chain. Plaintext, the same in every copy:
 *
 * | offset | size | meaning |
 * |---|---|---|
 * | 0 | 4 | marker "ΣVLG" |
 * | 4 | 1 | cells of this record |
 * | 5 | 1 | 1: the transaction ends with this record |
 * | 6 | 1 | c: copies |
 * | 7 | 1 | cells of the chunk after this one, 1 to 16 |
 * | 8 | 8 | base root's sequence |
 * | 16 | 4 | bytes of the mutations in this record |
 * | 20 | 4 | zero |
 * | 24 + 24 i | 16 | tag of copy i of the record before; of the first record: the log id |
 * | 40 + 24 i | 8 | first cell of copy i of the chunk after this one: member u8, zero, cell u48 |
 * | 24 + 24 c | … | mutations; a transaction's may go on in the next record |
 */
/** Cells of a chunk at most. */
export const LOG_CHUNK_CELLS = 16;
export const LOG_MARKER = 0x474c56a3;
export const LOG_AAD_BYTES = 56;
const FIXED_BYTES = 24;
const COPY_BYTES = TAG_BYTES + CELL_NUMBER_BYTES;

/** Bytes before the mutations of a record with so many copies. */
export function logHeadBytes(copies: number): number {
  return FIXED_BYTES + COPY_BYTES * copies;
}

/** Adjacent cells for records, once for each copy. */
export interface LogChunk {
  readonly cells: number;
  /** First cell of each copy. */
  readonly firsts: readonly number[];
}

/** The head of a record's plaintext. */
export interface LogHead {
  readonly cells: number;
  readonly ends: boolean;
  readonly base: number;
  /** One for each copy. */
  readonly previousTags: readonly Uint8Array[];
  readonly nextChunk: LogChunk;
  readonly mutationBytes: number;
}

/** Writes a head at the start of `bytes`. */
export function writeLogHead(bytes: Uint8Array, head: LogHead): void {
  const view = viewOf(bytes);
  const copies = head.nextChunk.firsts.length;
  bytes.fill(0, 0, logHeadBytes(copies));
  view.setUint32(0, LOG_MARKER, true);
  bytes.set([head.cells, head.ends ? 1 : 0, copies, head.nextChunk.cells], 4);
  view.setUint32(8, head.base >>> 0, true);
  view.setUint32(12, Math.floor(head.base / 4294967296), true);
  view.setUint32(16, head.mutationBytes, true);
  for (let i = 0; i < copies; i++) {
    bytes.set(head.previousTags[i], FIXED_BYTES + COPY_BYTES * i);
    writeCell(bytes, FIXED_BYTES + COPY_BYTES * i + TAG_BYTES, head.nextChunk.firsts[i]);
  }
}

/** Reads a head; null unless it is one (the log's end looks like that). */
export function readLogHead(bytes: Uint8Array): LogHead | null {
  const view = viewOf(bytes);
  if (bytes.length < FIXED_BYTES || view.getUint32(0, true) !== LOG_MARKER) return null;
  const [cells, ends, copies, nextCells] = bytes.subarray(4);
  if (cells < 1 || cells > LOG_CHUNK_CELLS || ends > 1) return null;
  if (copies < 1 || copies > PLACES_MAX || bytes.length < logHeadBytes(copies)) return null;
  if (nextCells < 1 || nextCells > LOG_CHUNK_CELLS) return null;
  const at = (i: number) => FIXED_BYTES + COPY_BYTES * i;
  const each = Array.from({ length: copies }, (_, i) => i);
  const isPadded = each.every((i) => bytes[at(i) + TAG_BYTES + 1] === 0);
  if (view.getUint32(20, true) !== 0 || !isPadded) throw badLog("layout");
  return {
    cells,
    ends: ends === 1,
    base: view.getUint32(8, true) + view.getUint32(12, true) * 4294967296,
    previousTags: each.map((i) => bytes.slice(at(i), at(i) + TAG_BYTES)),
    nextChunk: { cells: nextCells, firsts: each.map((i) => readCell(bytes, at(i) + TAG_BYTES)) },
    mutationBytes: view.getUint32(16, true),
  };
}

/**
 * A mutation: u8 operation, u8 key length, u16 value length, key, value. Operations on a branch's tree: put, delete; on
 * the block map: put entry, drop run (value: count u32); numbers: next block id, next object id (key: 8 bytes be). `branch`
 * (key: u32 be) says which branch puts, deletes, entries of fresh blocks and drops are of, from there on.
 */
export const MUTATION = {
  put: 1,
  delete: 2,
  mapPut: 3,
  mapDrop: 4,
  nextBlockId: 5,
  nextObjectId: 6,
  branch: 7,
} as const;
export const MUTATION_HEAD_BYTES = 4;

/** A decoded mutation; key and value are views. */
export interface Mutation {
  readonly operation: number;
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** Decodes the mutations of one transaction, in order. */
export function* decodeMutations(bytes: Uint8Array): Generator<Mutation> {
  const view = viewOf(bytes);
  let at = 0;
  while (at < bytes.length) {
    if (at + MUTATION_HEAD_BYTES > bytes.length) throw badLog("head");
    const operation = bytes[at];
    const keyEnd = at + MUTATION_HEAD_BYTES + bytes[at + 1];
    const end = keyEnd + view.getUint16(at + 2, true);
    if (operation < 1 || operation > MUTATION.branch || end > bytes.length) {
      throw badLog("size");
    }
    if (bytes[at + 1] > KEY_BYTES_MAX || end - keyEnd > VALUE_BYTES_MAX) throw badLog("limits");
    yield {
      operation,
      key: bytes.subarray(at + MUTATION_HEAD_BYTES, keyEnd),
      value: bytes.subarray(keyEnd, end),
    };
    at = end;
  }
}

function badLog(why: string): VaultError {
  return new VaultError("corrupt", `Cannot read intent log: bad mutation ${why}`);
}
