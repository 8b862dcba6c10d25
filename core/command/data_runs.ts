/** Zeros are looked for in pieces of this size: the largest unit in which filesystems make holes, and few tests per chunk. */
const PIECE_BYTES = 64 * 1024;

/** A stretch of a chunk. */
export interface DataRun {
  readonly from: number;
  readonly to: number;
}

/**
 * What of a chunk must be written into a file that is empty there: pieces of nothing but zeros are left out, so that
 * holes stay holes.
 */
export function dataRuns(chunk: Uint8Array): DataRun[] {
  const runs: DataRun[] = [];
  for (let from = 0; from < chunk.length; from += PIECE_BYTES) {
    const to = Math.min(chunk.length, from + PIECE_BYTES);
    if (isZero(chunk, from, to)) continue;
    const last = runs.at(-1);
    if (last?.to === from) runs[runs.length - 1] = { from: last.from, to };
    else runs.push({ from, to });
  }
  return runs;
}

function isZero(bytes: Uint8Array, from: number, to: number): boolean {
  for (let at = from; at < to; at++) if (bytes[at] !== 0) return false;
  return true;
}
