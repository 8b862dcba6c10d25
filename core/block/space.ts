import { assert } from "../assert.ts";
import type { Tree } from "../btree/tree.ts";
import { VaultError } from "../errors.ts";
import {
  BITMAP_BYTES,
  decodeBitmap,
  encodeU16,
  packRun,
  runCell,
  runCount,
  SPACE_KEY,
  spaceKey,
} from "../format/space_record.ts";
import { SEGMENT_CELLS, SEGMENT_SLOTS, SLOT_CELLS } from "../limits.ts";
import { FreeCounts } from "./free_counts.ts";
import { KeptSegments } from "./kept_segments.ts";
import { Resting } from "./resting.ts";
import { countFree, eachSlot, findFreeSlots, findRun, runMask } from "./segment_bitmap.ts";
import type { TakingOrder } from "./segment_order.ts";
import { UsableRuns } from "./usable_runs.ts";

/** Bitmaps kept in memory beside the changed ones; 128 bytes each. */
const BITMAPS_MAX = 4096;
/** A segment is preferred again when this many of its cells are free: long runs, fewer half-used segments. */
const RECYCLED_CELLS_MIN = SEGMENT_CELLS / 4;

/** What the space map needs from outside. */
export interface SpaceOptions {
  readonly order: TakingOrder;
  /** The space tree. Read lazily, written by {@linkcode Space.writeRecords} only. */
  readonly tree: Tree;
  readonly segments: number;
  /** The medium may grow to so many segments. */
  readonly segmentsMax: number;
  /** Cells of a full data block. */
  readonly blockCells?: number;
  /** Makes the medium this many segments long. */
  grow(segments: number): void;
}

/** A place being filled: a segment, its slots in their keyed order, and how far each size class has come. */
interface Cursor {
  readonly segment: number;
  readonly slots: Uint8Array;
  readonly at: Int32Array;
}

/**
 * Which cells are taken (FORMAT.md §8). Cells are given out along the keyed order; given-up cells rest until three
 * later roots are durable, so that an older root can still be opened.
 */
export class Space {
  readonly counts: FreeCounts;
  readonly resting: Resting;
  readonly usable: UsableRuns;
  segments: number;
  segmentsMax: number;
  private readonly order: TakingOrder;
  private readonly tree: Tree;
  private readonly grow: (segments: number) => void;
  private readonly bitmaps = new Map<number, Uint16Array>();
  private readonly changed = new Set<number>();
  private cursor: Cursor | null = null;
  private position = 0;
  /** Segments that have become usable again; taken before fresh ones. */
  private recycled: number[] = [];
  /** Runs taken for nodes of map and space and for roots since the last root: marked one root later. */
  private takenLate: number[] = [];
  /** Cells are taken in segments below this one only. */
  private confinedTo = Number.MAX_SAFE_INTEGER;
  private kept: KeptSegments | null = null;
  /** While above zero, cells go on resting: a reader of an older root is at work. */
  holds = 0;

  constructor(options: SpaceOptions) {
    this.order = options.order;
    this.tree = options.tree;
    this.segments = options.segments;
    this.segmentsMax = options.segmentsMax;
    this.grow = options.grow;
    this.counts = new FreeCounts(options.tree, options.segments);
    this.resting = new Resting(options.tree);
    this.usable = new UsableRuns({
      blockCells: options.blockCells ?? 1,
      freeCells: (segment) => this.mayTake(segment) ? this.counts.of(segment) : 0,
      bitmap: (segment) => this.bitmap(segment),
      segments: () => Math.min(this.segments, this.confinedTo),
      grownCells: () =>
        Math.max(0, Math.min(this.segmentsMax, this.confinedTo) - this.segments) * SEGMENT_CELLS,
    });
  }

  /** Cells that can be taken, without growing. */
  get freeCells(): number {
    return this.counts.total - (this.kept?.cells ?? 0);
  }

  /** Cells that could be taken if the medium grew to its limit. */
  get availableCells(): number {
    return this.freeCells + (this.segmentsMax - this.segments) * SEGMENT_CELLS;
  }

  /** Takes cells below `segments` only from now on, so that what lies above can be moved away and cut off. */
  confine(segments: number): void {
    this.confinedTo = segments;
    this.usable.forget();
    if (this.cursor !== null && this.cursor.segment >= segments) this.cursor = null;
  }

  /** Takes cells everywhere again. */
  unconfine(): void {
    this.confinedTo = Number.MAX_SAFE_INTEGER;
    this.usable.forget();
  }

  private mayTake(segment: number): boolean {
    return segment < this.confinedTo && !this.kept?.has(segment);
  }

  /** The segment at a position of the keyed order. */
  segmentAt(position: number): number {
    return this.order.segmentAt(position, this.segments);
  }

  /** True where no cell of a segment was ever taken. */
  isUnused(segment: number): boolean {
    return !this.changed.has(segment) &&
      this.tree.get(spaceKey(SPACE_KEY.bitmap, segment)) === null;
  }

  /** Takes no cells in the segments of a hidden vault, which begin at this position of the keyed order. */
  keepFrom(first: number): void {
    const { segments } = this;
    this.kept = new KeptSegments(this.order, { first, segments }, (s) => this.isUnused(s));
    this.usable.forget();
  }

  /** True while segments are kept for a hidden vault. */
  get isKeeping(): boolean {
    return this.kept !== null;
  }

  /** True where no cell of any segment from `segments` on is taken or rests. */
  isEmptyFrom(segments: number): boolean {
    for (let s = segments; s < this.segments; s++) {
      if (this.counts.of(s) < SEGMENT_CELLS) return false;
    }
    return true;
  }

  /** Forgets the segments from `segments` on, which are empty. The next root makes it durable. */
  cut(segments: number): void {
    assert(this.isEmptyFrom(segments), "only empty segments are cut off");
    for (let s = segments; s < this.segments; s++) {
      this.tree.delete(spaceKey(SPACE_KEY.bitmap, s));
      this.bitmaps.delete(s);
      this.changed.delete(s);
    }
    this.recycled = this.recycled.filter((segment) => segment < segments);
    this.segments = segments;
    this.position = 0;
    this.counts.shrink(segments);
    this.usable.forget();
  }

  /** Takes `count` adjacent cells and returns the first. */
  allocate(count: number): number {
    for (;;) {
      this.cursor ??= this.nextSegment(count);
      const cell = count <= SLOT_CELLS ? this.takeRun(this.cursor, count) : this.takeSlots(count);
      if (cell >= 0) return cell;
      this.cursor = this.nextSegment(count);
    }
  }

  /** Takes up to `most` adjacent cells, a power of two, and returns the packed run: fewer where free ones lie apart. */
  allocateUpTo(most: number, mark: "late" | "logged"): number {
    for (let count = most;; count /= 2) {
      try {
        const cell = mark === "late" ? this.allocateLate(count) : this.allocate(count);
        return packRun(cell, count);
      } catch (error) {
        const isFull = error instanceof VaultError && error.errno === "ENOSPC";
        if (!isFull || count === 1) throw error;
      }
    }
  }

  /** Takes cells for a node of map or space or a root: written down in the root record. */
  allocateLate(count: number): number {
    const cell = this.allocate(count);
    this.takenLate.push(packRun(cell, count));
    return cell;
  }

  /** The runs taken late so far. */
  lateRuns(): readonly number[] {
    return this.takenLate;
  }

  private takeRun(cursor: Cursor, count: number): number {
    const bitmap = this.bitmap(cursor.segment);
    const sizeClass = count < 4 ? 0 : 1;
    for (let i = cursor.at[sizeClass]; i < SEGMENT_SLOTS; i++) {
      const slot = cursor.slots[i];
      const first = findRun(bitmap[slot], count);
      if (first < 0) continue;
      cursor.at[sizeClass] = i;
      bitmap[slot] |= runMask(first, count);
      this.took(cursor.segment, count);
      return cursor.segment * SEGMENT_CELLS + slot * SLOT_CELLS + first;
    }
    return -1;
  }

  private takeSlots(count: number): number {
    const { segment } = this.cursor!;
    const bitmap = this.bitmap(segment);
    const slot = findFreeSlots(bitmap, Math.ceil(count / SLOT_CELLS));
    if (slot < 0) return -1;
    const first = slot * SLOT_CELLS;
    eachSlot(first, count, (at, mask) => bitmap[at] |= mask);
    this.took(segment, count);
    return segment * SEGMENT_CELLS + first;
  }

  private took(segment: number, count: number): void {
    this.count(segment, -count);
  }

  private count(segment: number, freed: number): void {
    this.counts.add(segment, freed);
    this.changed.add(segment);
    this.usable.changed(segment);
  }

  /** The next segment that may hold a run of `count` cells. Throws ENOSPC when there is none. */
  private nextSegment(count: number): Cursor {
    for (;;) {
      const segment = this.recycled.pop();
      if (segment === undefined) break;
      if (!this.mayTake(segment)) continue;
      if (this.counts.of(segment) >= count) return this.startSegment(segment);
    }
    // Two passes over the order: cells may have come free behind the position.
    let wraps = 0;
    for (let tried = 0; tried <= 2 * this.segments; tried++) {
      if (this.position >= this.segments) {
        this.position = 0;
        // After a whole pass, what is free is scattered in runs that are too short.
        if (this.growSome(++wraps > 1 ? "must" : "may")) tried = wraps = 0;
      }
      const segment = this.order.segmentAt(this.position++, this.segments);
      if (!this.mayTake(segment)) continue;
      if (this.counts.of(segment) >= count && this.mayHold(segment, count)) {
        return this.startSegment(segment);
      }
    }
    throw new VaultError("unavailable", "Cannot store data: the vault is full", {
      errno: "ENOSPC",
    });
  }

  private mayHold(segment: number, count: number): boolean {
    const bitmap = this.bitmap(segment);
    if (count > SLOT_CELLS) return findFreeSlots(bitmap, Math.ceil(count / SLOT_CELLS)) >= 0;
    return bitmap.some((bits) => findRun(bits, count) >= 0);
  }

  private startSegment(segment: number): Cursor {
    return { segment, slots: this.order.slots(segment), at: new Int32Array(2) };
  }

  /** Grows the medium by an eighth: where it must, or where little is free. */
  private growSome(need: "must" | "may"): boolean {
    if (this.segments >= Math.min(this.segmentsMax, this.confinedTo)) return false;
    if (need === "may" && this.counts.total > this.segments * SEGMENT_CELLS / 8) return false;
    const step = Math.max(4, Math.ceil(this.segments / 8));
    this.growTo(Math.min(this.segmentsMax, this.segments + step));
    return true;
  }

  /** Makes the medium `segments` long; the new ones are free. */
  growTo(segments: number): void {
    this.grow(segments);
    this.adopt(segments);
  }

  /** The medium is `segments` long already. */
  adopt(segments: number): void {
    assert(segments >= this.segments, "growing");
    this.segments = segments;
    this.counts.extend(segments);
  }

  /** Gives cells up for the root under construction. */
  free(cell: number, count: number): void {
    this.resting.add(packRun(cell, count));
  }

  /** Marks cells as taken that no bitmap knows yet: late ones, and what the intent log names. */
  reserve(cell: number, count: number): void {
    const segment = Math.floor(cell / SEGMENT_CELLS);
    if (segment >= this.segments) throw spaceError("cell beyond the end");
    const bitmap = this.bitmap(segment);
    const before = countFree(bitmap);
    eachSlot(cell % SEGMENT_CELLS, count, (slot, mask) => bitmap[slot] |= mask);
    this.count(segment, countFree(bitmap) - before);
  }

  /** True where every cell of the run is free: its content may be thrown away. */
  isFree(cell: number, count: number): boolean {
    const bitmap = this.bitmap(Math.floor(cell / SEGMENT_CELLS));
    let free = true;
    eachSlot(cell % SEGMENT_CELLS, count, (slot, mask) => {
      if ((bitmap[slot] & mask) !== 0) free = false;
    });
    return free;
  }

  /** Makes cells usable again whose rest is over. */
  private release(run: number): void {
    const cell = runCell(run);
    const segment = Math.floor(cell / SEGMENT_CELLS);
    const bitmap = this.bitmap(segment);
    eachSlot(cell % SEGMENT_CELLS, runCount(run), (slot, mask) => {
      if ((bitmap[slot] & mask) !== mask) throw spaceError("cell given up twice");
      bitmap[slot] &= ~mask;
    });
    const before = this.counts.of(segment);
    this.count(segment, runCount(run));
    if (before < RECYCLED_CELLS_MIN && before + runCount(run) >= RECYCLED_CELLS_MIN) {
      this.recycled.push(segment);
    }
  }

  /** The bitmap of a segment; the header's segments are never free. */
  bitmap(segment: number): Uint16Array {
    const known = this.bitmaps.get(segment);
    if (known !== undefined) return known;
    if (this.bitmaps.size >= BITMAPS_MAX) this.forgetBitmaps();
    const stored = this.tree.get(spaceKey(SPACE_KEY.bitmap, segment));
    const bitmap = stored === null ? new Uint16Array(SEGMENT_SLOTS) : decodeBitmap(stored);
    this.bitmaps.set(segment, bitmap);
    return bitmap;
  }

  private forgetBitmaps(): void {
    for (const segment of this.bitmaps.keys()) {
      if (!this.changed.has(segment)) this.bitmaps.delete(segment);
    }
  }

  /** Puts everything that changed into the space tree, as part of the root of this sequence. */
  writeRecords(sequence: number): void {
    this.resting.write(sequence);
    for (const segment of this.changed) {
      const bitmap = this.bitmap(segment);
      assert(bitmap.byteLength === BITMAP_BYTES, "a bitmap covers a segment");
      this.tree.put(spaceKey(SPACE_KEY.bitmap, segment), encodeU16(bitmap));
    }
    this.changed.clear();
    this.counts.write();
  }

  /**
   * The root of this sequence is written: what it took and gave up late is carried over to the next one. What is given
   * up from now on is still part of it, so it rests one root longer.
   */
  rootWritten(sequence: number): void {
    this.takenLate = [];
    this.resting.keepLate(sequence);
  }

  /** The root of this sequence is durable: cells whose rest is over can be used. Calls `released` with each run. */
  rootDurable(sequence: number, released: (run: number) => void): void {
    if (this.holds > 0) return;
    for (const run of this.resting.due(sequence)) {
      this.release(run);
      released(run);
    }
  }
}

function spaceError(what: string): VaultError {
  return new VaultError("corrupt", `Cannot use the space map: ${what}; run "check"`);
}
