import { emptyAttributes } from "../../core/fs/file_system.ts";
import assert from "node:assert/strict";
import fc from "fast-check";
import { viewOf } from "../../core/bytes.ts";
import {} from "./exchange.ts";
import { ATTR, ATTR_OUT, ENTRY_OUT, OUT_HEADER } from "./protocol.ts";
import { Reply, timeoutOf } from "./reply.ts";

const HEADER = OUT_HEADER.bytes;

Deno.test("reply: attributes lie where the kernel reads them, times before 1970 too", () => {
  const time = fc.integer({ min: -(2 ** 40), max: 2 ** 40 });
  const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
  fc.assert(fc.property(fc.maxSafeNat(), time, u32, u32, (size, seconds, mode, nanoseconds) => {
    const reply = new Reply();
    const attributes = {
      ...emptyAttributes(),
      ino: 2 ** 48 - 1,
      size,
      mode,
      mtime: seconds,
      mtimeNs: nanoseconds,
    };
    assert.equal(reply.attributes(attributes, timeoutOf(60)), ATTR_OUT.bytes);
    const at = HEADER + ATTR_OUT.attr;
    assert.equal(reply.view.getBigUint64(at + ATTR.ino, true), 2n ** 48n - 1n);
    assert.equal(reply.view.getBigUint64(at + ATTR.size, true), BigInt(size));
    assert.equal(reply.view.getBigInt64(at + ATTR.mtime, true), BigInt(seconds));
    assert.equal(reply.view.getUint32(at + ATTR.mtimeNs, true), nanoseconds);
    assert.equal(reply.view.getUint32(at + ATTR.mode, true), mode);
  }));
});

Deno.test("reply: an entry is 128 bytes and overwrites all that was there", () => {
  const reply = new Reply();
  reply.bytes.fill(0xff);
  const timeouts = { entry: timeoutOf(0), attr: timeoutOf(0) };
  assert.equal(reply.entry(0, emptyAttributes(), timeouts), ENTRY_OUT.bytes);
  const body = reply.bytes.subarray(HEADER, HEADER + ENTRY_OUT.bytes);
  viewOf(body).setUint32(ENTRY_OUT.attr + ATTR.blockBytes, 0);
  assert.ok(body.every((byte) => byte === 0));
  assert.equal(reply.bytes[HEADER + ENTRY_OUT.bytes], 0xff);
});

Deno.test("reply: the header carries length, negated errno and the request's id", () => {
  const reply = new Reply();
  reply.header({ uniqueLow: 0xfffffffe, uniqueHigh: 5 }, 16, 2);
  assert.equal(reply.view.getUint32(OUT_HEADER.length, true), 16);
  assert.equal(reply.view.getInt32(OUT_HEADER.error, true), -2);
  assert.equal(reply.view.getBigUint64(OUT_HEADER.unique, true), (5n << 32n) + 0xfffffffen);
});
