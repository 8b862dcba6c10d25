import assert from "node:assert/strict";
import { ByteRate, waitMs } from "./byte_rate.ts";

Deno.test("byte rate: bytes of many wait for each other, and a long silence is no credit", async () => {
  let now = 1000;
  const waits: number[] = [];
  const wait = (milliseconds: number) => {
    waits.push(milliseconds);
    return Promise.resolve();
  };
  const rate = new ByteRate(1_000_000, { now: () => now, wait });
  // The first 100 ms are there at once.
  await Promise.all([rate.pass(100_000), rate.pass(500_000), rate.pass(500_000)]);
  assert.deepEqual(waits, [500, 1000]);
  now += 3_600_000;
  await rate.pass(1_100_000);
  assert.deepEqual(waits, [500, 1000, 1000]);
});

Deno.test("byte rate: waiting ends with the signal's reason", async () => {
  const giving = new AbortController();
  const waiting = assert.rejects(waitMs(3_600_000, giving.signal), /enough/);
  giving.abort(new RangeError("enough"));
  await waiting;
  await assert.rejects(waitMs(0, AbortSignal.abort(new RangeError("before"))), /before/);
  await waitMs(0, new AbortController().signal);
});
