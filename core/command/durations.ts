import { VaultError } from "../errors.ts";

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** Milliseconds of `500ms`, `30s`, `5m`, `2h`, `1d`; a number alone is seconds. */
export function parseDuration(text: string): number {
  const [, digits, unit = "s"] = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h|d)?$/.exec(text) ?? [];
  const milliseconds = Math.round(Number(digits) * UNIT_MS[unit]);
  if (milliseconds > 0) return milliseconds;
  throw new VaultError("invalid", `Cannot use "${text}" as a time: want 30s, 5m or 2h`);
}
