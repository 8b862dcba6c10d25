import { VaultError } from "../errors.ts";
import { plural } from "./sizes.ts";

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** Milliseconds of the units that ages are told in, largest first. */
const AGES: readonly (readonly [string, number])[] = [
  ["year", 365 * UNIT_MS.d],
  ["month", 30 * UNIT_MS.d],
  ["week", 7 * UNIT_MS.d],
  ["day", UNIT_MS.d],
  ["hour", UNIT_MS.h],
  ["minute", UNIT_MS.m],
];

/** How long ago something was, for people: `3 days ago`. */
export function formatAge(milliseconds: number): string {
  for (const [unit, unitMs] of AGES) {
    // Two of a unit at least, or one would say "1 month" for seven weeks.
    const count = Math.floor(milliseconds / unitMs);
    if (count >= 2 || (count === 1 && unit === "minute")) return `${plural(count, unit)} ago`;
  }
  return "just now";
}

/** Milliseconds of `500ms`, `30s`, `5m`, `2h`, `1d`; a number alone is seconds. */
export function parseDuration(text: string): number {
  const [, digits, unit = "s"] = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h|d)?$/.exec(text) ?? [];
  const milliseconds = Math.round(Number(digits) * UNIT_MS[unit]);
  if (milliseconds > 0) return milliseconds;
  throw new VaultError("invalid", `Cannot use "${text}" as a time: want 30s, 5m or 2h`);
}
