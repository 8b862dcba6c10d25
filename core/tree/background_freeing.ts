import type { BlockStore } from "../block/block_store.ts";
import type { DeadRun, PendingRuns } from "../format/freeing_record.ts";
import type { Catalog } from "./catalog.ts";
import type { IdPages } from "./id_pages.ts";
import { TreeFreeing } from "./tree_freeing.ts";

/** Blocks freed in one group. Where every one has a map node of its own, the reserve of a full vault is enough for these. */
export const FREED_BLOCKS_PER_GROUP = 32;
/** Times that runs of other births are passed over in one go. */
const JUMPS_PER_STEP = 1024;

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

  /** Frees up to about `budget` blocks of what is first; false where nothing waited. Throws where something cannot be read. */
  step(budget: number): boolean {
    const first = this.catalog.firstPending();
    if (first === null) return false;
    const { number, work } = first;
    const { rest, failure } = work.kind === "tree"
      ? this.trees.step(work, budget)
      : { rest: this.runs(work, budget), failure: null };
    if (rest === null) this.catalog.deletePending(number);
    else this.catalog.putPending(number, rest);
    if (failure !== null) throw failure;
    return true;
  }

  private runs(work: PendingRuns, budget: number): PendingRuns | null {
    const { runs, from, isEnd } = this.matching(work, budget);
    let left = budget;
    for (const run of runs) {
      if (left > 0) left = this.letGo(run, work.kind, left);
      else left = -1;
      // All of earlier deaths are done.
      if (left < 0) return { ...work, from: Math.max(work.from, run.death - 1) };
    }
    return isEnd ? null : { ...work, from };
  }

  /**
   * Up to `most` runs that are to go, the first ones. Those with deaths up to `from` are among them; `isEnd`: so are all
   * others. Runs of other births are not looked at: they may be many.
   */
  private matching(
    work: PendingRuns,
    most: number,
  ): { runs: DeadRun[]; from: number; isEnd: boolean } {
    const { branch, to, bornAfter, bornUntil } = work;
    const runs: DeadRun[] = [];
    let from = work.from;
    let next: Parameters<Catalog["deadRunsFrom"]>[0] | null = null;
    const visit = (run: DeadRun) => {
      if (run.death > to) return false;
      from = Math.max(from, run.death - 1);
      if (run.birth <= bornAfter) next = { branch, death: run.death, birth: bornAfter + 1 };
      else if (run.birth > bornUntil) next = { branch, death: run.death + 1, birth: bornAfter + 1 };
      else runs.push(run);
      return next === null && runs.length < most;
    };
    this.catalog.deadRunsFrom({ branch, death: from + 1, birth: bornAfter + 1 }, visit);
    for (let jumps = 0; next !== null; jumps++) {
      if (jumps === JUMPS_PER_STEP) return { runs, from, isEnd: false };
      const place = next;
      next = null;
      this.catalog.deadRunsFrom(place, visit);
    }
    return { runs, from, isEnd: runs.length < most };
  }

  /** Lets a run go, or as much of it as the budget allows; returns what is left of that, below zero where a rest stays. */
  private letGo(run: DeadRun, kind: "free" | "discard", budget: number): number {
    this.catalog.deleteDeadRun(run);
    if (kind === "discard") return budget - 1;
    const most = Math.min(run.count, budget);
    let [count, cells] = [0, 0];
    try {
      for (; count < most; count++) cells += this.blocks.free(run.firstId + count);
    } finally {
      // What is left of it, also where a block cannot be freed.
      const rest = { firstId: run.firstId + count, count: run.count - count };
      if (rest.count > 0) this.catalog.putDeadRun({ ...run, ...rest, cells: run.cells - cells });
    }
    return count === run.count ? budget - count : -1;
  }
}
