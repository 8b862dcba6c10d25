import assert from "node:assert/strict";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { FaultyMedium } from "./faulty_medium.ts";

Deno.test("faulty medium: the nth call fails once, by promise and directly", async () => {
  const medium = new FaultyMedium(new MemoryStorage());
  medium.fail("write", 2, "EIO");
  await medium.write(0, new Uint8Array(8));
  await assert.rejects(medium.write(0, new Uint8Array(8)), { kind: "unavailable", errno: "EIO" });
  await medium.write(0, new Uint8Array(8));
  medium.fail("sync", 1, "EIO");
  assert.throws(() => medium.direct.sync(), { kind: "unavailable", errno: "EIO" });
  medium.direct.sync();
  medium.fail("read", 1, "EIO");
  await assert.rejects(medium.read(0, 1), { errno: "EIO" });
});

Deno.test("faulty medium: it runs full in the middle of a write, and has room again", async () => {
  const medium = new FaultyMedium(new MemoryStorage());
  medium.runFullAfter(6);
  await medium.write(0, new Uint8Array([1, 1, 1, 1]));
  await assert.rejects(medium.write(4, new Uint8Array([2, 2, 2, 2])), { errno: "ENOSPC" });
  assert.deepEqual(await medium.read(0, 6), new Uint8Array([1, 1, 1, 1, 2, 2]));
  assert.equal(await medium.size(), 6);
  medium.runFullAfter(Infinity);
  await medium.write(4, new Uint8Array([2, 2, 2, 2]));
});

Deno.test("faulty medium: flips bits, swaps ranges, brings older content back", async () => {
  const medium = new FaultyMedium(new MemoryStorage());
  await medium.write(0, new Uint8Array([1, 2, 3, 4]));
  const older = medium.capture(0, 2);
  medium.flipBit(0, 7);
  assert.deepEqual(await medium.read(0, 1), new Uint8Array([129]));
  medium.swap(0, 2, 2);
  assert.deepEqual(await medium.read(0, 4), new Uint8Array([3, 4, 129, 2]));
  medium.replay(0, older);
  assert.deepEqual(await medium.read(0, 4), new Uint8Array([1, 2, 129, 2]));
});
