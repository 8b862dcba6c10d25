import type { MapEntry } from "../format/map_entry.ts";
import type { Problems } from "./check_report.ts";
import { MapIds, RankBits, RankBytes } from "./map_ids.ts";
import { TreeNodes } from "./tree_nodes.ts";

/** Runs of missing blocks that are remembered until it is known whether they count. */
const MISSING_MAX = 100;

interface Run {
  readonly firstId: number;
  readonly count: number;
}

/**
 * Who has which block: every entry of the map is claimed exactly once. A byte and two bits for each block, and the nodes'
 * entries.
 */
export class BlockClaims {
  private readonly ids = new MapIds();
  private readonly nodes = new TreeNodes();
  private readonly isNode = new RankBits();
  private readonly claimed = new RankBits();
  /** Cells of data blocks as they are stored, less one. */
  private readonly storedCells = new RankBytes();
  private readonly missing: Run[] = [];
  private missingMore = 0;

  /** The map has a tree node; false where ids do not ascend. */
  addNode(id: number, entry: Uint8Array): boolean {
    const rank = this.ids.add(id);
    if (rank < 0) return false;
    this.isNode.set(rank);
    this.nodes.add(id, entry);
    return true;
  }

  /** The map has a data block of so many cells; false where ids do not ascend. */
  addData(id: number, cells: number): boolean {
    const rank = this.ids.add(id);
    if (rank >= 0) this.storedCells.set(rank, cells - 1);
    return rank >= 0;
  }

  /** Cells of the data blocks that the map has of these. */
  cells(firstId: number, count: number): number {
    let cells = 0;
    const end = firstId + count;
    for (let id = this.ids.next(firstId); id < end; id = this.ids.next(id + 1)) {
      cells += this.storedCells.at(this.ids.rank(id)) + 1;
    }
    return cells;
  }

  /** The entry of a tree node. */
  node(id: number): MapEntry | undefined {
    return this.nodes.get(id);
  }

  /** Something has a tree node; false where something else has it already, or there is none. */
  claimNode(id: number): boolean {
    const rank = this.ids.rank(id);
    return rank >= 0 && this.isNode.has(rank) && this.claimed.set(rank);
  }

  /** Something has data blocks. */
  claimData(firstId: number, count: number, problems: Problems): void {
    const end = firstId + count;
    for (let id = firstId; id < end; id++) {
      const next = Math.min(end, this.ids.next(id));
      if (next > id) this.addMissing({ firstId: id, count: next - id });
      if (next === end) return;
      id = next;
      const rank = this.ids.rank(id);
      if (this.isNode.has(rank)) this.addMissing({ firstId: id, count: 1 });
      else if (!this.claimed.set(rank)) {
        problems.add("shared", `block ${id} in two places of files`);
      }
    }
  }

  private addMissing(run: Run): void {
    if (this.missing.length < MISSING_MAX) this.missing.push(run);
    else this.missingMore++;
  }

  /** Something has blocks of either kind. */
  claim(firstId: number, count: number, problems: Problems): void {
    for (let id = firstId; id < firstId + count; id++) {
      const rank = this.ids.rank(id);
      if (rank < 0 || !this.isNode.has(rank)) this.claimData(id, 1, problems);
      else if (!this.claimed.set(rank)) problems.add("shared", `tree node ${id} in two places`);
    }
  }

  /** Unless nodes were `lost`, reports what is missing and what nothing has. */
  settle(problems: Problems, lost: boolean): void {
    if (lost) return; // most would be missing or unreachable, and none of them wrongly so
    for (const { firstId, count } of this.missing) {
      problems.add("missing", `${blocksOf(firstId, count)} of a file`);
    }
    for (let i = 0; i < this.missingMore; i++) problems.add("missing", "blocks of a file");
    const { claimed, ids } = this;
    for (let rank = 0; (rank = claimed.nextClear(rank, ids.count)) < ids.count; rank++) {
      const id = ids.id(rank);
      if (this.isNode.has(rank)) problems.add("unreachable", `tree node ${id}`);
      else problems.add("unreachable", `block ${id} of no file`);
    }
  }
}

function blocksOf(firstId: number, count: number): string {
  return count === 1 ? `block ${firstId}` : `blocks ${firstId} to ${firstId + count - 1}`;
}
