import { headerSegments } from "../block/kept_segments.ts";
import type { Space } from "../block/space.ts";
import { CELL_BYTES, MIB, SEGMENT_CELLS } from "../limits.ts";
import type { Runtime } from "../runtime.ts";
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
/** Or when so long has passed: others write too. */
const ASK_MS = 500;
/** Where no more than this is left below (8 GiB), others could fill it up while data waits in memory: space is kept. */
const PLENTY_CELLS = 8192 * MIB / CELL_BYTES;
/** It is kept in steps of this (4 MiB). */
const KEPT_STEP_CELLS = 1024;
/** Of what is kept, writing leaves so many (4 MiB) for deleting. */
const KEPT_FOR_DELETING_CELLS = 1024;
/**
 * Cells in wholly free slots (8 MiB) that stay beside the segments of a protected hidden vault. Logs and nodes then never have
 * to make do with less than they like, which would tell that the vault was full although much of it was never used.
 */
const SPARE_CELLS = 2048;

/** What is asked of the media. */
export type RoomBelow = Pick<DirectAccess, "room" | "keptSpace">;

/**
 * How many cells a sparse vault can still take: bounded by its own size and by what the storage below has left. A write
 * into a hole of a full disk would fail when it is too late to refuse it.
 */
export class Room {
  private readonly space: Space;
  private readonly medium: RoomBelow | null;
  private readonly runtime: Runtime;
  private below = Number.MAX_SAFE_INTEGER;
  /** Cells that were kept below when that was asked for. */
  private kept = 0;
  private margin = 0;
  /** Space can be kept below. */
  private keeps = false;
  /** The medium has no holes. */
  private isWhole = () => false;
  private questions = QUESTIONS_MAX + 1;
  private askedAt = 0;
  private askedMs = 0;

  /** `medium` is null where every cell of the vault is on the storage below already. */
  constructor(space: Space, medium: RoomBelow | null, runtime: Runtime) {
    this.space = space;
    this.medium = medium;
    this.runtime = runtime;
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

  /** True where the storage below has less left than the vault. */
  get isFullBelow(): boolean {
    return this.cellsBelow("write") < this.space.availableCells;
  }

  /** Cells in whole slots that writing must leave free. */
  get spareCells(): number {
    return this.space.isKeeping ? SPARE_CELLS : 0;
  }

  private cellsBelow(purpose: "write" | "delete"): number {
    if (this.medium?.room === undefined) return Infinity;
    this.questions++;
    this.refresh();
    return Math.max(0, Math.floor(this.below + this.kept - this.left(purpose)));
  }

  /** Of what there is below, what a purpose leaves alone. */
  private left(purpose: "write" | "delete"): number {
    if (!this.keeps) return purpose === "delete" ? this.margin * (1 - DELETE_SHARE) : this.margin;
    return purpose === "delete" || this.below >= PLENTY_CELLS ? 0 : KEPT_FOR_DELETING_CELLS;
  }

  private refresh(): void {
    if (
      this.questions > QUESTIONS_MAX ||
      Math.abs(this.askedAt - this.space.freeCells) > CELLS_MAX ||
      Math.abs(this.runtime.now() - this.askedMs) > ASK_MS
    ) this.ask();
  }

  /**
   * True where so many cells can be written whatever others do meanwhile: there is plenty of room below, or it is kept. Writing
   * leaves what deleting takes.
   */
  backs(cells: number, purpose: "write" | "delete"): boolean {
    if (this.medium?.room === undefined) return true;
    this.refresh();
    if (this.below >= PLENTY_CELLS + cells) return true;
    if (this.isWhole() && this.space.freeCells >= cells) return true;
    const space = this.medium.keptSpace?.() ?? null;
    if (space === null) return this.below >= cells;
    const wanted = cells + (purpose === "write" ? KEPT_FOR_DELETING_CELLS : 0);
    if (space.bytes() >= wanted * CELL_BYTES) return true;
    const isKept = space.resize((wanted + KEPT_STEP_CELLS) * CELL_BYTES) ||
      space.resize(wanted * CELL_BYTES);
    this.askAgain();
    return isKept;
  }

  /** Between changes: keeps what the next ones take in any case, and lets go what nothing waits for any more. */
  settle(cells: number): void {
    if (this.medium?.room === undefined) return;
    this.refresh();
    const space = this.medium.keptSpace?.() ?? null;
    if (space === null) return;
    const wanted = this.below >= PLENTY_CELLS ? 0 : cells + 2 * KEPT_FOR_DELETING_CELLS;
    const held = space.bytes() / CELL_BYTES;
    if (held >= wanted && held <= 2 * wanted) return;
    space.resize(wanted * CELL_BYTES);
    this.askAgain();
  }

  /** What the storage below has left is not what it was. */
  askAgain(): void {
    this.questions = QUESTIONS_MAX + 1;
  }

  private ask(): void {
    const { freeBytes, totalBytes, isWhole = () => false } = this.medium!.room!();
    this.isWhole = isWhole;
    this.questions = 0;
    this.askedAt = this.space.freeCells;
    this.askedMs = this.runtime.now();
    this.below = freeBytes / CELL_BYTES;
    const space = this.medium!.keptSpace?.() ?? null;
    this.kept = (space?.bytes() ?? 0) / CELL_BYTES;
    this.keeps = space !== null;
    this.margin = Math.min(MARGIN_CELLS_MAX, MARGIN_SHARE * totalBytes / CELL_BYTES);
  }
}
