import { assert } from "../assert.ts";
import { putU16, putU32, putU64, readU16, readU32, readU64 } from "../bytes.ts";
import { VaultError } from "../errors.ts";

/** A run of file blocks with consecutive ids (RECORDS: extent). Its first file block is in the key. */
export interface Extent {
  /** Blocks in the run, at least 1. */
  count: number;
  /** Id of the first block; 0 where the run is unwritten. */
  firstId: number;
  /** Cells of the last block where it is shorter than a full one; 0: it is full. */
  tailCells: number;
  /** Space that was set aside and reads as zeros. */
  unwritten: boolean;
  /** Blocks of it may be compressed: what they take is in the block map. */
  packed: boolean;
}

/** Length of an extent record. */
export const EXTENT_BYTES = 16;

const FLAG_UNWRITTEN = 1;
const FLAG_PACKED = 2;

/** An extent to decode into. */
export function emptyExtent(): Extent {
  return { count: 1, firstId: 0, tailCells: 0, unwritten: false, packed: false };
}

/** Writes an extent into `out`, which is {@linkcode EXTENT_BYTES} long. */
export function encodeExtent(extent: Extent, out: Uint8Array): void {
  assert(out.length === EXTENT_BYTES, "an extent record has its length");
  const flags = (extent.unwritten ? FLAG_UNWRITTEN : 0) | (extent.packed ? FLAG_PACKED : 0);
  putU16(out, 0, flags);
  putU16(out, 2, extent.tailCells);
  putU32(out, 4, extent.count);
  putU64(out, 8, extent.firstId);
}

/** Fills `extent` from a record. */
export function decodeExtent(bytes: Uint8Array, extent: Extent): void {
  if (bytes.length !== EXTENT_BYTES) throw corrupt("wrong length");
  const flags = readU16(bytes, 0);
  if (flags > FLAG_PACKED) throw corrupt("unknown flags");
  extent.unwritten = flags === FLAG_UNWRITTEN;
  extent.packed = flags === FLAG_PACKED;
  extent.tailCells = readU16(bytes, 2);
  extent.count = readU32(bytes, 4);
  extent.firstId = readU64(bytes, 8);
  if (extent.count === 0) throw corrupt("it has no blocks");
  if (!Number.isSafeInteger(extent.firstId + extent.count)) throw corrupt("id out of range");
  if (extent.unwritten && (extent.firstId !== 0 || extent.tailCells !== 0)) {
    throw corrupt("unwritten blocks have no ids");
  }
}

/** Blocks of a record that are unwritten. */
export function unwrittenBlocks(record: Uint8Array): number {
  if (record.length !== EXTENT_BYTES || (record[0] & FLAG_UNWRITTEN) === 0) return 0;
  return readU32(record, 4);
}

function corrupt(why: string): VaultError {
  return new VaultError("corrupt", `Cannot read an extent: ${why}`);
}
