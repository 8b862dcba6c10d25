import { putU48, shortCopy } from "../bytes.ts";
import { VaultError } from "../errors.ts";
import { MEMBER_CELLS, MEMBERS_MAX, NONCE_BYTES, TAG_BYTES } from "../limits.ts";

/** FORMAT.md §2: bytes of a cell's full number: member, zero, cell of the member u48. */
export const CELL_NUMBER_BYTES = 8;
/** FORMAT.md §7: bytes of a place: where one sealed thing lies, its nonce and its tag. */
export const PLACE_BYTES: number = CELL_NUMBER_BYTES + NONCE_BYTES + TAG_BYTES;

/** Where one copy or shard lies, and how it was sealed. */
export interface SealedPlace {
  /** First cell: member × 2^34 + cell of the member. */
  readonly cell: number;
  readonly nonce: Uint8Array;
  readonly tag: Uint8Array;
}

/** The member that a cell belongs to. */
export function memberOf(cell: number): number {
  return Math.floor(cell / MEMBER_CELLS);
}

/** Writes a cell's number. */
export function writeCell(bytes: Uint8Array, at: number, cell: number): void {
  bytes[at] = memberOf(cell);
  bytes[at + 1] = 0;
  putU48(bytes, at + 2, cell % MEMBER_CELLS);
}

/** Reads a cell's number; byte 1 is the caller's. */
export function readCell(bytes: Uint8Array, at: number): number {
  // By hand: a block of a vault with redundancy has many places, and reading it takes all of them.
  const low = bytes[at + 2] | bytes[at + 3] << 8 | bytes[at + 4] << 16;
  const high = bytes[at + 5] | bytes[at + 6] << 8 | bytes[at + 7] << 16;
  const cell = low + high * 2 ** 24;
  if (bytes[at] >= MEMBERS_MAX || cell >= MEMBER_CELLS) {
    throw new VaultError("corrupt", "Cannot read place: it is beyond every medium");
  }
  return bytes[at] * MEMBER_CELLS + cell;
}

/** Writes a place. */
export function writePlace(bytes: Uint8Array, at: number, place: SealedPlace): void {
  writeCell(bytes, at, place.cell);
  bytes.set(place.nonce, at + CELL_NUMBER_BYTES);
  bytes.set(place.tag, at + CELL_NUMBER_BYTES + NONCE_BYTES);
}

/** Reads a place. */
export function readPlace(bytes: Uint8Array, at: number): SealedPlace {
  const nonceAt = at + CELL_NUMBER_BYTES;
  const tagAt = nonceAt + NONCE_BYTES;
  const cell = readCell(bytes, at);
  const nonce = shortCopy(bytes, nonceAt, tagAt);
  return { cell, nonce, tag: shortCopy(bytes, tagAt, tagAt + TAG_BYTES) };
}
