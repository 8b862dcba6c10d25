import { MIB } from "../limits.ts";
import type { BlockOwner } from "../block/block_owner.ts";
import type { Kernel } from "../crypto/kernel.ts";
import type { Runtime } from "../runtime.ts";
import type { JoinedMedia } from "../storage/joined_media.ts";
import type { TreeStore } from "../tree/tree_store.ts";
import type { LoggedTree } from "./logged_tree.ts";

/** Mutations beyond this are made durable by a root instead of the log. */
export const LOG_BYTES_MAX = 4 * MIB;
/** Changed tree pages beyond this are written as a root at the end of the operation. */
export const DIRTY_BYTES_MAX = 24 * MIB;

/** What an engine stands on. */
export interface EngineParts {
  readonly kernel: Kernel;
  readonly runtime: Runtime;
  readonly media: JoinedMedia;
  readonly store: TreeStore;
  readonly layoutKey: Uint8Array;
  readonly readOnly: boolean;
  /** When free cells are given back to the storage below. */
  readonly discard: "never" | "asked" | "committed";
}

/** A volume that is open. */
export interface OpenTree {
  readonly tree: LoggedTree;
  /** Puts what is in memory only. */
  flush(): void;
  /** Forgets what is in memory only: the tree is not what it was. */
  reset(): void;
}

/** What ends with a transaction, one way or the other. */
export interface OpenTransaction {
  /** Runs that go when it is rolled back. */
  readonly puts: OwnedRun[];
  /** Runs that go when it is kept. */
  readonly drops: OwnedRun[];
}

/** A run of blocks, and whose it is. */
export interface OwnedRun {
  readonly firstId: number;
  readonly count: number;
  readonly owner: BlockOwner;
}
