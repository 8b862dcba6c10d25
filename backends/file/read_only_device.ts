import { readFileSync, statSync } from "node:fs";

/**
 * True for a block device that takes no writes. Linux lets it be opened for writing all the same, and fails the first one. False where
 * that cannot be found out.
 */
export function isReadOnlyDevice(path: string): boolean {
  if (Deno.build.os !== "linux") return false;
  try {
    const { rdev } = statSync(path);
    return readFileSync(`/sys/dev/block/${majorOf(rdev)}:${minorOf(rdev)}/ro`, "utf8")
      .startsWith("1");
  } catch {
    return false; // not permitted, or a system that does not show it
  }
}

/** Linux keeps the numbers in two parts each: the lower bits of both in the lower 20 bits. */
function majorOf(rdev: number): number {
  return (rdev >>> 8 & 0xfff) + Math.floor(rdev / 2 ** 44) * 0x1000;
}

function minorOf(rdev: number): number {
  return (rdev & 0xff) + (Math.floor(rdev / 2 ** 20) & 0xffffff) * 0x100;
}
