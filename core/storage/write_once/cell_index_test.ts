import assert from "node:assert/strict";
import fc from "fast-check";
import { SEGMENT_CELLS } from "../../limits.ts";
import { CellIndex, INDEXED_OBJECTS_MAX } from "./cell_index.ts";

const BASE = SEGMENT_CELLS - 20;
const CELLS = 40;
/** The highest numbers that objects can have. */
const FIRST = INDEXED_OBJECTS_MAX - 4;

const step = fc.record({
  kind: fc.constantFrom("put", "put", "drop", "dropFrom"),
  cell: fc.integer({ min: BASE, max: BASE + CELLS - 1 }),
  count: fc.integer({ min: 1, max: 12 }),
  object: fc.integer({ min: 0, max: 3 }),
});

Deno.test("cell index: finds what an array of cells would, and releases what it forgets", () => {
  fc.assert(fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
    const index = new CellIndex();
    const model = new Map<number, string>();
    const live = [0, 0, 0, 0];
    const released = (object: number, count: number) => void (live[object - FIRST] -= count);
    let offset = 0;
    for (const { kind, cell, count, object } of steps) {
      const end = kind === "dropFrom" ? Infinity : cell + count;
      for (const known of [...model.keys()]) if (known >= cell && known < end) model.delete(known);
      if (kind === "drop") index.drop(cell, count, released);
      else if (kind === "dropFrom") index.dropFrom(cell, released);
      else {
        index.put({ cell, count, object: FIRST + object, offset }, released);
        live[object] += count;
        for (let i = 0; i < count; i++) model.set(cell + i, `${object}:${offset + i}`);
        offset += count;
      }
    }
    for (let cell = BASE - 2; cell < BASE + CELLS + 14; cell++) {
      const run = index.find(cell);
      const found = run === null
        ? undefined
        : `${run.object - FIRST}:${run.offset + cell - run.cell}`;
      assert.equal(found, model.get(cell));
      assert.equal(index.holdsAny(cell, 3), [0, 1, 2].some((i) => model.has(cell + i)));
    }
    const counts = [0, 0, 0, 0];
    for (const { object, count } of index.runs()) counts[object - FIRST] += count;
    assert.deepEqual(counts, live);
  }));
});
