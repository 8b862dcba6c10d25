/** Sets of block ids as runs: files have consecutive ids, so that millions of blocks take few numbers. */
export class IdRuns {
  private firsts: number[] = [];
  private ends: number[] = [];

  /** Adds ids; in any order. */
  add(firstId: number, count: number): void {
    const last = this.ends.length - 1;
    if (last >= 0 && this.ends[last] === firstId) this.ends[last] = firstId + count;
    else {
      this.firsts.push(firstId);
      this.ends.push(firstId + count);
    }
  }

  /** Sorts and joins the runs; tells `twice` about ids that were added more than once. */
  settle(twice: (firstId: number, count: number) => void): void {
    const order = this.firsts.map((_, i) => i).sort((a, b) => this.firsts[a] - this.firsts[b]);
    const [firsts, ends] = [this.firsts, this.ends];
    this.firsts = [];
    this.ends = [];
    for (const i of order) {
      const end = this.ends.at(-1) ?? -Infinity;
      if (firsts[i] < end) twice(firsts[i], Math.min(end, ends[i]) - firsts[i]);
      const from = Math.max(firsts[i], end);
      if (from < ends[i]) this.add(from, ends[i] - from);
    }
  }

  /** Visits the runs of ids that are here but not in `others`. Both are settled. */
  beyond(others: IdRuns, visit: (firstId: number, count: number) => void): void {
    let other = 0;
    for (let i = 0; i < this.firsts.length; i++) {
      let from = this.firsts[i];
      const end = this.ends[i];
      while (from < end) {
        while (other < others.ends.length && others.ends[other] <= from) other++;
        const stop = other < others.firsts.length ? others.firsts[other] : Infinity;
        if (stop > from) visit(from, Math.min(stop, end) - from);
        from = Math.max(from, Math.min(end, others.ends[other] ?? Infinity));
      }
    }
  }
}
