import type { MapEntry } from "../format/map_entry.ts";
import type { Problems } from "./check_report.ts";
import { IdRuns } from "./id_runs.ts";

/** Who has which block: every entry of the map is claimed exactly once. */
export class BlockClaims {
  private readonly nodes = new Map<number, MapEntry>();
  private readonly claimed = new Set<number>();
  private readonly data = new IdRuns();
  private readonly reached = new IdRuns();

  /** The map has a tree node. */
  addNode(id: number, entry: MapEntry): void {
    this.nodes.set(id, entry);
  }

  /** The map has a data block. */
  addData(id: number): void {
    this.data.add(id, 1);
  }

  /** The entry of a tree node. */
  node(id: number): MapEntry | undefined {
    return this.nodes.get(id);
  }

  /** Something has a tree node; false where something else has it already. */
  claimNode(id: number): boolean {
    if (this.claimed.has(id)) return false;
    this.claimed.add(id);
    return true;
  }

  /** Something has data blocks. */
  claimData(firstId: number, count: number): void {
    this.reached.add(firstId, count);
  }

  /** Something has blocks of either kind. */
  claim(firstId: number, count: number, problems: Problems): void {
    for (let id = firstId; id < firstId + count; id++) {
      if (!this.nodes.has(id)) this.claimData(id, 1);
      else if (!this.claimNode(id)) problems.add("shared", `tree node ${id} in two places`);
    }
  }

  /** Reports what is claimed twice; and unless nodes were `lost`, what is missing and what nothing has. */
  settle(problems: Problems, lost: boolean): void {
    const { data, reached } = this;
    reached.settle((id, n) => problems.add("shared", `${blocksOf(id, n)} in two places of files`));
    if (lost) return; // most would be missing or unreachable, and none of them wrongly so
    data.settle(() => {});
    reached.beyond(data, (id, n) => problems.add("missing", `${blocksOf(id, n)} of a file`));
    data.beyond(reached, (id, n) => problems.add("unreachable", `${blocksOf(id, n)} of no file`));
    for (const id of this.nodes.keys()) {
      if (!this.claimed.has(id)) problems.add("unreachable", `tree node ${id}`);
    }
  }
}

function blocksOf(firstId: number, count: number): string {
  return count === 1 ? `block ${firstId}` : `blocks ${firstId} to ${firstId + count - 1}`;
}
