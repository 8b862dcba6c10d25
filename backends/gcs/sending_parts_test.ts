import assert from "node:assert/strict";
import type { Part } from "../remote/parts.ts";
import { TimeLimitError } from "../../core/storage/time_limit.ts";
import { SendingParts } from "./sending_parts.ts";

const part = (index: number): Part => ({ bytes: new Uint8Array(), index, isLast: false });

async function* parts(count: number, end: () => Promise<void>): AsyncGenerator<Part> {
  for (let i = 0; i < count; i++) yield part(i);
  await end();
}

Deno.test("parts that nobody takes end the request, in time", async () => {
  const sending = new SendingParts(parts(2, () => Promise.resolve()), 5);
  const { promise, resolve } = Promise.withResolvers<unknown>();
  sending.signal.addEventListener("abort", () => resolve(sending.signal.reason));
  const iterator = sending[Symbol.asyncIterator]();
  await iterator.next();
  assert.ok(await promise instanceof TimeLimitError);
  assert.equal(sending.broken, null);
  sending.end();
});

Deno.test("an answer that does not come ends the request, in time", async () => {
  const sending = new SendingParts(parts(1, () => Promise.resolve()), 5);
  const { promise, resolve } = Promise.withResolvers<unknown>();
  sending.signal.addEventListener("abort", () => resolve(sending.signal.reason));
  assert.equal((await Array.fromAsync(sending)).length, 1);
  assert.ok(await promise instanceof TimeLimitError);
  sending.end();
});

Deno.test("a source that breaks is what ends the request", async () => {
  const sending = new SendingParts(
    parts(1, () => Promise.reject(new RangeError("broke"))),
    60_000,
  );
  await assert.rejects(Array.fromAsync(sending), /broke/);
  assert.match(`${sending.broken?.error}`, /broke/);
  assert.ok(sending.signal.aborted);
  sending.end();
});

Deno.test("what was sent in time leaves no limit behind", async () => {
  const sending = new SendingParts(parts(3, () => Promise.resolve()), 60_000);
  assert.equal((await Array.fromAsync(sending)).length, 3);
  assert.equal(sending.signal.aborted, false);
  sending.end();
});
