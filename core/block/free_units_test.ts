import assert from "node:assert/strict";
import fc from "fast-check";
import { NODE_CELLS_MAX } from "../format/node.ts";
import { SEGMENT_CELLS, SEGMENT_SLOTS } from "../limits.ts";
import { FreeUnits } from "./free_units.ts";
import { findRun, runMask } from "./segment_bitmap.ts";

function worldOf(bitmaps: Uint16Array[], cells: number): FreeUnits {
  return new FreeUnits({
    cells,
    freeCells: () => SEGMENT_CELLS,
    bitmap: (segment) => bitmaps[segment],
    segments: () => bitmaps.length,
  });
}

Deno.test("free units: whatever is taken, each node uses up one unit at most", () => {
  fc.assert(fc.property(
    fc.array(fc.integer({ min: 0, max: 0xffff }), { minLength: 1, maxLength: 40 }),
    fc.array(fc.integer({ min: 1, max: NODE_CELLS_MAX }), { maxLength: 100 }),
    (slots, takes) => {
      const bitmap = Uint16Array.from({ length: SEGMENT_SLOTS }, (_, i) => slots[i] ?? 0xffff);
      const units = worldOf([bitmap], NODE_CELLS_MAX);
      for (const count of takes) {
        const before = units.count(Infinity);
        const slot = bitmap.findIndex((bits) => findRun(bits, count) >= 0);
        assert.ok(slot >= 0 || before === 0, "a unit that is counted can be taken");
        if (slot < 0) continue;
        bitmap[slot] |= runMask(findRun(bitmap[slot], count), count);
        units.changed(0);
        assert.ok(units.count(Infinity) >= before - 1);
      }
    },
  ));
});

Deno.test("free units: only as many segments are counted as a question needs", () => {
  const looked: number[] = [];
  const units = new FreeUnits({
    cells: 4,
    freeCells: () => SEGMENT_CELLS,
    bitmap: (segment) => (looked.push(segment), new Uint16Array(SEGMENT_SLOTS)),
    segments: () => 1000,
  });
  assert.ok(units.count(300) >= 300);
  assert.deepEqual(looked, [0, 1]);
  assert.equal(units.count(Infinity), 256_000);
});

Deno.test("free units: large ones are runs of whole slots", () => {
  const bitmap = new Uint16Array(SEGMENT_SLOTS);
  const units = worldOf([bitmap], 64);
  assert.equal(units.count(Infinity), 16);
  bitmap[5] = 1;
  units.changed(0);
  assert.equal(units.count(Infinity), 15);
  bitmap.fill(1);
  units.changed(0);
  assert.equal(units.count(Infinity), 0);
});
