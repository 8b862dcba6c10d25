import type { BytesPart } from "../bytes.ts";
import type { PutRun, SealedContent } from "../block/block_writer.ts";
import type { CompressionTrials } from "../block/compression.ts";
import type { Kernel } from "../crypto/kernel.ts";
import type { Runtime } from "../runtime.ts";
import type { SpacePurpose } from "./space_admission.ts";

/**
 * What a volume gives to the filesystem above it: one ordered map of byte strings that is logged
 * and committed as a whole, and data blocks by id. Everything is synchronous; only durability waits.
 *
 * Mutations apply at once in memory, in order, and become durable together: `sync` makes all that
 * was applied so far durable through the intent log, `commit` writes a new root. A crash leaves a
 * prefix of the *groups*: everything between two ends of a group is applied as one or not at all.
 * `endGroup`, `sync` and `commit` end the group that is open; inside a transaction nothing but its end does.
 */
export interface VolumeStore {
  /** Run when the volume is wiped: whoever keeps clear text in kernel memory overwrites it. */
  readonly wipers?: (() => void)[];
  readonly kernel: Kernel;
  readonly runtime: Runtime;
  /** True where nothing can be written. Mutations then throw `denied` (EROFS). */
  readonly readOnly: boolean;
  /** True where reading notes no access times; undefined: as the filesystem is told. */
  readonly noatime?: boolean;
  /** True where data blocks are to be compressed; undefined: they are not. It may change at any time. */
  readonly compresses?: boolean;
  /** Which files are locked; none unless given. */
  readonly locks?: ContentLocks;
  /** Bytes of a full data block, a power of two, 4 KiB to 1 MiB. */
  readonly blockBytes: number;
  /** The volume's tree: every mutation goes to the intent log as well. */
  readonly tree: KeyValueTree;
  readonly blocks: DataBlocks;

  /**
   * A number never used before in this vault (48 bits), for an inode that is about to be made. 1 is the root directory. Throws
   * `unavailable` (EDQUOT) where a quota does not allow one more.
   */
  nextObjectId(): number;
  /** Makes a secret for a file that is about to be made: its blocks are put under it. Nobody has one unless given. */
  makeSecret?(ino: number): number;
  /** Keyed hash of a name: an integer below 2^44. The same name always gives the same hash. */
  hashName(name: Uint8Array): number;

  /**
   * Throws `unavailable` (ENOSPC) unless `cells` more cells can be taken. `purpose` "delete" may use the reserve
   * that keeps deleting possible on a full medium, and so may "kept" and "cut", which take what was set aside, or give as much back.
   * They are taken by blocks of `blockBytes`: full ones, unless it is said.
   */
  admit(cells: number, purpose: SpacePurpose, blockBytes?: number): void;
  /** Blocks with this id and later ones come free when they are replaced; undefined: of none it is known. */
  readonly ownFrom?: number;
  /** Blocks in unwritten extents: their space is kept for them. Undefined: nothing is. */
  readonly setAside?: number;
  /** So many more of those are dirty, and promised. */
  cover?(blocks: number): void;
  /** Cells that dirty data of the filesystem will need when it is put: add when dirtied, subtract when put. */
  promise(cells: number): void;
  /** For statfs. */
  space(): VolumeSpace;

  /** How many mutations were applied so far; undefined: nobody counts. */
  readonly applied?: number;
  /**
   * A change failed when a part of it had been applied already: the store takes no more changes, and nothing becomes durable that was
   * not yet, so that nobody finds half of it.
   */
  giveUp?(cause: unknown): void;

  /** Ends an atomic group: what was applied since the last call survives a crash whole or not at all. */
  endGroup(): void;
  /**
   * Ends the open group and makes everything that was applied durable (intent log). Inside a transaction it does nothing: what
   * is applied there becomes durable with the transaction's end, all at once. Throws where a write has failed before.
   */
  sync(): void | Promise<void>;
  /** Ends the open group and makes everything that was applied durable in a new root. Inside a transaction, as `sync`. */
  commit(): Promise<void>;
  /**
   * `flush` is called before every root commit so that the filesystem can put its dirty data and attributes; `reset`
   * after the tree has been put back to an older state, so that it forgets what is in memory only. The last hooks count.
   */
  setFlushHook(flush: () => void, reset?: () => void): void;
  /** Bytes of mutations since the last root: the filesystem's timer commits when it is above zero. */
  pendingBytes(): number;
}

/** Files whose content is sealed under a secret of their own: in a volume, its snapshots and clones alike. */
export interface ContentLocks {
  /** The line of these. */
  readonly line: number;
  /** True where the content of an inode can be read: it is not locked, or its secret is open. */
  mayRead(ino: number): boolean;
  /** True where it can be changed: it is not locked. */
  mayWrite(ino: number): boolean;
  /** The inline data of an inode that may be read, for what stands in the tree. */
  inline(ino: number, stored: Uint8Array): Uint8Array;
}

/** What there is in a volume, and how much more may come. */
export interface VolumeSpace {
  readonly totalCells: number;
  readonly freeCells: number;
  /** Where they are counted. */
  readonly inodes?: number;
  /** Of inodes that are counted: how many more there may be. */
  readonly freeInodes?: number;
}

/** An ordered map of byte strings, in lexicographic order. Keys up to 64 bytes, values up to 4,096. */
export interface KeyValueTree {
  /**
   * The value of `key`, or null. The result is a view into the tree's memory: it is valid until the next call on
   * the tree, so decode it or copy it at once.
   */
  get(key: Uint8Array): Uint8Array | null;
  /** Inserts or replaces. Copies both. */
  put(key: Uint8Array, value: Uint8Array): void;
  /** Removes; false where there was no such key. */
  delete(key: Uint8Array): boolean;
  /**
   * Visits entries with `from <= key` in order, until `visit` returns false. Key and value are views, valid during the
   * visit only. The tree must not be changed during the scan.
   */
  scan(from: Uint8Array, visit: (key: Uint8Array, value: Uint8Array) => boolean): void;
  /** The last entry with key <= `key`: calls `visit` with it and returns true, or returns false where there is none. */
  floor(key: Uint8Array, visit: (key: Uint8Array, value: Uint8Array) => void): boolean;
}

/** Sealed blocks of file data. An id's plaintext never changes; ids are never reused. */
export interface DataBlocks {
  /** Reserves `count` consecutive ids (integers below 2^53) and returns the first. */
  allocateIds(count: number): number;
  /**
   * Seals and stores the blocks of a run, maybe in the background. The memory at `run.address` must not
   * be read or changed until the ticket has settled: it may be compressed and sealed in place.
   */
  put(run: BlockRun): PutRun;
  /** True when the job of this ticket is finished. Never blocks. */
  settled(ticket: number): boolean;
  /** Waits (and helps) until the job of this ticket is finished; without a ticket: all jobs. */
  settle(ticket?: number): void;
  /**
   * Reads `count` blocks with consecutive ids: block i lands at `address + i * blockBytes`, zero-filled to
   * `blockBytes`. Throws `corrupt` (EIO) when a tag is wrong; other blocks of the run are then undefined.
   */
  get(firstId: number, count: number, address: number): void;
  /**
   * Opens a part of one block, both multiples of 256, at its place in the block's memory; all of the block is checked. False
   * where that does not pay: use `get`. What else the memory holds is unspecified.
   */
  getPart?(id: number, address: number, part: BytesPart): boolean;
  /**
   * Starts such a read in the background; null where that is not possible or does not pay: use `get`. Whole blocks
   * only, at most 16.
   */
  getLater?(firstId: number, count: number, address: number): PendingGet | null;
  /** Cells that blocks take as they are stored, parity left out. */
  cells(firstId: number, count: number): number;
  /** Forgets blocks; their cells rest and are then reused. */
  drop(firstId: number, count: number): void;
}

/** Blocks on their way into memory. */
export interface PendingGet {
  /** True when `finish` does not have to wait. */
  settled(): boolean;
  /** Waits (and helps), and throws `corrupt` (EIO) when a tag is wrong. Called once. */
  finish(): void;
}

/** Blocks that lie one behind another in kernel memory, each `blockBytes` long but the last. */
export interface BlockRun {
  readonly firstId: number;
  readonly count: number;
  /** Kernel memory, 64-byte aligned. The tail of the last block up to a whole cell is zeroed by `put`. */
  readonly address: number;
  /** Bytes of the last block, 1 to blockBytes. */
  readonly lastLength: number;
  /** Says which blocks to compress; none unless given. */
  readonly trials?: CompressionTrials;
  /** The run is one block, which comes sealed under the secret of its file. */
  readonly sealed?: SealedContent;
  /** Every block is sealed under this secret of its file first. */
  readonly secretId?: number;
}
