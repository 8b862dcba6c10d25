import { VaultError } from "../errors.ts";
import { parseDuration } from "./durations.ts";

/** A moment in milliseconds since 1970, or a state by its number. */
export type When = { readonly time: number } | { readonly sequence: number };

const DAY_MS = 86_400_000;
/** Units as people say them, and as durations are written. */
const UNITS: Readonly<Record<string, string>> = {
  second: "s",
  sec: "s",
  minute: "m",
  min: "m",
  hour: "h",
  day: "d",
};

/** Reads `10 minutes ago`, `5m`, `14:30`, `2026-05-01`, `2026-05-01T14:30`, `@1234`; `now` in milliseconds since 1970. */
export function parseWhen(text: string, now: number): When {
  const wanted = text.trim();
  const number = /^@(\d{1,15})$/.exec(wanted);
  if (number !== null) return { sequence: Number(number[1]) };
  const time = momentOf(wanted, now);
  if (time !== null) return { time };
  throw new VaultError(
    "invalid",
    `Cannot go back to "${text}": want "10 minutes ago", 5m, 14:30, a date and time, or @NUMBER`,
  );
}

/** The same without a state's number: milliseconds since 1970, or null. */
export function momentOf(text: string, now: number): number | null {
  const wanted = text.trim();
  return agoTime(wanted, now) ?? clockTime(wanted, now) ?? dateTime(wanted);
}

function agoTime(text: string, now: number): number | null {
  const [, digits, unit] = /^(\d{1,9})\s*([a-z]+?)s?(?:\s+ago)?$/i.exec(text) ?? [];
  if (unit === undefined) return null;
  const short = UNITS[unit.toLowerCase()] ?? unit.toLowerCase();
  if (!["s", "m", "h", "d"].includes(short)) return null;
  return now - parseDuration(`${digits}${short}`);
}

/** The last moment at which the clock here said so. */
function clockTime(text: string, now: number): number | null {
  const [, hours, minutes, seconds = "0"] = /^(\d{1,2}):(\d{2})(?::(\d{2}))?$/.exec(text) ?? [];
  if (hours === undefined || Number(hours) > 23 || Number(minutes) > 59) return null;
  const date = new Date(now);
  date.setHours(Number(hours), Number(minutes), Number(seconds), 0);
  return date.getTime() <= now ? date.getTime() : date.getTime() - DAY_MS;
}

/** ISO 8601; without a zone it is the time here. */
function dateTime(text: string): number | null {
  if (!/^\d{4}-\d\d-\d\d/.test(text)) return null;
  // A date alone would be read as UTC's.
  const time = Date.parse(text.length === 10 ? `${text}T00:00` : text.replace(" ", "T"));
  return Number.isNaN(time) ? null : time;
}
