import assert from "node:assert/strict";
import { TimeLimitError } from "../../core/storage/time_limit.ts";
import { Patience } from "./patience.ts";

const never = () => new Promise<never>(() => {});
const after = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

Deno.test("patience: each wait has its time, however many came before", async () => {
  const patience = new Patience({ milliseconds: 40 });
  // Together they take longer than one may.
  for (let i = 0; i < 8; i++) await patience.wait(after(10));
  await assert.rejects(patience.wait(never()), TimeLimitError);
  // Nobody waited while its timer fired.
  assert.equal(await patience.wait(Promise.resolve(7)), 7);
  await after(60);
  assert.equal(await patience.wait(Promise.resolve(8)), 8);
  await assert.rejects(patience.wait(never()), TimeLimitError);
  patience.end();
});

Deno.test("patience: the caller's reason is thrown, before and while it waits; failures pass", async () => {
  const giving = new AbortController();
  const patience = new Patience({ milliseconds: 60_000, signal: giving.signal });
  await assert.rejects(patience.wait(Promise.reject(new RangeError("no"))), /no/);
  const waiting = patience.wait(never());
  giving.abort(new RangeError("enough"));
  await assert.rejects(waiting, /enough/);
  await assert.rejects(patience.wait(never()), /enough/);
  patience.end();
});
