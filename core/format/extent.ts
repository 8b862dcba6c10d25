import { assert } from "../assert.ts";
import { getU64, setU64, viewOf } from "../bytes.ts";
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
  const view = viewOf(out);
  const flags = (extent.unwritten ? FLAG_UNWRITTEN : 0) | (extent.packed ? FLAG_PACKED : 0);
  view.setUint16(0, flags, true);
  view.setUint16(2, extent.tailCells, true);
  view.setUint32(4, extent.count, true);
  setU64(view, 8, extent.firstId);
}

/** Fills `extent` from a record. */
export function decodeExtent(bytes: Uint8Array, extent: Extent): void {
  if (bytes.length !== EXTENT_BYTES) throw corrupt("wrong length");
  const view = viewOf(bytes);
  const flags = view.getUint16(0, true);
  if (flags > FLAG_PACKED) throw corrupt("unknown flags");
  extent.unwritten = flags === FLAG_UNWRITTEN;
  extent.packed = flags === FLAG_PACKED;
  extent.tailCells = view.getUint16(2, true);
  extent.count = view.getUint32(4, true);
  extent.firstId = getU64(view, 8);
  if (extent.count === 0) throw corrupt("it has no blocks");
  if (!Number.isSafeInteger(extent.firstId + extent.count)) throw corrupt("id out of range");
  if (extent.unwritten && (extent.firstId !== 0 || extent.tailCells !== 0)) {
    throw corrupt("unwritten blocks have no ids");
  }
}

/** Blocks of a record that are unwritten. */
export function unwrittenBlocks(record: Uint8Array): number {
  if (record.length !== EXTENT_BYTES || (record[0] & FLAG_UNWRITTEN) === 0) return 0;
  return viewOf(record).getUint32(4, true);
}

function corrupt(why: string): VaultError {
  return new VaultError("corrupt", `Cannot read an extent: ${why}`);
}
