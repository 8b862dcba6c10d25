import type { Catalog, DeathRange, NumberedBranch, PlacedSnapshot } from "./catalog.ts";

/** A tree that somebody can open: a snapshot, or the head of a branch, which comes after all its snapshots. */
export interface Dataset {
  readonly branch: number;
  /** Of a head: `HEAD`. */
  readonly sequence: number;
  readonly root: number;
  readonly cells: number;
  readonly snapshot: PlacedSnapshot | null;
}

/** What is read of a catalog. */
export type LineageSource = Pick<
  Catalog,
  "branch" | "branches" | "snapshots" | "newestSnapshot" | "deadRuns"
>;

/** What comes after every sequence. */
export const HEAD: number = Number.MAX_SAFE_INTEGER;

/** The dataset of a snapshot. */
export function datasetOf(snapshot: PlacedSnapshot): Dataset {
  const { branch, sequence, root, cells } = snapshot;
  return { branch, sequence, root, cells, snapshot };
}

/** The dataset of a branch's head. */
export function headOf({ id, root, cells }: NumberedBranch): Dataset {
  return { branch: id, sequence: HEAD, root, cells, snapshot: null };
}

/**
 * Which dataset came from which. A branch goes on from its origin on another branch, and that one from its own: deaths
 * and sequences ascend along this line, so that a branch keeps its origin although that snapshot is deleted.
 */
export class Lineage {
  private readonly catalog: LineageSource;

  /** The line of every dataset in a catalog. */
  constructor(catalog: LineageSource) {
    this.catalog = catalog;
  }

  /** The snapshot that a dataset was made from: the newest one below it that exists. */
  predecessor(dataset: { branch: number; sequence: number }): PlacedSnapshot | null {
    let { branch } = dataset;
    let until = dataset.sequence - 1;
    while (branch !== 0) {
      const found = this.catalog.newestSnapshot(branch, until);
      if (found !== null) return found;
      const { originBranch, originSequence } = this.catalog.branch(branch);
      branch = originBranch;
      until = originSequence;
    }
    return null;
  }

  /** The newest snapshot that the head of a branch was made from. */
  newestOf(branch: number): PlacedSnapshot | null {
    return this.predecessor({ branch, sequence: HEAD });
  }

  /** The first dataset of a branch with a sequence above `after`. */
  next(branch: NumberedBranch, after: number): Dataset | null {
    let found: Dataset | null = null;
    this.catalog.snapshots(branch.id, after + 1, (snapshot) => {
      found = datasetOf(snapshot);
      return false;
    });
    if (found !== null || branch.root === 0 || after === HEAD) return found;
    return headOf(branch);
  }

  /** The datasets that were made from a snapshot directly: up to `most` of them. */
  successors(snapshot: PlacedSnapshot, most: number): Dataset[] {
    const { branch, sequence } = snapshot;
    const found: Dataset[] = [];
    for (const other of this.catalog.branches()) {
      if (found.length === most) break;
      if (other.id !== branch && other.originBranch === 0) continue;
      const next = this.next(other, other.id === branch ? sequence : 0);
      if (next === null) continue;
      if (other.id !== branch) {
        const from = this.predecessor(next);
        if (from?.branch !== branch || from.sequence !== sequence) continue;
      }
      found.push(next);
    }
    return found;
  }

  /** Where the dead runs are written that lie between a sequence and a dataset on its line. */
  deaths(dataset: { branch: number; sequence: number }, after: number): DeathRange[] {
    const ranges: DeathRange[] = [];
    let { branch, sequence: to } = dataset;
    while (branch !== 0) {
      const { originBranch, originSequence } = this.catalog.branch(branch);
      const from = Math.max(after, originSequence);
      if (to > from) ranges.push({ branch, from, to });
      if (originSequence <= after) break;
      branch = originBranch;
      to = originSequence;
    }
    return ranges;
  }

  /** Cells of the predecessor's blocks that a dataset does not have any more. */
  deadCells(dataset: Dataset, predecessor: PlacedSnapshot | null): number {
    const { sequence: after } = predecessor ?? { sequence: 0 };
    // Runs of later births wait to be freed.
    return this.cellsOf(this.deaths(dataset, after), { above: 0, until: after });
  }

  /** Cells of a snapshot that nothing else has: what deleting it frees. */
  ownCells(snapshot: PlacedSnapshot): number {
    const dataset = datasetOf(snapshot);
    const predecessor = this.predecessor(dataset);
    const above = predecessor?.sequence ?? 0;
    const successors = this.successors(snapshot, 2);
    if (successors.length > 1) return 0;
    const [next] = successors;
    if (next === undefined) {
      return snapshot.cells - (predecessor?.cells ?? 0) + this.deadCells(dataset, predecessor);
    }
    const until = snapshot.sequence;
    return this.cellsOf(this.deaths(next, until), { above, until });
  }

  private cellsOf(ranges: readonly DeathRange[], births: { above: number; until: number }): number {
    let cells = 0;
    for (const range of ranges) {
      this.catalog.deadRuns(range, (run) => {
        if (run.birth > births.above && run.birth <= births.until) cells += run.cells;
        return true;
      });
    }
    return cells;
  }
}

/** The branch that the line of a branch began with: following its origin, and that one's, to the first. */
export function firstOfLine(catalog: Catalog, branch: number): number {
  for (let at = branch;;) {
    const { originBranch } = catalog.branch(at);
    if (originBranch === 0) return at;
    at = originBranch;
  }
}
