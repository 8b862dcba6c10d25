import { memberOf } from "../format/place.ts";
import type { Redundancy } from "../format/redundancy.ts";

/** How the places of a thing are spread over members. */
export interface Spread {
  /** Places of each. */
  readonly places: number;
  /** Places of it on one member at most. */
  readonly limit: number;
}

/**
 * How shards and copies lie on so many members: no more than m places of a thing on one, so that any member may be lost,
 * or as evenly as it goes where there are too few.
 */
export function spreads({ k, m }: Redundancy, members: number): readonly Spread[] {
  const over = (places: number): Spread => {
    return { places, limit: Math.max(Math.ceil(places / members), m) };
  };
  return k === 1 ? [over(m + 1)] : [over(m + 1), over(k + m)];
}

/** Places of a thing on the member that has most of them. */
export function crowding(cells: readonly number[]): number {
  const counts = new Map<number, number>();
  for (const cell of cells) counts.set(memberOf(cell), (counts.get(memberOf(cell)) ?? 0) + 1);
  return Math.max(...counts.values());
}

/** True where places lie as far apart as places do on so many members. */
export function isSpread(cells: readonly number[], m: number, members: number): boolean {
  return crowding(cells) <= Math.max(m, Math.ceil(cells.length / members));
}

/** True where any one member may be lost. */
export function bearsLoss({ k, m }: Redundancy, members: number): boolean {
  return m > 0 && spreads({ k, m }, members).every(({ limit }) => limit <= m);
}

/** How much things spread in this way can take, where so much is free on each member. */
export function spreadRoom(free: readonly number[], { places, limit }: Spread): number {
  const sorted = free.toSorted((a, b) => b - a);
  let rest = sorted.reduce((sum, each) => sum + each, 0);
  let things = Infinity;
  // The largest members give each thing its limit of places; what is left has to come from the others.
  for (let full = 0; full < free.length && places > limit * full; full++) {
    things = Math.min(things, rest / (places - limit * full));
    rest -= sorted[full];
  }
  if (places > limit * free.length) return 0;
  return things === Infinity ? 0 : Math.floor(things * places);
}
