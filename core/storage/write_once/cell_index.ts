import { SEGMENT_CELLS } from "../../limits.ts";

/** Cells of the medium that lie one behind another in one object. */
export interface IndexedRun {
  /** First cell of the medium. */
  readonly cell: number;
  readonly count: number;
  readonly object: number;
  /** Where the first of them is in the object, in cells. */
  readonly offset: number;
}

/** Told of cells of an object that are of no use any more. */
export type Released = (object: number, count: number) => void;

/**
 * Which object holds which cell. Runs never overlap and never cross a segment; those of a segment are an array sorted by
 * cell. A run takes about 32 bytes: of a segment that was filled in order some 150 bytes in all, of the most
 * scattered one 32 KiB.
 */
export class CellIndex {
  readonly #segments = new Map<number, IndexedRun[]>();

  /** The run that holds a cell, or null. */
  find(cell: number): IndexedRun | null {
    const runs = this.#segments.get(Math.floor(cell / SEGMENT_CELLS));
    if (runs === undefined) return null;
    const run = runs[firstEndingAfter(runs, cell)];
    return run !== undefined && run.cell <= cell ? run : null;
  }

  /** True where any of these cells is in an object. */
  holdsAny(cell: number, count: number): boolean {
    for (const part of bySegment(cell, count)) {
      const runs = this.#segments.get(part.segment);
      const run = runs?.[firstEndingAfter(runs, part.cell)];
      if (run !== undefined && run.cell < part.cell + part.count) return true;
    }
    return false;
  }

  /** From now on these cells are in that object. */
  put(run: IndexedRun, released: Released): void {
    for (const { segment, cell, count } of bySegment(run.cell, run.count)) {
      const part = { cell, count, object: run.object, offset: run.offset + cell - run.cell };
      const runs = this.#segments.get(segment) ?? [];
      this.#segments.set(segment, runs);
      const at = cut(runs, part, released);
      const before = runs[at - 1];
      if (before !== undefined && continues(before, part)) {
        runs[at - 1] = { ...before, count: before.count + part.count };
      } else {
        runs.splice(at, 0, part);
      }
    }
  }

  /** From now on these cells are in no object. */
  drop(cell: number, count: number, released: Released): void {
    for (const part of bySegment(cell, count)) {
      const runs = this.#segments.get(part.segment);
      if (runs === undefined) continue;
      cut(runs, part, released);
      if (runs.length === 0) this.#segments.delete(part.segment);
    }
  }

  /** Drops every cell from this one on. */
  dropFrom(cell: number, released: Released): void {
    for (const segment of [...this.#segments.keys()]) {
      const end = (segment + 1) * SEGMENT_CELLS;
      const from = Math.max(cell, segment * SEGMENT_CELLS);
      if (from < end) this.drop(from, end - from, released);
    }
  }

  /** Every run, in ascending order of segments as they were first filled. */
  *runs(): Generator<IndexedRun> {
    for (const runs of this.#segments.values()) yield* runs;
  }
}

/** Splits cells at the borders of segments. */
function* bySegment(
  cell: number,
  count: number,
): Generator<{ segment: number; cell: number; count: number }> {
  for (let at = cell; at < cell + count;) {
    const segment = Math.floor(at / SEGMENT_CELLS);
    const end = Math.min(cell + count, (segment + 1) * SEGMENT_CELLS);
    yield { segment, cell: at, count: end - at };
    at = end;
  }
}

/** Index of the first run that ends behind `cell`. */
function firstEndingAfter(runs: readonly IndexedRun[], cell: number): number {
  let low = 0;
  let high = runs.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (runs[middle].cell + runs[middle].count <= cell) low = middle + 1;
    else high = middle;
  }
  return low;
}

function continues(before: IndexedRun, next: IndexedRun): boolean {
  return before.object === next.object && before.cell + before.count === next.cell &&
    before.offset + before.count === next.offset;
}

/** Takes cells out of the runs of one segment; returns where a run with them would go. */
function cut(
  runs: IndexedRun[],
  { cell, count }: { cell: number; count: number },
  released: Released,
): number {
  const end = cell + count;
  const from = firstEndingAfter(runs, cell);
  let to = from;
  const kept: IndexedRun[] = [];
  for (; to < runs.length && runs[to].cell < end; to++) {
    const run = runs[to];
    const runEnd = run.cell + run.count;
    if (run.cell < cell) kept.push({ ...run, count: cell - run.cell });
    if (runEnd > end) {
      kept.push({ ...run, cell: end, count: runEnd - end, offset: run.offset + end - run.cell });
    }
    released(run.object, Math.min(runEnd, end) - Math.max(run.cell, cell));
  }
  if (to > from) runs.splice(from, to - from, ...kept);
  return from + (kept.length > 0 && kept[0].cell < cell ? 1 : 0);
}
