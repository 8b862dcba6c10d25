import assert from "node:assert/strict";
import { createKernel } from "../../wasm/kernel.ts";
import { MIB } from "../limits.ts";
import { LeasedMemory } from "./memory_lease.ts";

Deno.test("leased memory comes back wiped, and is given again", () => {
  const kernel = createKernel({ memoryBytes: 4 * MIB });
  const memory = new LeasedMemory(kernel, MIB);
  const lease = memory.lease();
  const address = lease.reserve(MIB / 2);
  lease.bytes.fill(7, address, address + MIB / 2);
  lease.release();
  const other = memory.lease();
  assert.equal(other.reserve(MIB / 2), address);
  assert(other.bytes.subarray(address, address + MIB / 2).every((byte) => byte === 0));
});

Deno.test("leases together take no more than was agreed", () => {
  const memory = new LeasedMemory(createKernel({ memoryBytes: 4 * MIB }), MIB);
  const [first, second] = [memory.lease(), memory.lease()];
  first.reserve(MIB);
  assert.throws(() => second.reserve(1), { kind: "unavailable" });
  first.release();
  second.reserve(MIB);
});
