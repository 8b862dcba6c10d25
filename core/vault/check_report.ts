/** What a check can find. */
export type ProblemKind =
  | "damaged" // cells that do not open
  | "degraded" // shards or copies that do not open, of something that can be read all the same
  | "member" // a medium of the vault is missing or was away
  | "missing" // something refers to a block that the map does not have
  | "unreachable" // the map has a block that nothing refers to
  | "shared" // two things lie in the same cells, or two files have the same block
  | "space" // bitmaps, free counts or resting cells are not what is in use
  | "record" // records of the filesystem do not agree with each other
  | "catalog" // volumes and snapshots do not have the blocks that they are counted to have
  | "root"; // a newer root than the one in use, or no root, can be read

/** One thing that is wrong. */
export interface Problem {
  /** What kind of thing is wrong. */
  readonly kind: ProblemKind;
  /** In words. */
  readonly what: string;
  /** The file that it hurts, where that is known. */
  readonly path?: string;
}

/** What a check found. */
export interface CheckReport {
  /** Nothing is wrong. */
  readonly ok: boolean;
  /** Blocks that the map has, tree nodes among them. */
  readonly blocks: number;
  /** Shards and copies of those blocks. */
  readonly places: number;
  /** Blocks that the loss of one medium would take, where there are several. */
  readonly uncovered: number;
  /** Plaintext bytes of the data blocks that were opened. */
  readonly bytes: number;
  /** Regular files that names lead to. */
  readonly files: number;
  /** Directories, the root among them. */
  readonly directories: number;
  /** What is wrong, the first hundred. */
  readonly problems: readonly Problem[];
  /** Problems beyond those listed. */
  readonly more: number;
  /** Transactions that only the intent log has yet, and that were not looked at: of a vault that was not closed, opened for reading. */
  readonly unread: number;
}

/** Of something that can be read all the same. */
export function copiesLost(what: string, count: number): string {
  const parts = count === 1 ? "a copy or shard" : `${count} copies or shards`;
  return `${parts} of ${what} cannot be read`;
}

/** Problems that a report lists. */
const PROBLEMS_MAX = 100;

/** Collects problems, the first hundred of them in words. */
export class Problems {
  readonly list: Problem[] = [];
  more = 0;

  /** Adds one; `what` is only worded where it will be listed. */
  add(kind: ProblemKind, what: string, path?: string): void {
    if (this.list.length === PROBLEMS_MAX) this.more++;
    else this.list.push(path === undefined ? { kind, what } : { kind, what, path });
  }

  /** Adds all of another list. */
  addAll(others: Problems): void {
    for (const { kind, what, path } of others.list) this.add(kind, what, path);
    this.more += others.more;
  }
}
