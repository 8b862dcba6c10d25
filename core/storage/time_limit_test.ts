import assert from "node:assert/strict";
import { timeFor, TimeLimitError, within } from "./time_limit.ts";

const never = () => new Promise<never>(() => {});

Deno.test("work that does not end in time is given up, whether it obeys or not", async () => {
  let told: unknown;
  const work = (signal: AbortSignal) => {
    signal.addEventListener("abort", () => told = signal.reason);
    return never();
  };
  await assert.rejects(within({ milliseconds: 5 }, work), TimeLimitError);
  assert.ok(told instanceof TimeLimitError);
});

Deno.test("the caller's reason is thrown, before and during the work", async () => {
  const signal = AbortSignal.abort(new RangeError("enough"));
  let begun = false;
  const work = () => {
    begun = true;
    return never();
  };
  await assert.rejects(within({ milliseconds: 60_000, signal }, work), /enough/);
  assert.equal(begun, false);
  const giving = new AbortController();
  const running = within({ milliseconds: 60_000, signal: giving.signal }, never);
  giving.abort(new RangeError("enough"));
  await assert.rejects(running, /enough/);
});

Deno.test("what the work gives or throws is passed on", async () => {
  assert.equal(await within({ milliseconds: 60_000 }, () => Promise.resolve(7)), 7);
  const failing = within({ milliseconds: 60_000 }, () => Promise.reject(new RangeError("no")));
  await assert.rejects(failing, /no/);
});

Deno.test("more bytes have more time", () => {
  assert.equal(timeFor(0, 1000), 1000);
  assert.equal(timeFor(320 * 1024, 1000), 11_000);
});
