import { putU48BE, readU48BE, viewOf } from "../bytes.ts";
import { VaultError } from "../errors.ts";
import { SEGMENT_CELLS, SEGMENT_SLOTS } from "../limits.ts";

/**
 * FORMAT.md §8: records of the space tree.
 *
 * | key | value |
 * |---|---|
 * | 1, segment u48 be | bitmap of its cells: u16 per slot, bit i of slot s is cell 16 s + i, 1 = taken (128 bytes) |
 * | 2, chunk u48 be | free cells of segments 1024 chunk …: u16 each (2048 bytes) |
 * | 3, root sequence u48 be, part u48 be | cells given up by the root of this sequence, still resting: runs, u64 each: first cell × 512 + count |
 *
 * A segment without a bitmap is wholly free.
 */
export const SPACE_KEY = { bitmap: 1, freeCounts: 2, resting: 3 } as const;
export const BITMAP_BYTES = SEGMENT_CELLS / 8;
/** Segments whose free counts share a record. */
export const COUNTS_PER_CHUNK = 1024;
/** Runs in one resting record. */
export const RUNS_PER_RECORD = 250;
/** A run of cells is one number: first cell × 512 + count. */
const RUN_FACTOR = 512;
/** Cells in one run at most. */
export const RUN_CELLS_MAX = 256;

/** Key of a bitmap or of a chunk of free counts. */
export function spaceKey(type: number, number: number): Uint8Array<ArrayBuffer> {
  const key = new Uint8Array(7);
  key[0] = type;
  putU48BE(key, 1, number);
  return key;
}

/** Key of a record of resting runs. */
export function restingKey(sequence: number, part: number): Uint8Array<ArrayBuffer> {
  const key = new Uint8Array(13);
  key[0] = SPACE_KEY.resting;
  putU48BE(key, 1, sequence);
  putU48BE(key, 7, part);
  return key;
}

/** Reads the sequence and the part of a resting key. */
export function readRestingKey(key: Uint8Array): { sequence: number; part: number } {
  if (key.length !== 13) throw badSpace("resting key");
  return { sequence: readU48BE(key, 1), part: readU48BE(key, 7) };
}

/** Packs a run of cells into one number below 2^53. */
export function packRun(cell: number, count: number): number {
  return cell * RUN_FACTOR + count;
}

/** First cell of a packed run. */
export function runCell(run: number): number {
  return Math.floor(run / RUN_FACTOR);
}

/** Cells of a packed run. */
export function runCount(run: number): number {
  return run % RUN_FACTOR;
}

/** Encodes packed runs, u64 each. */
export function encodeRuns(runs: readonly number[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(8 * runs.length);
  const view = viewOf(bytes);
  runs.forEach((run, i) => {
    view.setUint32(8 * i, run >>> 0, true);
    view.setUint32(8 * i + 4, Math.floor(run / 4294967296), true);
  });
  return bytes;
}

/** Decodes packed runs and checks each. */
export function decodeRuns(bytes: Uint8Array): number[] {
  if (bytes.length % 8 !== 0) throw badSpace("runs");
  const view = viewOf(bytes);
  const runs: number[] = [];
  for (let at = 0; at < bytes.length; at += 8) {
    const high = view.getUint32(at + 4, true);
    const run = view.getUint32(at, true) + high * 4294967296;
    if (high >= 0x200000 || runCount(run) < 1 || runCount(run) > RUN_CELLS_MAX) {
      throw badSpace("run");
    }
    runs.push(run);
  }
  return runs;
}

/** Decodes a bitmap. */
export function decodeBitmap(bytes: Uint8Array): Uint16Array<ArrayBuffer> {
  if (bytes.length !== BITMAP_BYTES) throw badSpace("bitmap");
  const view = viewOf(bytes);
  const slots = new Uint16Array(SEGMENT_SLOTS);
  for (let i = 0; i < SEGMENT_SLOTS; i++) slots[i] = view.getUint16(2 * i, true);
  return slots;
}

/** Encodes u16 numbers: a bitmap or a chunk of free counts. */
export function encodeU16(numbers: Uint16Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(2 * numbers.length);
  const view = viewOf(bytes);
  for (let i = 0; i < numbers.length; i++) view.setUint16(2 * i, numbers[i], true);
  return bytes;
}

function badSpace(what: string): VaultError {
  return new VaultError("corrupt", `Cannot read space record: bad ${what}`);
}
