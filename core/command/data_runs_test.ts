import assert from "node:assert/strict";
import fc from "fast-check";
import { dataRuns } from "./data_runs.ts";

const PIECE = 64 * 1024;

Deno.test("data runs: pieces of zeros are left out, everything else is covered once, in order", () => {
  fc.assert(
    fc.property(
      fc.array(fc.boolean(), { maxLength: 6 }),
      fc.nat({ max: PIECE - 1 }),
      (filled, more) => {
        const chunk = new Uint8Array(filled.length * PIECE + more);
        filled.forEach((isFilled, i) => chunk[i * PIECE + i * 1000] = isFilled ? 1 : 0);
        const rebuilt = new Uint8Array(chunk.length);
        let end = -1;
        let bytes = 0;
        for (const { from, to } of dataRuns(chunk)) {
          assert(from > end && to > from && to <= chunk.length);
          rebuilt.set(chunk.subarray(from, to), from);
          end = to;
          bytes += to - from;
        }
        assert.deepEqual(rebuilt, chunk);
        assert.equal(bytes, filled.filter((isFilled) => isFilled).length * PIECE);
      },
    ),
  );
});
