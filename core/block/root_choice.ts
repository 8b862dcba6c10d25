import { compare } from "../bytes.ts";
import type { RootRecord } from "../format/root_record.ts";
import type { Superblock } from "../format/superblock.ts";

/** The superblocks of both header copies of one member. */
export interface Ring {
  readonly member: number;
  /** Those that open; none of an earlier life as another member. */
  readonly superblocks: readonly Superblock[];
}

/**
 * Above zero where `a` is of a newer root. The member set's epoch counts first: who goes on without a member raises it,
 * so that what that member was written afterwards by others is older, whatever its sequence.
 */
export function compareRank(a: Superblock, b: Superblock): number {
  return a.memberEpoch - b.memberEpoch || a.sequence - b.sequence;
}

/** The newest of these; undefined where there is none. */
export function newestOf(superblocks: readonly Superblock[]): Superblock | undefined {
  return superblocks.toSorted(compareRank).at(-1);
}

/** What a medium says about itself: its number in the set, and its superblocks; null where it is no member. */
export function ringOf(found: readonly Superblock[]): Ring | null {
  const newest = newestOf(found);
  if (newest === undefined) return null;
  const { member } = newest;
  return { member, superblocks: found.filter((each) => each.member === member) };
}

/**
 * The roots that are named, newest first, each once. Those of the same epoch and sequence share a place: more than
 * one only where two parts of a vault were changed apart from each other.
 */
export function rankRoots(rings: readonly Ring[]): Superblock[][] {
  const sorted = rings.flatMap(({ superblocks }) => superblocks).sort((a, b) => compareRank(b, a));
  const ranks: Superblock[][] = [];
  for (const superblock of sorted) {
    const last = ranks.at(-1);
    if (last === undefined || compareRank(last[0], superblock) !== 0) ranks.push([superblock]);
    else if (!last.some((known) => isSameRoot(known, superblock))) last.push(superblock);
  }
  return ranks;
}

function isSameRoot(a: Superblock, b: Superblock): boolean {
  return compare(a.root, b.root) === 0;
}

/**
 * True where a member that this root counts on was given another root of the same rank: then this one was never
 * acknowledged, because that takes all of them.
 */
export function isContradicted(
  root: Superblock,
  { members }: RootRecord,
  rings: readonly Ring[],
): boolean {
  return rings.some(({ member, superblocks }) =>
    members.some(({ number, stale }) => number === member && !stale) &&
    superblocks.some((other) => compareRank(other, root) === 0 && !isSameRoot(other, root))
  );
}

/** Which members have the newest root, and which have missed more than it, so that they were away or were set back. */
export function standing(
  rings: readonly Ring[],
  root: Superblock,
  before: Superblock | undefined,
): { holders: number[]; behind: number[] } {
  const holders: number[] = [];
  const behind: number[] = [];
  for (const { member, superblocks } of rings) {
    const newest = newestOf(superblocks);
    if (superblocks.some((each) => compareRank(each, root) === 0 && isSameRoot(each, root))) {
      holders.push(member);
    } else if (
      newest === undefined || before === undefined || compareRank(newest, before) < 0
    ) behind.push(member);
  }
  return { holders, behind };
}
