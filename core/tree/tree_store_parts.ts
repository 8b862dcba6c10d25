import type { MemberSize } from "../block/member_space.ts";
import type { NamedRoot, RootStore } from "../block/root_store.ts";
import type { SealContext } from "../block/seal_context.ts";
import type { TakingOrder } from "../block/segment_order.ts";
import type { Redundancy } from "../format/redundancy.ts";
import type { RootRecord } from "../format/root_record.ts";
import type { JoinedMedia } from "../storage/joined_media.ts";

/** Parts that outlive a store: made by the vault. */
export interface TreeStoreParts {
  readonly context: SealContext;
  readonly media: JoinedMedia;
  readonly roots: RootStore;
  readonly order: TakingOrder;
  /** Bytes of clean tree pages kept in memory. */
  readonly cacheBytes?: number;
}

/** Size and shape of a new store. */
export interface TreeStoreShape {
  readonly members: readonly MemberSize[];
  readonly blockBytes: number;
  /** Free cells hold noise and are never given back. */
  readonly dense?: boolean;
  /** One place for everything unless given. */
  readonly redundancy?: Redundancy;
}

/** A root that is written but not yet named by a superblock. */
export interface PreparedRoot {
  readonly sequence: number;
  readonly record: RootRecord;
  readonly superblock: NamedRoot;
  readonly hash: Uint8Array;
  /** Packed runs of the root record's copies. */
  readonly runs: readonly number[];
}
