/**
 * Moving the blocks of a file into the seal of its own secret, or out of it, in bounded steps; and overwriting what they
 * leave behind. At each `yield` nothing is half done.
 *
 * @module
 */
import { isFull } from "../errors.ts";
import { placeCells } from "../format/map_entry.ts";
import { CELL_BYTES } from "../limits.ts";
import type { Engine } from "./engine.ts";
import type { IdRange } from "./file_blocks.ts";
import { overwriteFreeCells } from "./free_cells.ts";
import { releaseOrWait, releaseResting, writeRoot } from "./passes.ts";
import { eraseRun } from "./released_cells.ts";

/** Blocks of one step. */
const BLOCKS_PER_STEP = 16;
/** Cells written until a root makes them durable and lets their old places rest. */
const CELLS_PER_ROOT = 2048;

/** How far it is. */
export interface ResealStep {
  readonly stage: "sealing" | "erasing";
  readonly doneBytes: number;
  readonly totalBytes: number;
  /** Bytes that the step wrote. */
  readonly writtenBytes: number;
}

/** What becomes of the blocks. */
export interface ResealOrder {
  readonly ranges: readonly IdRange[];
  /** The secret that seals them, which is in use; null: none any more. */
  readonly secretId: number | null;
  /** Zeros take the place of what they held. */
  readonly blank: boolean;
}

/** Seals every block of the ranges anew; ends with a root. Blocks that were given up meanwhile are left out. */
export async function* reseal(engine: Engine, order: ResealOrder): AsyncGenerator<ResealStep> {
  const { blocks, blockBytes } = engine.store;
  const count = order.ranges.reduce((sum, { first, end }) => sum + end - first, 0);
  let [done, cells] = [0, 0];
  for (const { first, end } of order.ranges) {
    for (let from = first; from < end;) {
      if (engine.inTransaction) {
        yield stepOf({ done, count, blockBytes }, 0);
        continue;
      }
      const to = Math.min(end, from + BLOCKS_PER_STEP);
      let written = 0;
      for (let id = from; id < to; id++) {
        const entry = blocks.entry(id);
        if (entry === null || !resealOne(engine, id, order)) continue;
        written += placeCells(entry) * entry.places.length;
      }
      done += to - from;
      from = to;
      cells += written;
      if (cells >= CELLS_PER_ROOT) {
        await writeRoot(engine);
        cells = 0;
      }
      yield stepOf({ done, count, blockBytes }, written);
    }
  }
}

function stepOf(
  { done, count, blockBytes }: { done: number; count: number; blockBytes: number },
  cells: number,
): ResealStep {
  const [doneBytes, totalBytes] = [done * blockBytes, count * blockBytes];
  return { stage: "sealing", doneBytes, totalBytes, writtenBytes: cells * CELL_BYTES };
}

/** Where there is no room, what moved before may have to come free first. */
function resealOne(engine: Engine, id: number, { secretId, blank }: ResealOrder): boolean {
  let isChanged = false;
  const move = () =>
    engine.moving(id, (blocks) => void (isChanged = blocks.reseal(id, secretId, blank)));
  try {
    move();
  } catch (error) {
    if (!isFull(error)) throw error;
    releaseResting(engine);
    move();
  }
  return isChanged;
}

/** What of the medium is overwritten. */
export interface EraseOrder {
  /** All that is free, not only what came free while the engine erased. */
  readonly allFree: boolean;
  /** What is overwritten is given back to the storage below afterwards. */
  readonly discards: boolean;
}

/**
 * Lets everything rest out that was given up by now, while the engine erases what comes free; then overwrites what else is free,
 * where that is asked for, and makes it durable.
 */
export async function* eraseFreed(engine: Engine, order: EraseOrder): AsyncGenerator<ResealStep> {
  const { space } = engine.store;
  const totalBytes = order.allFree ? space.freeCells * CELL_BYTES : 0;
  let doneBytes = 0;
  const step = (writtenBytes: number): ResealStep => {
    doneBytes += writtenBytes;
    return { stage: "erasing", doneBytes, totalBytes, writtenBytes };
  };
  while (!await releaseOrWait(engine)) yield step(0);
  if (order.allFree) {
    const { discards } = order;
    for (const bytes of overwriteFreeCells({ engine, discards })) yield step(bytes);
    // Chunks of the log that were taken meanwhile may not have been written to their ends.
    while (!await releaseOrWait(engine)) yield step(0);
    for (const run of engine.store.log.unwritten()) eraseRun(engine, run);
  }
  yield step(0);
  engine.media.sync();
  engine.noise.wipe();
  engine.discardReleased();
}
