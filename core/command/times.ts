import type { Time } from "../fs/file_system.ts";

/** Milliseconds since 1970, with a fraction. */
export function millisecondsOf({ seconds, nanoseconds }: Time): number {
  return seconds * 1000 + nanoseconds / 1e6;
}

/** A time in ISO 8601 for people: the time here to the second, as `undo --to` takes it. */
export function secondText(iso: string): string {
  const date = new Date(iso);
  return `${minuteText(iso)}:${padded(date.getSeconds())}`;
}

/** The same to the minute. */
export function minuteText(iso: string): string {
  const date = new Date(iso);
  return `${dayText(iso)} ${padded(date.getHours())}:${padded(date.getMinutes())}`;
}

/** The day here. */
export function dayText(iso: string): string {
  const date = new Date(iso);
  const year = `${date.getFullYear()}`.padStart(4, "0");
  return `${year}-${padded(date.getMonth() + 1)}-${padded(date.getDate())}`;
}

function padded(number: number): string {
  return `${number}`.padStart(2, "0");
}
