import assert from "node:assert/strict";
import { Pace } from "./pace.ts";

/** A clock that goes on by itself whenever it is looked at. */
function ticking(stepMs: number) {
  let now = 0;
  return { now: () => now += stepMs };
}

Deno.test("pace: so many bytes take as long as the rate says", async () => {
  const clock = ticking(1);
  const pace = new Pace(clock, 1_000_000);
  const start = clock.now();
  for (let i = 0; i < 20; i++) await pace.wait(1000);
  assert.ok(clock.now() - start >= 20, "20 KB at 1 MB a second");
});

Deno.test("pace: who stops it is heard, in a pause too", async () => {
  const stop = new AbortController();
  const pace = new Pace(ticking(0.001), 1);
  const waiting = assert.rejects(pace.wait(1_000_000, stop.signal), /enough/);
  stop.abort(new Error("enough"));
  await waiting;
  await assert.rejects(pace.wait(0, stop.signal), /enough/);
});
