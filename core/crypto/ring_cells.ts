import { wipe } from "../bytes.ts";
import { type HeaderCopy, headerOffset, RING_STREAM_BYTES, ringCells } from "../format/header.ts";
import { CELL_BYTES } from "../limits.ts";
import { expandKey } from "./hkdf.ts";

/**
 * Byte offsets of the 16 superblock ring cells of a header copy. `ringKey` is the layout key's subkey
 * "ring". Compute once and keep: the superblock of sequence s lies at index s mod 16.
 */
export function superblockOffsets(ringKey: Uint8Array, copy: HeaderCopy): number[] {
  const stream = expandKey(ringKey, `ring cells ${copy}`, undefined, RING_STREAM_BYTES);
  const offsets = ringCells(stream).map((cell) => headerOffset(copy) + cell * CELL_BYTES);
  wipe(stream);
  return offsets;
}

/** Byte offset of one ring cell; {@linkcode superblockOffsets} gives all at once. */
export function superblockOffset(
  ringKey: Uint8Array,
  copy: HeaderCopy,
  ringIndex: number,
): number {
  return superblockOffsets(ringKey, copy)[ringIndex];
}
