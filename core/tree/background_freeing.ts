import type { BlockStore } from "../block/block_store.ts";
import type { DeadRun, PendingRuns } from "../format/freeing_record.ts";
import type { Catalog } from "./catalog.ts";
import type { IdPages } from "./id_pages.ts";
import { TreeFreeing } from "./tree_freeing.ts";

/** Dead runs looked at in one go: those of other births are passed over, and may be many. */
const RUNS_PER_STEP = 4096;

/** Does pending work of the catalog, in order and in steps. A step is part of the root that is written next. */
export class BackgroundFreeing {
  private readonly catalog: Catalog;
  private readonly blocks: BlockStore;
  private readonly trees: TreeFreeing;

  constructor(catalog: Catalog, blocks: BlockStore, pages: IdPages) {
    this.catalog = catalog;
    this.blocks = blocks;
    this.trees = new TreeFreeing(blocks, pages);
  }

  /** True where work waits. */
  get waits(): boolean {
    return this.catalog.firstPending() !== null;
  }

  /** Frees up to about `budget` blocks of what is first; false where nothing waited. */
  step(budget: number): boolean {
    const first = this.catalog.firstPending();
    if (first === null) return false;
    const { number, work } = first;
    const rest = work.kind === "tree" ? this.trees.step(work, budget) : this.runs(work, budget);
    if (rest === null) this.catalog.deletePending(number);
    else this.catalog.putPending(number, rest);
    return true;
  }

  private runs(work: PendingRuns, budget: number): PendingRuns | null {
    const { runs, from, isEnd } = this.matching(work, budget);
    let left = budget;
    for (const run of runs) {
      if (left <= 0) return work;
      left = this.letGo(run, work.kind, left);
      if (left < 0) return work;
    }
    return isEnd ? null : { ...work, from };
  }

  /** Up to `most` runs that are to go. Those with deaths up to `from` are among them; `isEnd`: so are all others. */
  private matching(
    work: PendingRuns,
    most: number,
  ): { runs: DeadRun[]; from: number; isEnd: boolean } {
    const { bornAfter, bornUntil } = work;
    const runs: DeadRun[] = [];
    let [from, last, looked, isEnd] = [work.from, work.from, 0, true];
    this.catalog.deadRuns(work, (run) => {
      if (run.death > last) {
        from = last;
        last = run.death;
        isEnd = looked < RUNS_PER_STEP;
      }
      if (!isEnd) return false;
      looked++;
      if (run.birth > bornAfter && run.birth <= bornUntil) runs.push(run);
      isEnd = runs.length < most;
      return isEnd;
    });
    return { runs, from, isEnd };
  }

  /** Lets a run go, or as much of it as the budget allows; returns what is left of that, below zero where a rest stays. */
  private letGo(run: DeadRun, kind: "free" | "discard", budget: number): number {
    this.catalog.deleteDeadRun(run);
    if (kind === "discard") return budget - 1;
    const count = Math.min(run.count, budget);
    let cells = 0;
    for (let id = run.firstId; id < run.firstId + count; id++) cells += this.blocks.free(id);
    if (count === run.count) return budget - count;
    this.catalog.putDeadRun({
      ...run,
      firstId: run.firstId + count,
      count: run.count - count,
      cells: run.cells - cells,
    });
    return -1;
  }
}
