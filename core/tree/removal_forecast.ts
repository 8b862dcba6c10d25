import type { DeadRun } from "../format/freeing_record.ts";
import type { Catalog, DeathRange, NumberedBranch, PlacedSnapshot } from "./catalog.ts";
import { Lineage, type LineageSource } from "./lineage.ts";

/**
 * Cells of the blocks that come free when these snapshots are deleted in this order: more than the sum of what each of
 * them has alone. As `DatasetRemoval` does it, without changing anything.
 */
export function forecastRemoval(catalog: Catalog, snapshots: readonly PlacedSnapshot[]): number {
  const forecast = new RemovalForecast(catalog);
  for (const snapshot of snapshots) forecast.remove(snapshot);
  return forecast.cells;
}

class RemovalForecast {
  cells = 0;
  private readonly rest: CatalogWithout;
  private readonly lineage: Lineage;
  /** Those that are deleted here but stay, because two or more datasets were made from them. */
  private readonly hidden = new Set<number>();

  constructor(catalog: Catalog) {
    this.rest = new CatalogWithout(catalog);
    this.lineage = new Lineage(this.rest);
  }

  remove(snapshot: PlacedSnapshot): void {
    const successors = this.lineage.successors(snapshot, 2);
    if (successors.length > 1) return void this.hidden.add(snapshot.sequence);
    const predecessor = this.lineage.predecessor(snapshot);
    this.cells += this.lineage.ownCells(snapshot);
    this.rest.without.add(snapshot.sequence);
    if (successors.length > 0 || predecessor === null || !this.isHidden(predecessor)) return;
    if (this.lineage.successors(predecessor, 2).length < 2) this.remove(predecessor);
  }

  private isHidden({ hidden, sequence }: PlacedSnapshot): boolean {
    return hidden || this.hidden.has(sequence);
  }
}

/**
 * A catalog as if some snapshots were not in it. Dead runs that went with them are still there: nobody asks for them, because
 * they were born before the predecessor of whoever would.
 */
class CatalogWithout implements LineageSource {
  /** Sequences name snapshots: a root makes one at most. */
  readonly without = new Set<number>();
  private readonly catalog: Catalog;

  constructor(catalog: Catalog) {
    this.catalog = catalog;
  }

  branch(id: number): NumberedBranch {
    return this.catalog.branch(id);
  }

  branches(): NumberedBranch[] {
    return this.catalog.branches();
  }

  snapshots(branch: number, from: number, visit: (found: PlacedSnapshot) => boolean): void {
    this.catalog.snapshots(
      branch,
      from,
      (snapshot) => this.without.has(snapshot.sequence) || visit(snapshot),
    );
  }

  newestSnapshot(branch: number, until: number): PlacedSnapshot | null {
    let found = this.catalog.newestSnapshot(branch, until);
    while (found !== null && this.without.has(found.sequence)) {
      found = this.catalog.newestSnapshot(branch, found.sequence - 1);
    }
    return found;
  }

  deadRuns(range: DeathRange, visit: (run: DeadRun) => boolean): void {
    this.catalog.deadRuns(range, visit);
  }
}
