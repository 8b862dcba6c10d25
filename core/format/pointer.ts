import { putU32, readU32 } from "../bytes.ts";
import { VaultError } from "../errors.ts";
import { NODE_CELLS_MAX } from "./node.ts";
import { PLACE_BYTES, readPlace, type SealedPlace, writePlace } from "./place.ts";
import { PLACES_MAX } from "./redundancy.ts";

/**
 * FORMAT.md §7: a physical pointer: names a node of the map or of space, or a root record, by the places of its copies,
 * and binds its content by their tags. How many copies there are is a property of the vault (m + 1).
 *
 * | offset | size | meaning |
 * |---|---|---|
 * | 0 | 1 | copies |
 * | 1 | 1 | cells (0 for a root record, whose length stands beside the pointer) |
 * | 2 | 2 | zero |
 * | 4 | 4 | key epoch |
 * | 8 + 48 i | 1 | member |
 * | 9 + 48 i | 1 | zero |
 * | 10 + 48 i | 6 | first cell |
 * | 16 + 48 i | 24 | nonce |
 * | 40 + 48 i | 16 | tag |
 */
export const POINTER_HEAD_BYTES = 8;

/** FORMAT.md §7: a pointer in a volume's tree: block id u64, reference birth u64. */
export const ID_POINTER_BYTES = 16;

/** Bytes of a pointer to so many copies. */
export function pointerBytes(copies: number): number {
  return POINTER_HEAD_BYTES + PLACE_BYTES * copies;
}

/** A decoded physical pointer. */
export interface PhysicalPointer {
  readonly cells: number;
  readonly epoch: number;
  readonly copies: readonly SealedPlace[];
}

/** Writes a pointer at `at`. */
export function writePointer(bytes: Uint8Array, at: number, pointer: PhysicalPointer): void {
  bytes[at] = pointer.copies.length;
  bytes[at + 1] = pointer.cells;
  bytes[at + 2] = 0;
  bytes[at + 3] = 0;
  putU32(bytes, at + 4, pointer.epoch);
  pointer.copies.forEach((copy, i) => writePlace(bytes, placeAt(at, i), copy));
}

function placeAt(at: number, copy: number): number {
  return at + POINTER_HEAD_BYTES + PLACE_BYTES * copy;
}

/** Reads the pointer at `at`. */
export function readPointer(bytes: Uint8Array, at: number): PhysicalPointer {
  const count = bytes[at];
  const cells = bytes[at + 1];
  const isShaped = count >= 1 && count <= PLACES_MAX && at + pointerBytes(count) <= bytes.length;
  if (!isShaped || cells > NODE_CELLS_MAX || bytes[at + 2] !== 0 || bytes[at + 3] !== 0) {
    throw badPointer();
  }
  const copies = Array.from({ length: count }, (_, i) => {
    if (bytes[placeAt(at, i) + 1] !== 0) throw badPointer();
    return readPlace(bytes, placeAt(at, i));
  });
  return { cells, epoch: readU32(bytes, at + 4), copies };
}

function badPointer(): VaultError {
  return new VaultError("corrupt", "Cannot read pointer: bad shape");
}
