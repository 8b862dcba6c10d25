/**
 * Where the parts of the header lie. FORMAT.md, section "Header". Pure: no I/O, no keys.
 *
 * @module
 */
import { assert } from "../assert.ts";
import { concat, isHole, viewOf } from "../bytes.ts";
import { CELL_BYTES, KEY_SLOTS, RING_CELLS, SEGMENT_BYTES, SEGMENT_CELLS } from "../limits.ts";

/** The two copies of the header: A in segment 0, B in segment 1. */
export type HeaderCopy = 0 | 1;
export const HEADER_COPIES: readonly HeaderCopy[] = [0, 1];
/** Bytes that the two copies take at the start of a medium. */
export const HEADER_AREA_BYTES = 2 * SEGMENT_BYTES;

/** Bytes of a copy's salt, at the start of its cell 0. */
export const SALT_BYTES = 32;
/** Cell of key slot 0; slot i lies in cell 1 + i. */
const SLOT_CELL = 1;
/** Cells of one slot directory. Two buffers lie one behind the other, written in turn. */
export const DIRECTORY_CELLS = 14;
export const DIRECTORY_BYTES = DIRECTORY_CELLS * CELL_BYTES;
const DIRECTORY_CELL = SLOT_CELL + KEY_SLOTS;
/** Cells at fixed positions; the superblock ring lies among those behind them. */
export const FIXED_CELLS = DIRECTORY_CELL + 2 * DIRECTORY_CELLS;
/** Bytes of the fixed cells: what a header backup holds. */
export const FIXED_BYTES = FIXED_CELLS * CELL_BYTES;

/** Names this layout of the header in every AAD. */
const HEADER_LAYOUT_ID = 1;

/** Features that this program knows, as bits. Unknown ones refuse to open. */
export const KNOWN_FEATURES = 0;

/**
 * Bytes of a copy behind its fixed cells that tell a sparse vault: of these four cells a superblock lies in one or two at most, almost
 * always, and the others are holes. In a dense one all are noise.
 */
export const SPARSE_SAMPLE = { offset: FIXED_BYTES, bytes: 4 * CELL_BYTES } as const;

/** True for the sample of a copy in a sparse vault. */
export function isSparseSample(sample: Uint8Array): boolean {
  for (let at = 0; at < sample.length; at += CELL_BYTES) {
    if (isHole(sample.subarray(at, at + CELL_BYTES))) return true;
  }
  return false;
}

/** Byte offset of a copy, which is that of its salt. */
export function headerOffset(copy: HeaderCopy): number {
  return copy * SEGMENT_BYTES;
}

/** Byte offset of a key slot inside a copy. */
export function slotOffset(slot: number): number {
  assert(slot >= 0 && slot < KEY_SLOTS, "a header has 16 key slots");
  return (SLOT_CELL + slot) * CELL_BYTES;
}

/** Byte offset, inside a copy, of the directory buffer that holds the state of `counter`. */
export function directoryOffset(counter: number): number {
  return (DIRECTORY_CELL + (counter % 2) * DIRECTORY_CELLS) * CELL_BYTES;
}

/** Bytes of key stream that {@linkcode ringCells} takes. */
export const RING_STREAM_BYTES = RING_CELLS * 4;

/**
 * The 16 distinct cells of a copy's superblock ring: the first draws of a Fisher-Yates shuffle of the
 * cells behind the fixed ones. Draw i takes u32le i of the key stream modulo the cells left.
 */
export function ringCells(stream: Uint8Array): number[] {
  assert(stream.length === RING_STREAM_BYTES, "a ring takes 64 bytes of key stream");
  const cells = Array.from({ length: SEGMENT_CELLS - FIXED_CELLS }, (_, i) => FIXED_CELLS + i);
  for (let i = 0; i < RING_CELLS; i++) {
    const other = i + viewOf(stream).getUint32(i * 4, true) % (cells.length - i);
    [cells[i], cells[other]] = [cells[other], cells[i]];
  }
  return cells.slice(0, RING_CELLS);
}

/** What a header seal is for; part of its AAD, so that none can stand for another. */
export const HEADER_PURPOSE = { slot: 1, directory: 2, keyExport: 3, older: 4 } as const;

/** What an AAD binds a header seal to. */
export interface HeaderPlace {
  readonly purpose: 1 | 2 | 3 | 4;
  readonly copy: HeaderCopy;
  /** Key slot, or directory buffer. */
  readonly index: number;
  readonly salt: Uint8Array;
}

/** AAD of a header seal, 40 bytes: layout id u32le, purpose u8, copy u8, index u8, zero, salt. */
export function headerAad(place: HeaderPlace): Uint8Array<ArrayBuffer> {
  assert(place.salt.length === SALT_BYTES, "a salt has 32 bytes");
  const head = new Uint8Array([0, 0, 0, 0, place.purpose, place.copy, place.index, 0]);
  viewOf(head).setUint32(0, HEADER_LAYOUT_ID, true);
  return concat(head, place.salt);
}
