import assert from "node:assert/strict";
import { MemoryStorage } from "./store.ts";

Deno.test("memory: it does not grow beyond sizeMax, and a refused write changes nothing", async () => {
  const medium = new MemoryStorage({ sizeMax: 100 });
  await medium.write(0, new Uint8Array(90).fill(1));
  const full = { kind: "unavailable", errno: "ENOSPC" };
  await assert.rejects(medium.write(89, new Uint8Array(12)), full);
  await assert.rejects(medium.truncate(101), full);
  assert.equal(await medium.size(), 90);
  assert.deepEqual(await medium.read(89, 1), new Uint8Array([1]));
});

Deno.test("memory: holes may be larger than what it may allocate, and discarding makes room", async () => {
  const medium = new MemoryStorage({ allocatedBytesMax: 128 * 1024 });
  await medium.truncate(2 ** 40);
  await medium.write(2 ** 39, new Uint8Array(128 * 1024));
  await assert.rejects(medium.write(0, new Uint8Array(1)), { errno: "ENOSPC" });
  await medium.write(2 ** 39, new Uint8Array(128 * 1024).fill(2));
  await medium.discard(2 ** 39, 64 * 1024);
  await medium.write(0, new Uint8Array(1));
});

Deno.test("memory: options that make no sense are refused", () => {
  assert.throws(() => new MemoryStorage({ sizeMax: -1 }), { kind: "invalid" });
  assert.throws(() => new MemoryStorage({ allocatedBytesMax: 0.5 }), { kind: "invalid" });
});
