import { MEMBER_SEGMENTS_MAX, SEGMENT_CELLS } from "../limits.ts";
import type { FreeCounts } from "./free_counts.ts";
import type { TakingOrder } from "./segment_order.ts";
import { UsableRuns } from "./usable_runs.ts";

/** A segment is preferred again when this many of its cells are free: long runs, fewer half-used segments. */
const RECYCLED_CELLS_MIN = SEGMENT_CELLS / 4;

/** How large a member is and may become. */
export interface MemberSize {
  readonly number: number;
  readonly segments: number;
  readonly segmentsMax: number;
  /** It was away: what lies there may be older than the map says, and nothing is put there. */
  readonly stale?: boolean;
}

/** What the segments of a member are chosen by. */
export interface MemberSpaceParts {
  readonly order: TakingOrder;
  readonly counts: FreeCounts;
  bitmap(segment: number): Uint16Array;
  /** True where a segment is kept for a hidden vault. */
  isKept(segment: number): boolean;
  /** True where a run of so many cells is free in the segment. */
  mayHold(segment: number, count: number): boolean;
  /** Makes the member this many segments long. */
  grow(member: number, segments: number): void;
}

/** The segments of one member: in which order they are taken, and how many runs in them are free. */
export class MemberSpace {
  readonly number: number;
  /** Its first segment, in the numbers of all members. */
  readonly first: number;
  segments: number;
  segmentsMax: number;
  /** It was away: what lies there may be older than the map says. The next root writes it down. */
  stale: boolean;
  /** A stale member is being brought up to date: cells are taken there again. */
  private isFilled = false;
  private readonly parts: MemberSpaceParts;
  private position = 0;
  /** Segments that have become usable again; taken before fresh ones. */
  private recycled: number[] = [];
  /** Cells are taken in so many of its segments only. */
  private confinedTo = MEMBER_SEGMENTS_MAX;
  /** How much is free in runs of the sizes that things take. */
  readonly usable: UsableRuns;

  constructor(size: MemberSize, parts: MemberSpaceParts) {
    this.number = size.number;
    this.first = size.number * MEMBER_SEGMENTS_MAX;
    this.segments = size.segments;
    this.segmentsMax = size.segmentsMax;
    this.stale = size.stale ?? false;
    this.parts = parts;
    this.usable = new UsableRuns({
      freeCells: (segment) =>
        this.allows(this.first + segment) ? parts.counts.of(this.first + segment) : 0,
      bitmap: (segment) => parts.bitmap(this.first + segment),
      segments: () => Math.min(this.segments, this.confinedTo),
      grownCells: () => this.grownCells(),
    });
  }

  /** The bitmap of a segment of all members' numbers has changed. */
  changed(segment: number): void {
    this.usable.changed(segment - this.first);
  }

  /** Takes cells in so many of its segments only from now on. */
  confine(segments: number): void {
    this.confinedTo = segments;
    this.usable.forget();
  }

  /** What a root says of it. */
  get size(): Required<MemberSize> {
    const { number, stale, segments, segmentsMax } = this;
    return { number, stale, segments, segmentsMax };
  }

  /** True where cells are taken here at all. */
  get takes(): boolean {
    return (!this.stale || this.isFilled) && this.confinedTo > 0;
  }

  /** What lies here may be older than the map says; cells are taken nevertheless where it is being brought up to date. */
  setStale(how: "left alone" | "filled" | "current"): void {
    this.stale = how !== "current";
    this.isFilled = how === "filled";
    this.usable.forget();
  }

  /** True where cells may be taken in a segment. */
  allows(segment: number): boolean {
    return this.takes && segment - this.first < this.confinedTo && !this.parts.isKept(segment);
  }

  /** Cells came free in a segment that had `before`. */
  freed(segment: number, before: number): void {
    const now = this.parts.counts.of(segment);
    if (before < RECYCLED_CELLS_MIN && now >= RECYCLED_CELLS_MIN) this.recycled.push(segment);
  }

  /** A segment that may hold a run of `count` cells and is none of those to avoid; grows where it has to. */
  find(count: number, avoided: ReadonlySet<number>): number | undefined {
    const recycled = this.takeRecycled(count, avoided);
    if (recycled !== undefined) return recycled;
    if (!this.takes) return undefined;
    const { counts, order, mayHold } = this.parts;
    // Two passes over the order: cells may have come free behind the position.
    let wraps = 0;
    for (let tried = 0; tried <= 2 * this.segments; tried++) {
      if (this.position >= this.segments) {
        this.position = 0;
        // After a whole pass, what is free is scattered in runs that are too short.
        if (this.growSome(++wraps > 1 ? "must" : "may")) tried = wraps = 0;
      }
      const segment = this.first + order.segmentAt(this.position++, this.segments);
      if (!this.allows(segment) || avoided.has(segment)) continue;
      if (counts.of(segment) >= count && mayHold(segment, count)) return segment;
    }
    return undefined;
  }

  private takeRecycled(count: number, avoided: ReadonlySet<number>): number | undefined {
    const kept: number[] = [];
    let found: number | undefined;
    while (found === undefined && this.recycled.length > 0) {
      const segment = this.recycled.pop()!;
      if (!this.allows(segment)) continue;
      if (avoided.has(segment)) kept.push(segment);
      else if (this.parts.counts.of(segment) >= count) found = segment;
    }
    this.recycled.push(...kept);
    return found;
  }

  /** Grows by an eighth: where it must, or where little is free. */
  private growSome(need: "must" | "may"): boolean {
    if (this.grownCells() === 0) return false;
    if (need === "may" && this.freeCells() > this.segments * SEGMENT_CELLS / 8) return false;
    const step = Math.max(4, Math.ceil(this.segments / 8));
    const segments = Math.min(this.segmentsMax, this.segments + step);
    this.parts.grow(this.number, segments);
    this.adopt(segments);
    return true;
  }

  /** Cells that can be taken without growing. */
  freeCells(): number {
    return this.takes ? this.parts.counts.totalOf(this.number) : 0;
  }

  /** Cells that growing would add. */
  grownCells(): number {
    if (!this.takes) return 0;
    return Math.max(0, Math.min(this.segmentsMax, this.confinedTo) - this.segments) * SEGMENT_CELLS;
  }

  /** The member is `segments` long already; the further ones are free. */
  adopt(segments: number): void {
    this.parts.counts.extend(this.first + this.segments, this.first + segments);
    this.segments = segments;
  }

  /** Forgets the segments from `segments` on, which are empty. */
  cut(segments: number): void {
    this.recycled = this.recycled.filter((segment) => segment - this.first < segments);
    this.parts.counts.remove(this.first + segments, this.first + this.segments);
    this.segments = segments;
    this.position = 0;
    this.usable.forget();
  }
}
