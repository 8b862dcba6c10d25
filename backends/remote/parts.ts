import { assert } from "../../core/assert.ts";
import { joined } from "../../core/bytes.ts";
import { MIB } from "../../core/limits.ts";

/** A piece of an object. */
export interface Part {
  readonly bytes: Uint8Array;
  /** From 0. */
  readonly index: number;
  /** No other follows. */
  readonly isLast: boolean;
}

/** How an object is cut into parts. */
export interface PartRules {
  readonly partsMax: number;
  readonly objectBytesMax: number;
}

/** A body of no more than this is sent at once; what is longer, in parts of at least this. */
export const PART_BYTES = 8 * MIB;
/** Bytes on their way at once, where parts are no longer than that. */
const SENDING_BYTES_MAX = 4 * PART_BYTES;
/** A stream of unknown size doubles its parts this often before it runs out of their numbers. */
const DOUBLINGS = 10;

/**
 * Bytes of part `index`. Of a known size all have the same length. Of an unknown one they double ten times, so that short
 * streams have short parts and all parts together still reach the longest object: 8 MiB × a tenth of the parts × 1,023.
 */
export function partBytes(index: number, size: number | undefined, rules: PartRules): number {
  if (size !== undefined) {
    return Math.max(PART_BYTES, Math.ceil(size / rules.partsMax / MIB) * MIB);
  }
  assert(index < rules.partsMax, "the parts reach the longest object");
  return PART_BYTES * 2 ** Math.floor(index / Math.ceil(rules.partsMax / DOUBLINGS));
}

/** How many parts of this length may be on their way at once. */
export function partsAtOnce(bytes: number): number {
  return Math.max(1, Math.floor(SENDING_BYTES_MAX / bytes));
}

/** Cuts chunks into parts; at least one, empty where there are no bytes. */
export async function* partsOf(
  chunks: AsyncIterable<Uint8Array>,
  lengthOf: (index: number) => number,
): AsyncGenerator<Part> {
  let index = 0, wanted = lengthOf(0), held = 0;
  let pieces: Uint8Array[] = [];
  for await (let chunk of chunks) {
    while (chunk.length > 0) {
      // A full part waits for what follows it, so that the last one is known as such.
      if (held === wanted) {
        yield { bytes: whole(pieces), index, isLast: false };
        [index, held, pieces] = [index + 1, 0, []];
        wanted = lengthOf(index);
      }
      const piece = chunk.subarray(0, wanted - held);
      pieces.push(piece);
      held += piece.length;
      chunk = chunk.subarray(piece.length);
    }
  }
  yield { bytes: whole(pieces), index, isLast: true };
}

/** A part of one chunk is not copied. */
function whole(pieces: readonly Uint8Array[]): Uint8Array {
  return pieces.length === 1 ? pieces[0] : joined(pieces);
}
