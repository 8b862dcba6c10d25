import { runCell, runCount } from "../format/space_record.ts";
import { MEMBER_SEGMENTS_MAX, SEGMENT_CELLS, SEGMENT_SLOTS } from "../limits.ts";
import type { MemberSize } from "./member_space.ts";
import { eachSlot } from "./segment_bitmap.ts";

/** Which cells something lies in, counted from what refers to them: 128 bytes for each segment in use. */
export class CellCensus {
  private readonly members: readonly MemberSize[];
  private readonly bitmaps = new Map<number, Uint16Array>();

  /** A census of these media. */
  constructor(members: readonly MemberSize[]) {
    this.members = members;
  }

  /** True where every cell of the run is a place on the medium. */
  holds(cell: number, count: number): boolean {
    const segment = Math.floor(cell / SEGMENT_CELLS);
    const number = Math.floor(segment / MEMBER_SEGMENTS_MAX);
    const member = this.members.find((each) => each.number === number);
    return count > 0 && member !== undefined && segment % MEMBER_SEGMENTS_MAX < member.segments &&
      cell % SEGMENT_CELLS + count <= SEGMENT_CELLS;
  }

  /** Counts a run; false where some of its cells were counted already. */
  add(cell: number, count: number): boolean {
    const bitmap = this.bitmap(Math.floor(cell / SEGMENT_CELLS));
    let isFirst = true;
    eachSlot(cell % SEGMENT_CELLS, count, (slot, mask) => {
      if ((bitmap[slot] & mask) !== 0) isFirst = false;
      bitmap[slot] |= mask;
    });
    return isFirst;
  }

  /** The same for a packed run. */
  addRun(run: number): boolean {
    return this.add(runCell(run), runCount(run));
  }

  private bitmap(segment: number): Uint16Array {
    let bitmap = this.bitmaps.get(segment);
    if (bitmap === undefined) {
      bitmap = new Uint16Array(SEGMENT_SLOTS);
      this.bitmaps.set(segment, bitmap);
    }
    return bitmap;
  }

  /** The cells counted in a segment, as a bitmap. */
  of(segment: number): Uint16Array {
    return this.bitmaps.get(segment) ?? NOTHING;
  }
}

const NOTHING = new Uint16Array(SEGMENT_SLOTS);

/** How many bits of `a` are not in `b`. */
export function countBeyond(a: Uint16Array, b: Uint16Array): number {
  let count = 0;
  for (let slot = 0; slot < SEGMENT_SLOTS; slot++) {
    for (let rest = a[slot] & ~b[slot]; rest !== 0; rest &= rest - 1) count++;
  }
  return count;
}
