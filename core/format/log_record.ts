import { getU48, setU48, viewOf } from "../bytes.ts";
import { VaultError } from "../errors.ts";
import { KEY_BYTES_MAX, VALUE_BYTES_MAX } from "./node.ts";
import { packRun, runCell, runCount } from "./space_record.ts";

/**
 * FORMAT.md §11: the intent log: a chain of chunks of 16 cells, or fewer where
 * no 16 adjacent ones are free. A record takes 1 to 16 whole cells of one chunk: nonce
 * (24) | ciphertext | tag (16). AAD: §4's, with id = sequence in the log, then log id (16): 56 bytes; and the
 * tag of the record before is in the plaintext, so that records form a chain. Plaintext:
 *
 * | offset | size | meaning |
 * |---|---|---|
 * | 0 | 4 | marker "ΣVLG" |
 * | 4 | 1 | cells of this record |
 * | 5 | 1 | 1: the transaction ends with this record |
 * | 6 | 2 | zero |
 * | 8 | 8 | base root's sequence |
 * | 16 | 16 | tag of the record before; the first: the log id |
 * | 32 | 6 | first cell of the chunk after this one |
 * | 38 | 1 | cells of that chunk, 1 to 16 |
 * | 39 | 1 | zero |
 * | 40 | 4 | bytes of the mutations in this record |
 * | 44 | … | mutations; a transaction's may go on in the next record |
 */
/** Cells of a chunk at most. */
export const LOG_CHUNK_CELLS = 16;
export const LOG_HEAD_BYTES = 44;
export const LOG_MARKER = 0x474c56a3;
export const LOG_AAD_BYTES = 56;

/** The head of a record's plaintext. */
export interface LogHead {
  readonly cells: number;
  readonly ends: boolean;
  readonly base: number;
  readonly previousTag: Uint8Array;
  /** Packed run. */
  readonly nextChunk: number;
  readonly mutationBytes: number;
}

/** Writes a head at the start of `bytes`. */
export function writeLogHead(bytes: Uint8Array, head: LogHead): void {
  const view = viewOf(bytes);
  bytes.fill(0, 0, LOG_HEAD_BYTES);
  view.setUint32(0, LOG_MARKER, true);
  bytes[4] = head.cells;
  bytes[5] = head.ends ? 1 : 0;
  view.setUint32(8, head.base >>> 0, true);
  view.setUint32(12, Math.floor(head.base / 4294967296), true);
  bytes.set(head.previousTag, 16);
  setU48(view, 32, runCell(head.nextChunk));
  bytes[38] = runCount(head.nextChunk);
  view.setUint32(40, head.mutationBytes, true);
}

/** Reads a head; null unless it is one (the log's end looks like that). */
export function readLogHead(bytes: Uint8Array): LogHead | null {
  const view = viewOf(bytes);
  if (bytes.length < LOG_HEAD_BYTES || view.getUint32(0, true) !== LOG_MARKER) return null;
  const cells = bytes[4];
  if (cells < 1 || cells > LOG_CHUNK_CELLS || bytes[5] > 1) return null;
  if (bytes[38] < 1 || bytes[38] > LOG_CHUNK_CELLS) return null;
  return {
    cells,
    ends: bytes[5] === 1,
    base: view.getUint32(8, true) + view.getUint32(12, true) * 4294967296,
    previousTag: bytes.slice(16, 32),
    nextChunk: packRun(getU48(view, 32), bytes[38]),
    mutationBytes: view.getUint32(40, true),
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
