import { VaultError } from "../errors.ts";

const UNITS = ["", "K", "M", "G", "T"];

/** Reads `10G`, `16K`, `1.5M`, `4096`: powers of 1,024; a trailing `B` or `iB` is allowed. */
export function parseSize(text: string): number {
  const parts = /^(\d+(?:\.\d+)?)([KMGT]?)(?:i?B)?$/i.exec(text.trim());
  if (parts === null) {
    throw new VaultError("invalid", `Cannot read size "${text}": write it like 16K, 512M or 10G`);
  }
  const bytes = Number(parts[1]) * 1024 ** UNITS.indexOf(parts[2].toUpperCase());
  if (bytes > Number.MAX_SAFE_INTEGER) {
    throw new VaultError("invalid", `Cannot use size "${text}": want less than 8192T`);
  }
  if (!Number.isSafeInteger(bytes)) {
    throw new VaultError("invalid", `Cannot use size "${text}": it is no whole number of bytes`);
  }
  return bytes;
}

/** A size for people: `1.5 GiB`. */
export function formatSize(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  let unit = 0;
  let value = bytes;
  while (value >= 1023.95 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${UNITS[unit]}iB`;
}

/** A rate for people: `1.5 GiB/s`. */
export function formatRate(bytes: number, milliseconds: number): string {
  return `${formatSize(Math.round(bytes / Math.max(milliseconds, 0.001) * 1000))}/s`;
}

/** A count for people: `1 file`, `2 directories`. */
export function plural(count: number, noun: string): string {
  if (count === 1) return `1 ${noun}`;
  return `${count} ${/[^aeiou]y$/.test(noun) ? noun.slice(0, -1) + "ies" : noun + "s"}`;
}
