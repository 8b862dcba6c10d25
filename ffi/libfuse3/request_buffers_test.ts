import assert from "node:assert/strict";
import { KIB, MIB } from "../../core/limits.ts";
import { sharedKernelMemory } from "../../tests/support/shared_kernel_memory.ts";
import { PAGE_BYTES, WRITE_HEADERS_BYTES } from "./protocol.ts";
import { RequestBuffers } from "./request_buffers.ts";

Deno.test("request buffers: the data of a WRITE begins on a page", () => {
  const kernel = sharedKernelMemory(4 * MIB);
  kernel.reserve(100);
  const buffers = new RequestBuffers(kernel, 3, 64 * KIB);
  for (let taken = 0; taken < 3; taken++) {
    const buffer = buffers.take();
    assert.equal((buffer.address + WRITE_HEADERS_BYTES) % PAGE_BYTES, 0);
    assert.equal(buffer.bytes.length, WRITE_HEADERS_BYTES + 64 * KIB);
    buffer.references++;
  }
});

Deno.test("request buffers: one that is in use is left alone, the spare is never lent", () => {
  const buffers = new RequestBuffers(sharedKernelMemory(4 * MIB), 2, 64 * KIB);
  const first = buffers.take();
  assert.equal(buffers.take(), first, "not kept: used again");
  first.references++;
  const second = buffers.take();
  assert.notEqual(second, first);
  second.references++;
  const spare = buffers.take();
  assert.equal(spare.keepable, false);
  assert.ok(first.keepable && second.keepable);
  assert.equal(buffers.take(), spare);
  first.references--;
  assert.equal(buffers.take(), first);
});
