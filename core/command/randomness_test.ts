import assert from "node:assert/strict";
import { systemRuntime } from "../runtime.ts";
import { ByteCounts, chiSquareTail, randomnessOf } from "./randomness.ts";

function judged(bytes: Uint8Array) {
  const counts = new ByteCounts();
  counts.add(bytes);
  return randomnessOf(counts);
}

Deno.test("randomness: noise passes, text and counting do not", () => {
  const noise = new Uint8Array(1 << 20);
  systemRuntime.random(noise);
  const { entropyBits, chiSquare } = judged(noise);
  assert.ok(entropyBits > 7.999);
  // Beyond these bounds true noise lies once in a billion runs.
  assert.ok(chiSquare > 140 && chiSquare < 410);
  assert.equal(judged(new TextEncoder().encode("all work ".repeat(999))).verdict, "not random");
  const even = judged(new Uint8Array(1 << 16).map((_, i) => i));
  assert.deepEqual([even.entropyBits, even.chiSquare, even.verdict], [8, 0, "not random"]);
});

Deno.test("randomness: tails of the chi-square distribution as the tables have them", () => {
  for (const [value, p] of [[293.248, 0.05], [310.457, 0.01], [219.025, 0.95], [254.334, 0.5]]) {
    assert.ok(Math.abs(chiSquareTail(value, 255) - p) < 0.001, `${value}`);
  }
});
