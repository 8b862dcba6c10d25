import { packRun } from "../format/space_record.ts";
import { SEGMENT_SLOTS, SLOT_CELLS } from "../limits.ts";

/** A whole slot taken. */
const FULL = 0xffff;

/** The index of the first run of `count` (1 to 16) free cells in a slot's bits, or -1. */
export function findRun(bits: number, count: number): number {
  let free = ~bits & FULL;
  if (count === SLOT_CELLS) return free === FULL ? 0 : -1;
  // After the loop, bit i stays set where bits i … i + count - 1 were all free.
  for (let have = 1; have < count;) {
    const shift = Math.min(have, count - have);
    free &= free >>> shift;
    have += shift;
  }
  return free === 0 ? -1 : 31 - Math.clz32(free & -free);
}

/** The bits of `count` cells from `first` in a slot. */
export function runMask(first: number, count: number): number {
  return ((1 << count) - 1) << first & FULL;
}

/** The first of `slots` adjacent free slots in a segment, or -1: for blocks larger than a slot. */
export function findFreeSlots(bitmap: Uint16Array, slots: number): number {
  let run = 0;
  for (let slot = 0; slot < SEGMENT_SLOTS; slot++) {
    run = bitmap[slot] === 0 ? run + 1 : 0;
    if (run === slots) return slot - slots + 1;
  }
  return -1;
}

/** Calls `change(slot, mask)` for each slot that a run of cells, counted from the segment's start, touches. */
export function eachSlot(
  first: number,
  count: number,
  change: (slot: number, mask: number) => void,
): void {
  for (let at = first, end = first + count; at < end;) {
    const slot = Math.floor(at / SLOT_CELLS);
    const inSlot = at % SLOT_CELLS;
    const n = Math.min(SLOT_CELLS - inSlot, end - at);
    change(slot, runMask(inSlot, n));
    at += n;
  }
}

/** True where a run of `count` free cells is in a segment. */
export function holdsRun(bitmap: Uint16Array, count: number): boolean {
  if (count > SLOT_CELLS) return findFreeSlots(bitmap, Math.ceil(count / SLOT_CELLS)) >= 0;
  return bitmap.some((bits) => findRun(bits, count) >= 0);
}

/** Free cells of a segment. */
export function countFree(bitmap: Uint16Array): number {
  let taken = 0;
  for (const bits of bitmap) {
    for (let rest = bits; rest !== 0; rest &= rest - 1) taken++;
  }
  return SEGMENT_SLOTS * SLOT_CELLS - taken;
}

/** Runs of free cells of a segment, at most a slot long each, packed as in space records (first cell from the segment's start). */
export function* freeRuns(bitmap: Uint16Array): Generator<number> {
  for (let slot = 0; slot < SEGMENT_SLOTS; slot++) {
    for (let first = 0; first < SLOT_CELLS;) {
      let end = first;
      while (end < SLOT_CELLS && (bitmap[slot] >>> end & 1) === 0) end++;
      if (end > first) yield packRun(slot * SLOT_CELLS + first, end - first);
      first = end + 1;
    }
  }
}
