import { getU48, setU48, viewOf } from "../bytes.ts";
import { VaultError } from "../errors.ts";
import { NONCE_BYTES, TAG_BYTES } from "../limits.ts";
import { NODE_CELLS_MAX } from "./node.ts";

/**
 * FORMAT.md §7: a physical pointer: names a node of the map or of space, or a root record, by place, and
 * binds its content by the tag. 8 bytes, then 48 for each copy (one today).
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
export const POINTER_BYTES = 56;

/** FORMAT.md §7: a pointer in a volume's tree: block id u64, reference birth u64. */
export const ID_POINTER_BYTES = 16;

/** A decoded physical pointer with one copy. */
export interface PhysicalPointer {
  readonly cells: number;
  readonly epoch: number;
  readonly member: number;
  readonly cell: number;
  readonly nonce: Uint8Array;
  readonly tag: Uint8Array;
}

/** Writes a pointer at `at`. */
export function writePointer(bytes: Uint8Array, at: number, pointer: PhysicalPointer): void {
  const view = viewOf(bytes);
  bytes[at] = 1;
  bytes[at + 1] = pointer.cells;
  bytes[at + 2] = 0;
  bytes[at + 3] = 0;
  view.setUint32(at + 4, pointer.epoch, true);
  bytes[at + 8] = pointer.member;
  bytes[at + 9] = 0;
  setU48(view, at + 10, pointer.cell);
  bytes.set(pointer.nonce, at + 16);
  bytes.set(pointer.tag, at + 16 + NONCE_BYTES);
}

/** Reads the pointer at `at`. */
export function readPointer(bytes: Uint8Array, at: number): PhysicalPointer {
  const view = viewOf(bytes);
  const cells = bytes[at + 1];
  if (at + POINTER_BYTES > bytes.length || bytes[at] !== 1 || cells > NODE_CELLS_MAX) {
    throw new VaultError("corrupt", "Cannot read pointer: bad shape");
  }
  return {
    cells,
    epoch: view.getUint32(at + 4, true),
    member: bytes[at + 8],
    cell: getU48(view, at + 10),
    nonce: bytes.slice(at + 16, at + 16 + NONCE_BYTES),
    tag: bytes.slice(at + 16 + NONCE_BYTES, at + 16 + NONCE_BYTES + TAG_BYTES),
  };
}
