/** Milliseconds from 1970 that a `Date` can hold, either way. */
const DATE_MS_MAX = 8.64e15;

/** A date; times beyond what dates can hold, which a vault may carry, become the last one. */
export function dateOf(milliseconds: number): Date {
  return new Date(Math.max(-DATE_MS_MAX, Math.min(DATE_MS_MAX, milliseconds)));
}

/** ISO 8601. */
export function isoTime(milliseconds: number): string {
  return dateOf(milliseconds).toISOString();
}
