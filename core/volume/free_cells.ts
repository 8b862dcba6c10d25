import { freeRuns } from "../block/segment_bitmap.ts";
import { isHole } from "../bytes.ts";
import { runCell, runCount } from "../format/space_record.ts";
import { CELL_BYTES, SEGMENT_CELLS, SLOT_CELLS } from "../limits.ts";
import type { Engine } from "./engine.ts";

/** Where free cells lie, and what may be done with them. */
export interface FreeCellsOptions {
  readonly engine: Engine;
  /** Overwritten cells are given back to the storage below: the vault is sparse. */
  readonly discards: boolean;
}

/**
 * Overwrites with random bytes what is free, so that nothing is left of what lay there. In a dense vault, segments that were
 * never used are left alone: a hidden vault may lie in them. In a sparse one they may have what a crash took back. Holes are
 * left. Yields the bytes that were written, after each segment.
 */
export function* overwriteFreeCells(options: FreeCellsOptions): Generator<number> {
  const { store: { space, dense }, noise } = options.engine;
  try {
    for (const { first, segments } of space.members) {
      for (let segment = first; segment < first + segments; segment++) {
        if (!dense || !space.isUnused(segment)) yield overwriteSegment(options, segment);
      }
    }
  } finally {
    noise.wipe();
  }
}

function overwriteSegment(
  { engine: { store: { space }, media, noise }, discards }: FreeCellsOptions,
  segment: number,
): number {
  const runs: { offset: number; length: number }[] = [];
  const present = new Uint8Array(SLOT_CELLS * CELL_BYTES);
  for (const run of freeRuns(space.bitmap(segment))) {
    const offset = (segment * SEGMENT_CELLS + runCell(run)) * CELL_BYTES;
    const length = runCount(run) * CELL_BYTES;
    const bytes = present.subarray(0, length);
    media.read(offset, bytes);
    if (isHole(bytes)) continue;
    media.write(offset, noise.take(length));
    runs.push({ offset, length });
  }
  if (runs.length === 0) return 0;
  if (discards) {
    // Else the noise may never arrive where the old bytes lie.
    media.sync();
    for (const { offset, length } of runs) media.discard(offset, length);
  }
  return runs.reduce((sum, { length }) => sum + length, 0);
}
