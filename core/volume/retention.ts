import { dateOf } from "../dates.ts";
import { VaultError } from "../errors.ts";

/** Kinds of times of which one snapshot each is kept. */
const PERIODS: readonly RetentionPeriod[] = ["hourly", "daily", "weekly", "monthly", "yearly"];
/** Of how many one can ask. */
const COUNT_MAX = 100_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** 1970-01-01 was a Thursday; weeks begin on Mondays. */
const THURSDAY = 3;

/** Part of a retention rule. */
export type RetentionPeriod = "hourly" | "daily" | "weekly" | "monthly" | "yearly";

/**
 * Which snapshots to keep: the newest `last` ones, and the newest one of each of so many of the latest hours, days, weeks
 * (from Monday), months and years in which there is one. Times are UTC.
 */
export type Retention = { readonly [part in RetentionPeriod | "last"]?: number };

/** What a rule is applied to. */
export interface DatedSnapshot {
  /** Milliseconds since 1970. */
  readonly time: number;
  /** Later ones are higher, whatever the clock said. */
  readonly sequence: number;
}

/** Reads `hourly=24,daily=7,weekly=4,monthly=12,yearly=3,last=5`. */
export function parseRetention(text: string): Retention {
  const parts: [string, number][] = [];
  for (const part of text.split(",")) {
    const [, name, digits] = /^\s*([a-z]+)=(\d+)\s*$/.exec(part) ?? [];
    const isKnown = name === "last" || PERIODS.some((period) => period === name);
    const count = Number(digits);
    if (!isKnown || count < 1 || count > COUNT_MAX || parts.some(([known]) => known === name)) {
      throw new VaultError(
        "invalid",
        `Cannot keep "${part}": want last, ${PERIODS.join(", ")}, each once, as in "daily=7"`,
      );
    }
    parts.push([name, count]);
  }
  return Object.fromEntries(parts);
}

/** How often a rule wants a snapshot, in milliseconds: each hour where it only says how many of the last. */
export function shortestPeriodMs(rule: Retention): number {
  if ((rule.hourly ?? 0) > 0 || PERIODS.every((period) => (rule[period] ?? 0) === 0)) {
    return HOUR_MS;
  }
  // Longer periods begin with days, so that a day each is enough for all of them.
  return DAY_MS;
}

/** The snapshots that a rule does not keep, oldest first. */
export function outdatedSnapshots<T extends DatedSnapshot>(
  snapshots: readonly T[],
  rule: Retention,
): T[] {
  const newestFirst = snapshots.toSorted((a, b) => b.time - a.time || b.sequence - a.sequence);
  const kept = new Set(newestFirst.slice(0, rule.last ?? 0));
  for (const period of PERIODS) {
    const seen = new Set<number>();
    for (const snapshot of newestFirst) {
      if (seen.size === (rule[period] ?? 0)) break;
      const number = periodOf(snapshot.time, period);
      if (!seen.has(number)) kept.add(snapshot);
      seen.add(number);
    }
  }
  return newestFirst.filter((snapshot) => !kept.has(snapshot)).reverse();
}

/** Numbers the hours, days, weeks, months or years. */
function periodOf(time: number, period: RetentionPeriod): number {
  const date = dateOf(time);
  switch (period) {
    case "hourly":
      return Math.floor(time / HOUR_MS);
    case "daily":
      return Math.floor(time / DAY_MS);
    case "weekly":
      return Math.floor((time / DAY_MS + THURSDAY) / 7);
    case "monthly":
      return date.getUTCFullYear() * 12 + date.getUTCMonth();
    case "yearly":
      return date.getUTCFullYear();
  }
}
