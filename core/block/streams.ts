import { VaultError } from "../errors.ts";
import { MEMBER_SEGMENTS_MAX } from "../limits.ts";
import type { MemberSpace } from "./member_space.ts";
import type { TakingOrder } from "./segment_order.ts";
import type { Spread } from "./spread.ts";

const NONE: ReadonlySet<number> = new Set();

/** A place being filled: a segment, its slots in their keyed order, and how far each size class has come. */
export interface Cursor {
  readonly segment: number;
  readonly slots: Uint8Array;
  readonly at: Int32Array;
}

/** What streams choose their segments from. */
export interface StreamsParts {
  readonly order: TakingOrder;
  members(): readonly MemberSpace[];
  /** How places of a thing are spread over the members that cells are taken on. */
  spreads(): readonly Spread[];
}

/**
 * Where cells are taken: a stream for each place of a block, so that its places lie apart, and those of successive blocks
 * side by side.
 */
export class Streams {
  private readonly parts: StreamsParts;
  private cursors: (Cursor | undefined)[] = [];

  constructor(parts: StreamsParts) {
    this.parts = parts;
  }

  /** Where a stream is; chosen for a run of so many cells where it is nowhere. */
  at(stream: number, count: number): Cursor {
    return this.cursors[stream] ?? this.advance(stream, count);
  }

  /** Every stream chooses anew: there are other members, or other segments to be taken. */
  forget(): void {
    this.cursors = [];
  }

  /**
   * Goes on to a segment that may hold a run of `count` cells: of no other stream and of a member that has as few of
   * them as there can be; failing that, of any stream. Throws ENOSPC when there is none.
   */
  advance(stream: number, count: number): Cursor {
    const others = new Set<number>();
    this.cursors.forEach((cursor, i) => {
      if (cursor !== undefined && i !== stream) others.add(cursor.segment);
    });
    const members = this.membersFor(stream);
    for (const avoided of others.size > 0 ? [others, NONE] : [NONE]) {
      for (const member of members) {
        const segment = member.find(count, avoided);
        if (segment !== undefined) return this.cursors[stream] = this.start(segment);
      }
    }
    throw new VaultError("unavailable", "Cannot store data: the vault is full", {
      errno: "ENOSPC",
    });
  }

  private start(segment: number): Cursor {
    return { segment, slots: this.parts.order.slots(segment), at: new Int32Array(2) };
  }

  /** Members that may take a stream, the best first: copies, which have the first streams, and then all places lie apart. */
  private membersFor(stream: number): readonly MemberSpace[] {
    const members = this.parts.members();
    if (members.length === 1) return members;
    const groups = this.parts.spreads().filter(({ places }) => stream < places);
    const rated = members.filter(({ takes }) => takes)
      .map((member) => {
        return { member, loads: groups.map(({ places }) => this.load(member, places, stream)) };
      })
      .filter(({ loads }) => loads.every((load, i) => load < groups[i].limit));
    rated.sort((a, b) => {
      const i = groups.findIndex((_, at) => a.loads[at] !== b.loads[at]);
      return i >= 0 ? a.loads[i] - b.loads[i] : room(b.member) - room(a.member);
    });
    return rated.map(({ member }) => member);
  }

  /** How many of the first `places` streams, without one, are on a member. */
  private load({ number }: MemberSpace, places: number, without: number): number {
    let load = 0;
    for (let i = 0; i < Math.min(places, this.cursors.length); i++) {
      const segment = i === without ? undefined : this.cursors[i]?.segment;
      if (segment !== undefined && Math.floor(segment / MEMBER_SEGMENTS_MAX) === number) load++;
    }
    return load;
  }
}

function room(member: MemberSpace): number {
  return member.freeCells() + member.grownCells();
}
