import type { PlacedSnapshot } from "../tree/catalog.ts";
import { treeState } from "../format/catalog_record.ts";
import { CELL_BYTES } from "../limits.ts";
import type { SnapshotStatus } from "./volume_status.ts";

/** What a change of the catalog takes. */
export interface CommitOptions {
  /** Beside those of its records. */
  readonly moreCells?: number;
  /** Undo states that may not give way for it. */
  readonly needs?: (state: PlacedSnapshot) => boolean;
}

/** Tells a snapshot from others. */
export function isSnapshot({ branch, sequence }: PlacedSnapshot) {
  return (other: PlacedSnapshot): boolean => other.branch === branch && other.sequence === sequence;
}

/** What a branch begins with that is made from a snapshot. */
export function branchFrom(snapshot: PlacedSnapshot) {
  const { branch, sequence } = snapshot;
  return { originBranch: branch, originSequence: sequence, ...treeState(snapshot) };
}

/** A snapshot as it is listed; so many cells only it has. */
export function snapshotStatus(
  { name, sequence, time, history, cells }: PlacedSnapshot,
  own: number,
): SnapshotStatus {
  return {
    name,
    sequence,
    time,
    history,
    referencedBytes: cells * CELL_BYTES,
    ownBytes: own * CELL_BYTES,
    sharedBytes: (cells - own) * CELL_BYTES,
  };
}
