import { assert } from "../assert.ts";
import { VaultError } from "../errors.ts";
import { largestRun } from "../format/redundancy.ts";
import { CELL_BYTES, SEGMENT_CELLS } from "../limits.ts";
import type { TreeStore } from "../tree/tree_store.ts";
import {
  COMMIT_GAIN_CELLS,
  RESERVE_CELLS_MIN,
  reservedCells,
  RESTING_CELLS_MIN,
} from "./reserve.ts";
import type { Room } from "./room.ts";

/** Cells that are freed at once of what was deleted, where a vault is full (16 MiB). */
const FREED_CELLS = 4096;
/** Empty commits that let every resting cell go. */
const COMMITS_TO_RELEASE = 3;

/** Of the trees, for each block that is set aside: its entry in the map and its extent, in pages half full. */
const RECORD_BYTES_PER_BLOCK = 256;

/**
 * What cells are taken for: "write" leaves alone what is set aside and what keeps deleting possible; "kept" is data that space was set
 * aside for, or that replaces as much; "cut" is one block that is put at once, in place of a longer one.
 */
export type SpacePurpose = "write" | "kept" | "cut" | "delete";

/** What admission asks, and what it can do about a full vault. */
export interface SpaceAdmissionOptions {
  readonly store: TreeStore;
  readonly room: Room;
  /** False while no root may be written. */
  readonly mayCommit: () => boolean;
  /** Writes a root and gives back what came free. */
  readonly commit: () => void;
  /** Waits until everything that is queued is on the medium. */
  readonly settle: () => void;
  /** Frees a few of the blocks that were deleted but not freed yet; false where there are none. */
  readonly freeSome: () => boolean;
  /** Deletes something that is kept only while there is room for it, by a root; false where there is nothing. */
  readonly giveWay: () => boolean;
}

/** Cells on the media that are asked for, in blocks of so many bytes. */
interface Wanted {
  readonly cells: number;
  readonly blockBytes: number;
}

/** Says whether cells can be taken, so that nothing has to be refused when it is half done. */
export class SpaceAdmission {
  private readonly options: SpaceAdmissionOptions;
  private readonly room: Room;
  /** Cells on the media that dirty data will take, by bytes of a full block. */
  private readonly promises = new Map<number, number>();
  private promised = 0;
  /** Blocks that are dirty and were set aside, by bytes of a full one: they are promised already. */
  private readonly covered = new Map<number, number>();
  private isGivingWay = false;

  /** Over one vault. */
  constructor(options: SpaceAdmissionOptions) {
    this.options = options;
    this.room = options.room;
  }

  /** Cells that have to stay free for a root, and for what dirty data will take. */
  kept(): number {
    return this.promised + this.setAsideCells() + this.reserveCells("delete");
  }

  /** Cells on the media that are set aside, and what the trees take when they are written. */
  private setAsideCells(): number {
    const { store } = this.options;
    let cells = 0;
    for (const [blockBytes, blocks] of store.setAside.blocks) {
      cells += this.setAsideOf(blockBytes) +
        store.copies * Math.ceil(blocks * RECORD_BYTES_PER_BLOCK / CELL_BYTES);
    }
    return cells;
  }

  /** Cells on the media of blocks that are set aside and not dirty. */
  private setAsideOf(blockBytes: number): number {
    const { store } = this.options;
    const blocks = store.setAside.blocks.get(blockBytes) ?? 0;
    const left = Math.max(0, blocks - (this.covered.get(blockBytes) ?? 0));
    return Math.ceil(left * blockBytes / CELL_BYTES * store.storageRate(blockBytes));
  }

  /** So many more blocks that were set aside are dirty: their cells are promised. */
  cover(blocks: number, blockBytes: number): void {
    const left = (this.covered.get(blockBytes) ?? 0) + blocks;
    assert(left >= 0, "what is covered is uncovered once");
    this.covered.set(blockBytes, left);
  }

  private reserveCells(purpose: "write" | "delete" | "root"): number {
    const { store, store: { space, dirtyBytes, copies } } = this.options;
    let promisedBlocks = 0;
    for (const [blockBytes, cells] of this.promises) {
      promisedBlocks += cells / store.storageRate(blockBytes) * CELL_BYTES / blockBytes;
    }
    const room = space.segments * SEGMENT_CELLS + this.room.cells("delete");
    const capacity = Math.min(room, space.segmentsMax * SEGMENT_CELLS);
    return reservedCells({ dirtyBytes, promisedBlocks, capacity, copies }, purpose);
  }

  /**
   * Throws `unavailable` (ENOSPC) unless so many cells can be taken, in blocks of `blockBytes`; commits where that lets enough
   * go, and frees what was deleted.
   */
  admit(wanted: number, purpose: SpacePurpose, blockBytes: number): void {
    const cells = this.options.store.storedCells(wanted, blockBytes);
    if (this.holds({ cells, blockBytes }, purpose)) return;
    this.room.askAgain();
    while (!this.makeRoom({ cells, blockBytes }, purpose)) {
      if (this.freeDeleted(cells) || this.giveWay()) continue;
      if (this.holdsLast({ cells, blockBytes }, purpose)) return;
      throw full(this.room.isFullBelow);
    }
  }

  /** True where a root can still be written, and the block that is cut, which was refused by a margin for others. */
  private holdsLast({ cells, blockBytes }: Wanted, purpose: SpacePurpose): boolean {
    if (purpose !== "delete" && purpose !== "cut") return false;
    const isCut = purpose === "cut";
    if (isCut && this.waits && this.options.mayCommit()) this.options.commit();
    if (isCut && (this.waits || !this.hasRun(blockBytes))) return false;
    const least = (isCut ? cells : 0) + this.promised + this.reserveCells("root");
    return this.room.has(least, "delete") && this.backs(least, "delete");
  }

  /** Lets resting cells go, by commits, as far as that helps. */
  private makeRoom({ cells, blockBytes }: Wanted, purpose: SpacePurpose): boolean {
    // What a commit makes room for is enough for several changes, or every one of them would want a commit.
    const more = (gain: number) => ({ cells: cells + gain, blockBytes });
    for (let tries = 0; !this.holds(more(tries && COMMIT_GAIN_CELLS), purpose); tries++) {
      const mayHelp = tries < COMMITS_TO_RELEASE && this.options.mayCommit();
      if (!mayHelp || !this.mayGain(purpose)) return false;
      this.options.commit();
      this.room.askAgain();
    }
    return true;
  }

  /** Frees what was deleted, enough for several changes; false where nothing was. */
  private freeDeleted(cells: number): boolean {
    const { mayCommit, freeSome, store: { space: { resting } } } = this.options;
    if (!mayCommit()) return false;
    const enough = resting.cells + cells + FREED_CELLS;
    let isFreed = false;
    const nothing = { cells: 0, blockBytes: 0 };
    while (resting.cells < enough && this.holds(nothing, "delete") && freeSome()) isFreed = true;
    return isFreed;
  }

  private giveWay(): boolean {
    // What it takes is admitted too.
    if (this.isGivingWay || !this.options.mayCommit()) return false;
    this.isGivingWay = true;
    try {
      return this.options.giveWay();
    } finally {
      this.isGivingWay = false;
    }
  }

  /** True where so many cells of data can be written anew, which may use what is kept for deleting. */
  hasRoom(cells: number, blockBytes: number): boolean {
    const stored = this.options.store.storedCells(cells, blockBytes);
    return this.holds({ cells: stored, blockBytes }, "delete");
  }

  /** The same of a block of so many bytes, which needs its cells side by side. */
  hasBlockRoom(blockBytes: number): boolean {
    const cells = this.options.store.storedCells(blockBytes / CELL_BYTES, blockBytes);
    return this.holds({ cells, blockBytes }, "delete") && this.hasRuns({ cells, blockBytes });
  }

  private holds({ cells, blockBytes }: Wanted, purpose: SpacePurpose): boolean {
    const wanted = cells + this.promised + (purpose === "write" ? this.setAsideCells() : 0);
    const from = purpose === "write" ? "write" : "delete";
    if (!this.room.has(wanted + this.reserveCells(from), from)) return false;
    if (purpose !== "delete" && !this.hasAllRuns({ cells, blockBytes }, purpose)) return false;
    return this.backs(cells + this.promised + this.reserveCells("delete"), from);
  }

  /** What is queued was promised, and takes of what is kept when it is written: it is counted until then. */
  private backs(cells: number, purpose: "write" | "delete"): boolean {
    const { store: { blocks }, settle } = this.options;
    const queued = blocks.queuedCells;
    if (this.room.backs(cells + queued, purpose)) return true;
    if (queued === 0) return false;
    settle();
    return this.room.backs(cells, purpose);
  }

  /** True where a root with all that waits, and so many cells more, can be written, whatever others do to the storage below. */
  backsRoot(more: number): boolean {
    return this.backs(more + this.promised + this.reserveCells("root"), "delete");
  }

  /** True while data waits in memory. */
  get waits(): boolean {
    return this.promised > 0;
  }

  /** Nothing is under way: see {@linkcode Room.settle}. */
  settle(): void {
    const { queuedCells } = this.options.store.blocks;
    this.room.settle(queuedCells + this.promised + this.reserveCells("delete"));
  }

  /** Asked with every write, so that it collects nothing: each size is looked at where it is met first. */
  private hasAllRuns(wanted: Wanted, purpose: SpacePurpose): boolean {
    const { promises, options: { store: { setAside } } } = this;
    if (!this.hasPromisedRuns(wanted, purpose)) return false;
    for (const blockBytes of promises.keys()) {
      if (blockBytes === wanted.blockBytes) continue;
      if (!this.hasPromisedRuns({ cells: 0, blockBytes }, purpose)) return false;
    }
    if (purpose !== "write") return true;
    for (const blockBytes of setAside.blocks.keys()) {
      if (blockBytes === wanted.blockBytes || promises.has(blockBytes)) continue;
      if (!this.hasPromisedRuns({ cells: 0, blockBytes }, purpose)) return false;
    }
    return true;
  }

  /** True where cells for blocks of one size lie side by side: of so many more, of what is promised, and of what is set aside. */
  private hasPromisedRuns({ cells, blockBytes }: Wanted, purpose: SpacePurpose): boolean {
    const promised = (this.promises.get(blockBytes) ?? 0) + cells;
    const setAside = purpose === "write" ? this.setAsideOf(blockBytes) : 0;
    return this.hasRuns({ cells: promised, blockBytes }, setAside);
  }

  /**
   * True where cells for blocks of a size lie side by side. Nodes may break up as many runs that blocks would fit into before they are
   * asked for again; what is set aside is asked for with every change, so that it needs no such margin.
   */
  private hasRuns({ cells, blockBytes }: Wanted, setAside = 0): boolean {
    const wanted = (cells * CELL_BYTES < blockBytes ? 0 : 2 * cells) + setAside;
    return wanted === 0 || this.findsRuns(wanted, blockBytes);
  }

  private hasRun(blockBytes: number): boolean {
    const cells = blockBytes / CELL_BYTES * this.options.store.storageRate(blockBytes);
    return this.findsRuns(Math.ceil(cells), blockBytes);
  }

  private findsRuns(wanted: number, blockBytes: number): boolean {
    const { space, redundancy } = this.options.store;
    const run = largestRun(redundancy, blockBytes / CELL_BYTES);
    return space.cellsInRuns(run, wanted) >= wanted;
  }

  /** True where commits let enough go: what rests, but for what they let rest themselves, and what is reserved for them. */
  private mayGain(purpose: SpacePurpose): boolean {
    const { copies, space } = this.options.store;
    const resting = space.resting.cells - copies * RESTING_CELLS_MIN;
    const gain = resting + this.reserveCells("delete") - copies * RESERVE_CELLS_MIN;
    return gain > (purpose === "write" ? COMMIT_GAIN_CELLS : 0);
  }

  /** Cells that dirty data will need when it is put: added when it becomes dirty, taken off when it is put. */
  promise(cells: number, blockBytes: number): void {
    const stored = cells * this.options.store.storageRate(blockBytes);
    const left = (this.promises.get(blockBytes) ?? 0) + stored;
    assert(left >= 0, "promises are kept once");
    this.promised += stored;
    if (left > 0) this.promises.set(blockBytes, left);
    else this.promises.delete(blockBytes);
  }

  /** For statfs, in cells of data in blocks of `blockBytes`. */
  space(blockBytes: number): { totalCells: number; freeCells: number } {
    const kept = this.promised + this.setAsideCells() + this.reserveCells("write") +
      this.room.spareCells;
    const { store, store: { dense } } = this.options;
    return this.room.report(kept, { dense, storageRate: store.storageRate(blockBytes) });
  }
}

function full(isFullBelow: boolean): VaultError {
  const what = isFullBelow
    ? "the storage that the vault lies on is full; make room there"
    : "the vault is full; remove something or make it larger";
  return new VaultError("unavailable", `Cannot store data: ${what}`, { errno: "ENOSPC" });
}
