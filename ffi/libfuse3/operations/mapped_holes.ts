/**
 * What a program wrote through a memory map into a hole is nowhere but in the kernel until its pages are written back: whoever asks
 * for data and holes would be told that there is a hole, and leave it out of a copy.
 *
 * @module
 */
import { nextData, SEEK_DATA } from "../../../core/fs/seek.ts";
import type { Exchange, KernelCopies, PageRange } from "../exchange.ts";

/** Holes that one lseek takes in. */
const HOLES_MAX = 64;

/** What an lseek asks for. */
export interface Sought {
  readonly ino: number;
  readonly offset: number;
  readonly whence: number;
}

/** The hole that an answer would speak of; null where it would speak of none. */
export function holeMet(
  { fileSystem, attributes }: Pick<Exchange, "fileSystem" | "attributes">,
  { ino, offset, whence }: Sought,
): PageRange | null {
  fileSystem.getattr(ino, attributes);
  const { size } = attributes;
  if (offset >= size) return null;
  const from = whence === SEEK_DATA ? offset : fileSystem.lseek(ino, offset, whence);
  if (from >= size) return null;
  const to = nextData(fileSystem, ino, from) ?? Infinity;
  return to > from ? { ino, offset: from, length: to - from } : null;
}

/** Resolves when nothing is known to the kernel alone of the hole that is met; `met` looks again. */
export async function takeInHoles(
  first: PageRange,
  met: () => PageRange | null,
  copies: KernelCopies,
): Promise<void> {
  // Who goes on writing meanwhile, page by page, does not keep it from an end.
  for (let hole: PageRange | null = first, i = 0; hole !== null && i < HOLES_MAX; i++) {
    await copies.takeIn(hole);
    hole = met();
  }
}
