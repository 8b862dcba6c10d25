import assert from "node:assert/strict";
import { FakeRuntime } from "./fake_runtime.ts";

Deno.test("fake runtime: the clock moves only when told", () => {
  const runtime = new FakeRuntime(1, 1000);
  assert.equal(runtime.now(), 1000);
  runtime.advance(2.5);
  assert.equal(runtime.now(), 1002.5);
  runtime.advance(-1000);
  assert.equal(runtime.now(), 2.5);
});

Deno.test("fake runtime: equal seeds give equal bytes, other seeds others", () => {
  const bytes = (seed: number) => {
    const into = new Uint8Array(64);
    new FakeRuntime(seed).random(into);
    return into;
  };
  assert.deepEqual(bytes(5), bytes(5));
  assert.notDeepEqual(bytes(5), bytes(6));
  assert.ok(new Set(bytes(5)).size > 40, "bytes vary");
});
