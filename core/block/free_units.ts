import { SEGMENT_SLOTS, SLOT_CELLS } from "../limits.ts";
import { freeRuns } from "./segment_bitmap.ts";
import { runCount } from "../format/space_record.ts";

/** Not counted, or changed since. */
const UNKNOWN = 0xffff;

/** What is counted: free runs of so many cells, in the segments below `segments()`. */
export interface UnitSource {
  readonly cells: number;
  /** Free cells of a segment: without them, its bitmap is not loaded. */
  freeCells(segment: number): number;
  bitmap(segment: number): Uint16Array;
  segments(): number;
}

/**
 * How many runs of a size are free: free cells that lie apart are of no use to what takes several side by side. Counted
 * lazily, and only as far as a question needs it; 2 bytes for each segment that was counted.
 */
export class FreeUnits {
  private readonly source: UnitSource;
  private counts = new Uint16Array(0);
  private known = 0;
  /** Segments below were counted once. */
  private seen = 0;
  private stale: number[] = [];

  constructor(source: UnitSource) {
    this.source = source;
  }

  /** The bitmap of a segment has changed. */
  changed(segment: number): void {
    if (segment >= this.seen || this.counts[segment] === UNKNOWN) return;
    this.known -= this.counts[segment];
    this.counts[segment] = UNKNOWN;
    this.stale.push(segment);
  }

  /** Other segments count from now on. */
  forget(): void {
    this.known = this.seen = 0;
    this.stale = [];
  }

  /** Free runs: at least `enough`, or all there are. Each is enough for one thing of up to the size. */
  count(enough: number): number {
    while (this.known < enough) {
      const segment = this.stale.pop() ?? this.unseen();
      if (segment === undefined) break;
      this.counts[segment] = this.countOrAgain(segment);
      this.known += this.counts[segment];
    }
    return this.known;
  }

  private unseen(): number | undefined {
    if (this.seen >= this.source.segments()) return undefined;
    if (this.seen === this.counts.length) {
      const counts = new Uint16Array(this.counts.length * 2 + 16);
      counts.set(this.counts);
      this.counts = counts;
    }
    return this.seen++;
  }

  /** A bitmap that cannot be read is asked for again. */
  private countOrAgain(segment: number): number {
    try {
      return this.countIn(segment);
    } catch (error) {
      this.counts[segment] = UNKNOWN;
      this.stale.push(segment);
      throw error;
    }
  }

  private countIn(segment: number): number {
    const { cells } = this.source;
    if (this.source.freeCells(segment) < cells) return 0;
    const bitmap = this.source.bitmap(segment);
    if (cells > SLOT_CELLS) return countSlotRuns(bitmap, Math.ceil(cells / SLOT_CELLS));
    let units = 0;
    for (const run of freeRuns(bitmap)) units += Math.floor(runCount(run) / cells);
    return units;
  }
}

function countSlotRuns(bitmap: Uint16Array, slots: number): number {
  let units = 0;
  for (let slot = 0, run = 0; slot < SEGMENT_SLOTS; slot++) {
    run = bitmap[slot] === 0 ? run + 1 : 0;
    if (run < slots) continue;
    units++;
    run = 0;
  }
  return units;
}
