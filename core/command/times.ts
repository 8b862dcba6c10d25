import type { Time } from "../fs/file_system.ts";

/** Milliseconds since 1970, with a fraction. */
export function millisecondsOf({ seconds, nanoseconds }: Time): number {
  return seconds * 1000 + nanoseconds / 1e6;
}

/** A time in ISO 8601 for people: to the second, in UTC. */
export function secondText(iso: string): string {
  return iso.slice(0, 19).replace("T", " ");
}
