import type { MemberSpace } from "../block/member_space.ts";
import type { Space } from "../block/space.ts";
import { SEGMENT_BYTES, SEGMENT_CELLS } from "../limits.ts";
import type { JoinedMedia } from "../storage/joined_media.ts";

/** How long members have become since the newest root: what the intent log names may lie there. */
export class Growth {
  private readonly space: Space;
  private readonly media: JoinedMedia;

  constructor(space: Space, media: JoinedMedia) {
    this.space = space;
    this.media = media;
  }

  /** Segments that a member may have: how many a missing one has, nobody can say. */
  private roomOf({ number, segments, segmentsMax }: MemberSpace): number {
    const size = this.media.sizeOf(number);
    if (size === undefined) return segmentsMax;
    return Math.max(segments, Math.min(segmentsMax, Math.floor(size / SEGMENT_BYTES)));
  }

  /** True where a run of cells lies on a member as long as it is, whatever the newest root says. */
  holds(cell: number, count: number): boolean {
    const segment = Math.floor(cell / SEGMENT_CELLS);
    const member = this.space.memberAt(segment);
    return member !== undefined && segment < member.first + this.roomOf(member) &&
      cell % SEGMENT_CELLS + count <= SEGMENT_CELLS;
  }

  /** Takes over what members have grown by; a missing one as far as `reserve` then names cells. */
  adopt(): void {
    for (const member of this.space.members) {
      if (this.media.sizeOf(member.number) !== undefined) member.adopt(this.roomOf(member));
    }
  }

  /** Takes cells that no bitmap knows yet. */
  reserve(cell: number, count: number): void {
    const segment = Math.floor(cell / SEGMENT_CELLS);
    const member = this.space.memberAt(segment);
    const isMissing = member !== undefined && this.media.sizeOf(member.number) === undefined;
    if (isMissing && segment >= member.first + member.segments && this.holds(cell, count)) {
      member.adopt(segment + 1 - member.first);
    }
    this.space.reserve(cell, count);
  }
}
