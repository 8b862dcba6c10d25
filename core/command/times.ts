import type { Time } from "../fs/file_system.ts";

/** Milliseconds from 1970 that a `Date` can hold, either way. */
const DATE_MS_MAX = 8.64e15;

/** A date; times beyond what dates can hold, which a vault may carry, become the last one. */
export function dateOf(milliseconds: number): Date {
  return new Date(Math.max(-DATE_MS_MAX, Math.min(DATE_MS_MAX, milliseconds)));
}

/** Milliseconds since 1970, with a fraction. */
export function millisecondsOf({ seconds, nanoseconds }: Time): number {
  return seconds * 1000 + nanoseconds / 1e6;
}

/** ISO 8601. */
export function isoTime(milliseconds: number): string {
  return dateOf(milliseconds).toISOString();
}
