import { MIB } from "../limits.ts";
import { dataRuns } from "./data_runs.ts";

/** A stretch of a file: bytes, valid until the next is asked for, or a number of zeros that take no space there. */
export type FilePart = Uint8Array | number;

const PART_BYTES = MIB;
const ZEROS = new Uint8Array(PART_BYTES);

/** A file that can say where its holes are. */
export interface SparseSource {
  /** The first stretch at or behind `offset` that is no hole; null where the rest is one. */
  dataRun(offset: number): Promise<{ readonly from: number; readonly to: number } | null>;
  /** Fills `into` as far as the file goes; returns how far. */
  read(offset: number, into: Uint8Array): Promise<number>;
  size(): Promise<number>;
}

/** The parts of a file from its start to its end. */
export async function* partsOf(source: SparseSource): AsyncGenerator<FilePart> {
  // No more than a small file needs: trees have many of them.
  let buffer = new Uint8Array(0);
  let offset = 0;
  for (let run; (run = await source.dataRun(offset)) !== null;) {
    if (run.from > offset) yield run.from - offset;
    const room = Math.min(PART_BYTES, run.to - run.from);
    if (room > buffer.length) buffer = new Uint8Array(room);
    for (offset = run.from; offset < run.to;) {
      const wanted = Math.min(buffer.length, run.to - offset);
      const length = await source.read(offset, buffer.subarray(0, wanted));
      if (length === 0) return; // cut meanwhile
      yield buffer.subarray(0, length);
      offset += length;
    }
  }
  const rest = await source.size() - offset;
  if (rest > 0) yield rest;
}

/** A file that is empty and to be filled. */
export interface SparseTarget {
  write(offset: number, bytes: Uint8Array): Promise<void>;
  truncate(size: number): Promise<void>;
}

/** Fills a file; holes stay holes, and long stretches of zeros become some. */
export async function writeParts(
  parts: AsyncIterable<FilePart>,
  target: SparseTarget,
): Promise<void> {
  let [offset, written] = [0, 0];
  for await (const part of parts) {
    if (typeof part !== "number") {
      for (const { from, to } of dataRuns(part)) {
        await target.write(offset + from, part.subarray(from, to));
        written = offset + to;
      }
    }
    offset += lengthOf(part);
  }
  if (written < offset) await target.truncate(offset);
}

/** Bytes of a file that a part stands for. */
export function lengthOf(part: FilePart): number {
  return typeof part === "number" ? part : part.length;
}

/** A part as the bytes that a reader sees. */
export function* bytesOf(part: FilePart): Generator<Uint8Array> {
  if (typeof part !== "number") return yield part;
  for (let left = part; left > 0; left -= PART_BYTES) {
    yield ZEROS.subarray(0, Math.min(left, PART_BYTES));
  }
}
