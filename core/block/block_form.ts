import { CODEC, type MapEntry, savesCells } from "../format/map_entry.ts";
import { CELL_BYTES } from "../limits.ts";
import { compress, type CompressionTrials, decompress } from "./compression.ts";

/** How the bytes of a data block are stored, and how many there are. */
export type BlockForm = Pick<MapEntry, "codec" | "length" | "stored">;

/** The form of bytes that are stored as they are. */
export function rawForm(length: number): BlockForm {
  return { codec: CODEC.raw, length, stored: length };
}

/** Compresses a block where it lies, if that is to be tried and saves a cell; else it stays as it is. */
export function packAt(
  bytes: Uint8Array,
  address: number,
  length: number,
  trials: CompressionTrials | undefined,
): BlockForm {
  if (trials === undefined || length <= CELL_BYTES || !trials.isDue()) return rawForm(length);
  const plain = bytes.slice(address, address + length);
  const frame = compress(plain);
  const stored = frame.length;
  const saves = savesCells(stored, length);
  trials.tried(saves);
  if (saves) bytes.set(frame, address);
  plain.fill(0);
  frame.fill(0);
  return saves ? { codec: CODEC.zstd, length, stored } : rawForm(length);
}

/** Makes the content of what is stored, where it lies; false where it is no frame of this length. */
export function unpackAt(bytes: Uint8Array, address: number, form: BlockForm): boolean {
  if (form.codec === CODEC.raw) return true;
  const frame = bytes.slice(address, address + form.stored);
  const plain = decompress(frame, form.length);
  frame.fill(0);
  if (plain === null) return false;
  bytes.set(plain, address);
  plain.fill(0);
  return true;
}
