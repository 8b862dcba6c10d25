import fc from "fast-check";
import assert from "node:assert/strict";
import { MIB } from "../../core/limits.ts";
import { PART_BYTES, partBytes, partsAtOnce, partsOf } from "./parts.ts";

const RULES = { partsMax: 10_000, objectBytesMax: 5 * 2 ** 40 };

Deno.test("parts together are the body, each as long as wanted but the last", async () => {
  await fc.assert(fc.asyncProperty(
    fc.array(fc.uint8Array({ maxLength: 30 }), { maxLength: 20 }),
    fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 }),
    async (chunks, lengths) => {
      const lengthOf = (index: number) => lengths[Math.min(index, lengths.length - 1)];
      const parts = await Array.fromAsync(partsOf(streamed(chunks), lengthOf));
      assert.deepEqual(
        Buffer.concat(parts.map(({ bytes }) => bytes)),
        Buffer.concat(chunks),
      );
      for (const [i, { bytes, index, isLast }] of parts.entries()) {
        assert.equal(index, i);
        assert.equal(isLast, i === parts.length - 1);
        if (!isLast) assert.equal(bytes.length, lengthOf(i));
        else if (i > 0) assert.ok(bytes.length > 0 && bytes.length <= lengthOf(i));
      }
    },
  ));
});

Deno.test("parts reach the longest object, of known size and of unknown", () => {
  const { partsMax, objectBytesMax } = RULES;
  for (const size of [1, 80 * 2 ** 30, 100 * 2 ** 30, objectBytesMax]) {
    const bytes = partBytes(0, size, RULES);
    assert.ok(bytes * partsMax >= size && bytes >= PART_BYTES);
    assert.equal(partBytes(partsMax - 1, size, RULES), bytes);
  }
  let reached = 0;
  for (let i = 0; i < partsMax; i++) reached += partBytes(i, undefined, RULES);
  assert.ok(reached >= objectBytesMax);
  assert.equal(partBytes(999, undefined, RULES), 8 * MIB);
  assert.equal(partBytes(1000, undefined, RULES), 16 * MIB);
  // Amazon's limit for one part.
  assert.ok(partBytes(partsMax - 1, undefined, RULES) <= 5 * 2 ** 30);
});

Deno.test("longer parts go fewer at a time", () => {
  assert.deepEqual([8, 16, 32, 64, 500].map((it) => partsAtOnce(it * MIB)), [4, 2, 1, 1, 1]);
});

async function* streamed(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}
