import { HEADER_COPIES, type HeaderCopy, headerOffset } from "../format/header.ts";
import { SEGMENT_BYTES } from "../limits.ts";
import { applyDirectory, differences, readDirectory, readHeaderBytes } from "./header_cells.ts";
import type { OpenHeaderContext } from "./header_slots.ts";

/** What a scrub found in the two copies of the header. */
export interface HeaderScrub {
  /** Copies that are not what the slot directory says. */
  readonly bad: number;
  /** They were written anew. */
  readonly repaired: boolean;
}

/**
 * Compares both copies of the header with the slot directory. They are written anew where one of them is as it should be:
 * a secret that opens the vault now goes on doing so, whatever directory an attacker has brought back.
 */
export async function scrubHeader(
  context: OpenHeaderContext,
  mayWrite: boolean,
): Promise<HeaderScrub> {
  const bytes = await readHeaderBytes(context.medium);
  const { newest, settled } = readDirectory(context, context.keys, bytes);
  if (newest === null) return { bad: HEADER_COPIES.length, repaired: false };
  const writes = differences(newest, bytes);
  const isWhole = (copy: HeaderCopy) =>
    writes.every(({ offset }) =>
      Math.floor(offset / SEGMENT_BYTES) * SEGMENT_BYTES !== headerOffset(copy)
    );
  const whole = HEADER_COPIES.filter(isWhole).length;
  const bad = settled ? HEADER_COPIES.length - whole : Math.max(1, HEADER_COPIES.length - whole);
  if (bad === 0) return { bad, repaired: true };
  if (!mayWrite || whole === 0) return { bad, repaired: false };
  const next = { ...newest, counter: newest.counter + 1 };
  await applyDirectory(context, context.keys, next, writes);
  return { bad, repaired: true };
}

/** The same for every medium of the vault that is there. */
export async function scrubHeaders(
  context: OpenHeaderContext,
  mayWrite: boolean,
): Promise<HeaderScrub> {
  const found = [await scrubHeader(context, mayWrite)];
  for (const medium of context.others?.() ?? []) {
    found.push(await scrubHeader({ ...context, medium }, mayWrite));
  }
  return {
    bad: found.reduce((sum, { bad }) => sum + bad, 0),
    repaired: found.every(({ repaired }) => repaired),
  };
}
