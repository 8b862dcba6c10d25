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
import type { Redundancy } from "../format/redundancy.ts";
import { MEMBER_SEGMENTS_MAX, SEGMENT_CELLS, SEGMENT_SLOTS, SLOT_CELLS } from "../limits.ts";
import { FreeCounts } from "./free_counts.ts";
import { KeptSegments } from "./kept_segments.ts";
import { type MemberSize, MemberSpace, type MemberSpaceParts } from "./member_space.ts";
import { Resting } from "./resting.ts";
import {
  countFree,
  eachSlot,
  findFreeSlots,
  findRun,
  holdsRun,
  runMask,
} from "./segment_bitmap.ts";
import type { TakingOrder } from "./segment_order.ts";
import { type Spread, spreadRoom, spreads } from "./spread.ts";
import { type Cursor, Streams } from "./streams.ts";

/** Bitmaps kept in memory beside the changed ones; 128 bytes each. */
const BITMAPS_MAX = 4096;

/** What the space map needs from outside. */
export interface SpaceOptions {
  readonly order: TakingOrder;
  /** The space tree. Read lazily, written by {@linkcode Space.writeRecords} only. */
  readonly tree: Tree;
  /** The media that there are, in ascending order. */
  readonly members: readonly MemberSize[];
  /** How places of a thing are spread over members. */
  readonly redundancy: Redundancy;
  /** Makes a member this many segments long. */
  grow(member: number, segments: number): void;
}

/**
 * Which cells are taken (FORMAT.md §8). Cells are given out along the keyed order; given-up cells rest until three
 * later roots are durable, so that an older root can still be opened. Segments and cells are numbered through all members.
 */
export class Space {
  readonly counts: FreeCounts;
  readonly resting: Resting;
  /** Where cells are taken, in ascending order of their numbers. */
  members: readonly MemberSpace[];
  private readonly redundancy: Redundancy;
  private readonly order: TakingOrder;
  private readonly tree: Tree;
  private readonly parts: MemberSpaceParts;
  private readonly bitmaps = new Map<number, Uint16Array>();
  private readonly changed = new Set<number>();
  private readonly streams: Streams;
  /** Runs taken for nodes of map and space and for roots since the last root: marked one root later. */
  private takenLate: number[] = [];
  private kept: KeptSegments | null = null;
  /** While above zero, cells go on resting: a reader of an older root is at work. */
  holds = 0;

  constructor(options: SpaceOptions) {
    const { order, tree, grow } = options;
    this.redundancy = options.redundancy;
    this.order = order;
    this.tree = tree;
    this.counts = new FreeCounts(tree, (segment) => countFree(this.bitmap(segment)));
    this.resting = new Resting(tree);
    this.parts = {
      order,
      grow,
      counts: this.counts,
      isKept: (segment) => this.kept?.has(segment) === true,
      bitmap: (segment) => this.bitmap(segment),
      mayHold: (segment, count) => holdsRun(this.bitmap(segment), count),
    };
    this.streams = new Streams({
      order,
      members: () => this.members,
      spreads: () => this.spreads(),
    });
    this.members = options.members.map((size) => new MemberSpace(size, this.parts));
    for (const { first, segments } of this.members) this.counts.load(first, first + segments);
  }

  /** Another medium, whose cells are all free. */
  addMember(size: MemberSize): MemberSpace {
    const member = new MemberSpace(size, this.parts);
    this.counts.extend(member.first, member.first + member.segments);
    this.members = [...this.members, member].sort((a, b) => a.number - b.number);
    this.streams.forget();
    return member;
  }

  /** Takes whole segments at the start of a member. */
  reserveFirst({ first }: MemberSpace, segments: number): void {
    for (let s = first; s < first + segments; s++) this.reserve(s * SEGMENT_CELLS, SEGMENT_CELLS);
  }

  /** A member in which nothing is taken but its first segments is no more. The next root makes it durable. */
  removeMember(member: MemberSpace, first: number): void {
    assert(this.isEmptyFrom(member, first), "only empty members are removed");
    this.forgetFrom(member, 0);
    this.members = this.members.filter((other) => other !== member);
    this.streams.forget();
  }

  /** How places are spread over the members that cells are taken on. */
  private spreads(): readonly Spread[] {
    return spreads(this.redundancy, this.members.filter(({ takes }) => takes).length);
  }

  /** Room of all members together for things that are spread over them, where each has so much. */
  private roomOf(of: (member: MemberSpace) => number): number {
    if (this.members.length === 1) return of(this.members[0]);
    const each = this.members.filter(({ takes }) => takes).map(of);
    return Math.min(...this.spreads().map((spread) => spreadRoom(each, spread)));
  }

  /** Segments of all members. */
  get segments(): number {
    return this.members.reduce((sum, { segments }) => sum + segments, 0);
  }

  /** Segments that all members may grow to. */
  get segmentsMax(): number {
    return this.members.reduce((sum, { segmentsMax }) => sum + segmentsMax, 0);
  }

  /** Cells that can be taken, without growing. */
  get freeCells(): number {
    return this.roomOf((member) => member.freeCells()) - (this.kept?.cells ?? 0);
  }

  /** Cells that could be taken if the media grew to their limits. */
  get availableCells(): number {
    const kept = this.kept?.cells ?? 0;
    return this.roomOf((member) => member.freeCells() + member.grownCells()) - kept;
  }

  /** Cells that are taken, rest or are kept for a hidden vault. */
  get takenCells(): number {
    return this.segments * SEGMENT_CELLS - this.counts.total + (this.kept?.cells ?? 0);
  }

  /** How much is free in runs that things fit into, of all members: at least `enough`, or all there is. */
  usableCells(what: "forNodes" | "forSlots", enough: number): number {
    return this.roomOf(({ usable }) => Math.min(enough, usable[what](enough)));
  }

  /** Cells in runs of so many, likewise. */
  cellsInRuns(cells: number, enough: number): number {
    return this.roomOf(({ usable }) => Math.min(enough, usable.forRuns(enough, cells)));
  }

  /** The segment at a position of the keyed order of member 0. */
  segmentAt(position: number): number {
    return this.order.segmentAt(position, this.members[0].segments);
  }

  /** True where no cell of a segment was ever taken. */
  isUnused(segment: number): boolean {
    return !this.changed.has(segment) &&
      this.tree.get(spaceKey(SPACE_KEY.bitmap, segment)) === null;
  }

  /** Takes no cells in the segments of a hidden vault, which begin at this position of the keyed order. */
  keepFrom(first: number): void {
    const [{ segments, usable }] = this.members;
    this.kept = new KeptSegments(this.order, { first, segments }, (s) => this.isUnused(s));
    usable.forget();
  }

  /** True while segments are kept for a hidden vault. */
  get isKeeping(): boolean {
    return this.kept !== null;
  }

  /** The member that a segment belongs to, where there is one. */
  memberAt(segment: number): MemberSpace | undefined {
    const number = Math.floor(segment / MEMBER_SEGMENTS_MAX);
    return this.members.find((member) => member.number === number);
  }

  private member(segment: number): MemberSpace {
    const member = this.memberAt(segment);
    if (member === undefined) throw spaceError("no such member");
    return member;
  }

  /** Takes cells in so many segments of a member only from now on, so that what lies above can be moved away; in all unless given. */
  confine(member: MemberSpace, segments = MEMBER_SEGMENTS_MAX): void {
    member.confine(segments);
    this.streams.forget();
  }

  /** Says of a member whether what lies there may be older than the map says, and whether cells are taken there. */
  setStale(member: MemberSpace, how: Parameters<MemberSpace["setStale"]>[0]): void {
    member.setStale(how);
    this.streams.forget();
  }

  /** True where no cell of a member's segments from `from` on is taken or rests. */
  isEmptyFrom(member: MemberSpace, from: number): boolean {
    for (let s = from; s < member.segments; s++) {
      if (this.counts.of(member.first + s) < SEGMENT_CELLS) return false;
    }
    return true;
  }

  /** Forgets a member's segments from `from` on, which are empty. The next root makes it durable. */
  cut(member: MemberSpace, from: number): void {
    assert(this.isEmptyFrom(member, from), "only empty segments are cut off");
    this.forgetFrom(member, from);
  }

  private forgetFrom(member: MemberSpace, from: number): void {
    for (let s = member.first + from; s < member.first + member.segments; s++) {
      this.tree.delete(spaceKey(SPACE_KEY.bitmap, s));
      this.bitmaps.delete(s);
      this.changed.delete(s);
    }
    member.cut(from);
  }

  /** Takes `count` adjacent cells and returns the first. Streams lie in different segments while there are enough. */
  allocate(count: number, stream = 0): number {
    for (;;) {
      const cursor = this.streams.at(stream, count);
      const cell = count <= SLOT_CELLS
        ? this.takeRun(cursor, count)
        : this.takeSlots(cursor, count);
      if (cell >= 0) return cell;
      this.streams.advance(stream, count);
    }
  }

  /** Takes `count` adjacent cells for each of so many places, or nothing. */
  allocateApart(count: number, places: number): number[] {
    const cells: number[] = [];
    try {
      while (cells.length < places) cells.push(this.allocate(count, cells.length));
    } catch (error) {
      for (const cell of cells) this.release(packRun(cell, count));
      throw error;
    }
    return cells;
  }

  /** Takes cells for the copies of a node of map or space or of a root: written down in the root record. */
  allocateLate(count: number, copies: number): number[] {
    const cells = this.allocateApart(count, copies);
    for (const cell of cells) this.takenLate.push(packRun(cell, count));
    return cells;
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

  private takeSlots({ segment }: Cursor, count: number): number {
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
    this.member(segment).changed(segment);
  }

  /** Gives cells up for the root under construction. */
  free(cell: number, count: number): void {
    this.resting.add(packRun(cell, count));
  }

  /** Marks cells as taken that no bitmap knows yet: late ones, and what the intent log names. */
  reserve(cell: number, count: number): void {
    const segment = Math.floor(cell / SEGMENT_CELLS);
    const member = this.member(segment);
    if (segment >= member.first + member.segments) throw spaceError("cell beyond the end");
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
    this.member(segment).freed(segment, before);
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
