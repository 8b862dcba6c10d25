import assert from "node:assert/strict";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { CELL_BYTES } from "../limits.ts";
import { ScratchMedium } from "./scratch_medium.ts";

const BELOW_BYTES = 40 * CELL_BYTES + 100;
const MOST_BYTES = 60 * CELL_BYTES;

function sequence(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state % below;
  };
}

Deno.test("a scratch medium is what was written to it, and the medium below stays as it was", async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = sequence(seed);
    const original = new Uint8Array(BELOW_BYTES).map(() => random(256));
    const base = new MemoryStorage();
    base.direct.write(0, original);
    const { direct } = new ScratchMedium(base, base.direct);
    let model = original.slice();
    const resized = (size: number) => {
      const bytes = new Uint8Array(size);
      bytes.set(model.subarray(0, size));
      return bytes;
    };
    for (let step = 0; step < 300; step++) {
      const offset = random(MOST_BYTES);
      if (random(10) === 0) {
        direct.truncate(offset);
        model = resized(offset);
      } else {
        const bytes = crypto.getRandomValues(new Uint8Array(random(3 * CELL_BYTES)));
        direct.write(offset, bytes);
        model = resized(Math.max(model.length, offset + bytes.length));
        model.set(bytes, offset);
      }
      assert.equal(direct.size(), model.length);
      const seen = new Uint8Array(model.length);
      direct.read(0, seen);
      assert.deepEqual(seen, model, `seed ${seed}, step ${step}`);
    }
    assert.deepEqual(await base.read(0, BELOW_BYTES), original);
    assert.equal(await base.size(), BELOW_BYTES);
  }
});

Deno.test("a scratch medium ends where it ends", () => {
  const base = new MemoryStorage();
  base.direct.write(0, new Uint8Array(10));
  const { direct } = new ScratchMedium(base, base.direct);
  direct.truncate(5);
  assert.throws(
    () => direct.read(0, new Uint8Array(6)),
    /Cannot read "memory:" at 0\+6: it ends at 5/,
  );
});
