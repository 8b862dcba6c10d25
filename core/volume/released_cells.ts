import type { Space } from "../block/space.ts";
import { runCell, runCount } from "../format/space_record.ts";
import { CELL_BYTES, SLOT_CELLS } from "../limits.ts";
import type { DirectAccess } from "../storage/storage_backend.ts";
import type { NoiseSource } from "./noise_source.ts";

/** Runs that wait: it bounds the memory that remembers them. */
const RUNS_MAX = 1 << 18;

/** Cells that came free and may be given back to the storage below. */
export class ReleasedCells {
  private readonly space: Space;
  private readonly medium: Pick<DirectAccess, "discard">;
  private runs: number[] = [];

  constructor(space: Space, medium: Pick<DirectAccess, "discard">) {
    this.space = space;
    this.medium = medium;
  }

  /** Notes a packed run. */
  add(run: number): void {
    this.runs.push(run);
    if (this.runs.length === RUNS_MAX) this.discard();
  }

  /** Gives those back that were not taken again. */
  discard(): void {
    const { space } = this;
    const runs = this.runs.sort((a, b) => a - b);
    this.runs = [];
    for (let i = 0; i < runs.length;) {
      const cell = runCell(runs[i]);
      let end = cell;
      while (i < runs.length && runCell(runs[i]) === end && space.isFree(end, runCount(runs[i]))) {
        end += runCount(runs[i++]);
      }
      if (end > cell) this.medium.discard(cell * CELL_BYTES, (end - cell) * CELL_BYTES);
      else i++;
    }
  }
}

/** Overwrites a run that is free with noise. */
export function eraseRun(
  { media, noise }: { readonly media: Pick<DirectAccess, "write">; readonly noise: NoiseSource },
  run: number,
): void {
  for (let cell = runCell(run), left = runCount(run); left > 0;) {
    const count = Math.min(left, SLOT_CELLS);
    media.write(cell * CELL_BYTES, noise.take(count * CELL_BYTES));
    cell += count;
    left -= count;
  }
}
