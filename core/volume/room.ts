import { headerSegments } from "../block/kept_segments.ts";
import type { Space } from "../block/space.ts";
import { CELL_BYTES, SEGMENT_CELLS } from "../limits.ts";
import type { DirectAccess } from "../storage/storage_backend.ts";

/** Cells left to the storage below for roots and logs of what was admitted already (32 MiB). */
const MARGIN_CELLS_MAX = 8192;
/** Of a small storage below, this share. */
const MARGIN_SHARE = 1 / 16;
/** What deleting may use of the margin. */
const DELETE_SHARE = 3 / 4;
/** The storage below is asked again after so many questions, or when so many cells were taken. */
const QUESTIONS_MAX = 256;
const CELLS_MAX = 512;
/**
 * Cells in wholly free slots (8 MiB) that stay beside the segments of a protected hidden vault. Logs and nodes then never have
 * to make do with less than they like, which would tell that the vault was full although much of it was never used.
 */
const SPARE_CELLS = 2048;

/**
 * How many cells a sparse vault can still take: bounded by its own size and by what the storage below has left. A write
 * into a hole of a full disk would fail when it is too late to refuse it.
 */
export class Room {
  private readonly space: Space;
  private readonly medium: Pick<DirectAccess, "room"> | null;
  private below = Number.MAX_SAFE_INTEGER;
  private margin = 0;
  private questions = QUESTIONS_MAX;
  private askedAt = 0;

  /** `medium` is null where every cell of the vault is on the storage below already. */
  constructor(space: Space, medium: Pick<DirectAccess, "room"> | null) {
    this.space = space;
    this.medium = medium;
  }

  /** Cells that are free now, wherever they lie. */
  cells(purpose: "write" | "delete"): number {
    return Math.min(this.space.availableCells, this.cellsBelow(purpose));
  }

  /** For statfs, in cells of data: `kept` cells are spoken for, and each cell of data takes `storageRate` of them. */
  report(
    kept: number,
    { storageRate: rate, dense }: { storageRate: number; dense: boolean },
  ): { totalCells: number; freeCells: number } {
    const { space } = this;
    const free = Math.max(0, this.cells("write") + space.resting.cells - kept);
    const header = headerSegments(dense) * SEGMENT_CELLS * space.members.length;
    const used = space.takenCells - space.resting.cells - header;
    const total = Math.min(space.segmentsMax * SEGMENT_CELLS - header, used + free);
    return { totalCells: Math.floor(total / rate), freeCells: Math.floor(free / rate) };
  }

  /** True where so many cells can be taken now, in runs of a node's length. */
  has(cells: number, purpose: "write" | "delete"): boolean {
    const { space } = this;
    return space.usableCells("forNodes", cells) >= cells && this.cellsBelow(purpose) >= cells &&
      (purpose === "delete" || space.usableCells("forSlots", this.spareCells) >= this.spareCells);
  }

  /** Cells in whole slots that writing must leave free. */
  get spareCells(): number {
    return this.space.isKeeping ? SPARE_CELLS : 0;
  }

  private cellsBelow(purpose: "write" | "delete"): number {
    if (this.medium?.room === undefined) return Infinity;
    if (
      ++this.questions > QUESTIONS_MAX || Math.abs(this.askedAt - this.space.freeCells) > CELLS_MAX
    ) {
      this.ask();
    }
    const kept = purpose === "delete" ? this.margin * (1 - DELETE_SHARE) : this.margin;
    return Math.max(0, Math.floor(this.below - kept));
  }

  /** What the storage below has left is not what it was. */
  askAgain(): void {
    this.questions = QUESTIONS_MAX;
  }

  private ask(): void {
    const { freeBytes, totalBytes } = this.medium!.room!();
    this.questions = 0;
    this.askedAt = this.space.freeCells;
    this.below = freeBytes / CELL_BYTES;
    this.margin = Math.min(MARGIN_CELLS_MAX, MARGIN_SHARE * totalBytes / CELL_BYTES);
  }
}
