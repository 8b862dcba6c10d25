import { NO_HEAD } from "../format/catalog_record.ts";
import type { Catalog, PlacedSnapshot } from "./catalog.ts";
import { type Dataset, datasetOf, headOf, Lineage } from "./lineage.ts";

/**
 * Takes snapshots and heads out of the catalog. What only they had becomes pending work, so that this
 * takes a few records however large they are. Part of one root.
 */
export class DatasetRemoval {
  private readonly catalog: Catalog;
  private readonly lineage: Lineage;
  /** Deaths of the root under construction: later ones are of no concern. */
  private readonly sequence: number;

  constructor(catalog: Catalog, sequence: number) {
    this.catalog = catalog;
    this.lineage = new Lineage(catalog);
    this.sequence = sequence;
  }

  /** Removes a snapshot; while two or more datasets were made from it, it is only hidden. */
  removeSnapshot(snapshot: PlacedSnapshot): void {
    const successors = this.lineage.successors(snapshot, 2);
    if (successors.length > 1) {
      this.catalog.putSnapshot({ ...snapshot, name: "", hidden: true });
      return;
    }
    const [successor] = successors;
    const dataset = datasetOf(snapshot);
    if (successor === undefined) return this.removeLast(dataset);
    const bornAfter = this.lineage.predecessor(dataset)?.sequence ?? 0;
    const bornUntil = snapshot.sequence;
    this.addRuns("free", successor, { after: bornUntil, bornAfter, bornUntil });
    this.forget(dataset);
  }

  /** Removes the head of a branch. */
  removeHead(branch: number): void {
    this.removeLast(headOf(this.catalog.branch(branch)));
  }

  /** Removes what nothing was made from: the rest of its tree goes, and its dead runs are of no use to anybody. */
  private removeLast(dataset: Dataset): void {
    const predecessor = this.lineage.predecessor(dataset);
    const bornAfter = predecessor?.sequence ?? 0;
    // A root that the predecessor has as well was never changed.
    if (this.bornAt(dataset) > bornAfter) {
      const { root } = dataset;
      const firstId = predecessor?.nextBlockId ?? 0;
      const cursor = new Uint8Array(0);
      this.catalog.addPending({ kind: "tree", root, bornAfter, firstId, cursor, skip: 0 });
    }
    const bornUntil = bornAfter;
    this.addRuns("discard", dataset, { after: bornAfter, bornAfter: 0, bornUntil });
    this.forget(dataset);
    if (predecessor?.hidden && this.lineage.successors(predecessor, 2).length < 2) {
      this.removeSnapshot(predecessor);
    }
  }

  private bornAt({ branch, snapshot }: Dataset): number {
    return snapshot?.birth ?? this.catalog.branch(branch).birth;
  }

  private addRuns(
    kind: "free" | "discard",
    dataset: Dataset,
    runs: { after: number; bornAfter: number; bornUntil: number },
  ): void {
    const { after, bornAfter, bornUntil } = runs;
    for (const { branch, from, to: end } of this.lineage.deaths(dataset, after)) {
      const to = Math.min(end, this.sequence);
      const range = { branch, from, to };
      let isEmpty = true;
      this.catalog.deadRuns(range, () => isEmpty = false);
      if (!isEmpty) this.catalog.addPending({ kind, ...range, bornAfter, bornUntil });
    }
  }

  /** Takes a dataset out of its branch, and the branch out where that was its last use. */
  private forget({ branch: id, sequence, snapshot }: Dataset): void {
    if (snapshot !== null) this.catalog.deleteSnapshot(id, sequence);
    else this.catalog.putBranch(id, { ...this.catalog.branch(id), ...NO_HEAD });
    this.forgetUnused(id);
  }

  private forgetUnused(id: number): void {
    for (let next = id; next !== 0;) {
      const branch = this.catalog.branch(next);
      const isUsed = this.lineage.next(branch, 0) !== null ||
        this.catalog.branches().some(({ originBranch }) => originBranch === branch.id);
      if (isUsed) return;
      this.catalog.deleteBranch(branch.id);
      next = branch.originBranch;
    }
  }
}
