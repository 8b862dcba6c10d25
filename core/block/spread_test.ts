import assert from "node:assert/strict";
import fc from "fast-check";
import { bearsLoss, spreadRoom, spreads } from "./spread.ts";

/** The same by putting one thing after the other where most is free. */
function greedy(free: readonly number[], places: number, limit: number): number {
  const left = [...free];
  for (let things = 0;; things++) {
    const used = left.map(() => 0);
    for (let place = 0; place < places; place++) {
      const open = left.map((_, i) => i).filter((i) => used[i] < limit && left[i] > 0);
      if (open.length === 0) return things * places;
      const most = open.reduce((a, b) => left[b] > left[a] ? b : a);
      left[most]--;
      used[most]++;
    }
  }
}

Deno.test("spread: room is what putting things one after the other finds", () => {
  const free = fc.array(fc.nat(40), { minLength: 1, maxLength: 5 });
  fc.assert(fc.property(free, fc.integer({ min: 1, max: 8 }), fc.nat(4), (each, places, more) => {
    const limit = Math.ceil(places / each.length) + more;
    const room = spreadRoom(each, { places, limit });
    const found = greedy(each, places, limit);
    assert.ok(room >= found && room < found + places, `${room} for ${found}`);
  }));
});

Deno.test("spread: a member may be lost where there are enough of them", () => {
  assert.equal(bearsLoss({ k: 1, m: 1 }, 2), true);
  assert.equal(bearsLoss({ k: 1, m: 1 }, 1), false);
  assert.equal(bearsLoss({ k: 4, m: 2 }, 2), false);
  assert.equal(bearsLoss({ k: 4, m: 2 }, 3), true);
  assert.equal(bearsLoss({ k: 1, m: 0 }, 4), false);
  assert.deepEqual(spreads({ k: 4, m: 2 }, 6), [{ places: 3, limit: 2 }, { places: 6, limit: 2 }]);
});
