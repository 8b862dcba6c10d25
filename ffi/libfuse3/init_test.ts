import assert from "node:assert/strict";
import { viewOf } from "../../core/bytes.ts";
import { Dispatched } from "../../tests/support/dispatched.ts";
import { ERRNO } from "../libc/errno.ts";
import { INIT_FLAG, INIT_OUT, OPCODE } from "./protocol.ts";

const REST = new Uint8Array(48);
/** Features whose absence other parts rely on. */
const UNWANTED = {
  POSIX_LOCKS: 1 << 1,
  FLOCK_LOCKS: 1 << 10,
  NO_OPEN: 1 << 17,
  NO_OPENDIR: 1 << 24,
};

Deno.test("init: takes what is wanted of what the kernel offers, and nothing else", () => {
  const reply = new Dispatched().init();
  const view = viewOf(reply!.body);
  assert.equal(reply?.body.length, INIT_OUT.bytes);
  const flags = view.getUint32(INIT_OUT.flags, true);
  for (const [name, flag] of Object.entries(INIT_FLAG)) assert.ok(flags & flag, name);
  for (const [name, flag] of Object.entries(UNWANTED)) assert.equal(flags & flag, 0, name);
  assert.equal(view.getUint32(INIT_OUT.minor, true), 38);
  assert.equal(view.getUint32(INIT_OUT.maxWrite, true), 131072);
  assert.equal(view.getUint16(INIT_OUT.maxPages, true), 32);
  assert.equal(view.getUint32(INIT_OUT.timeGranularityNs, true), 1);
});

Deno.test("init: an older minor is kept, a feature that is not offered is not claimed", () => {
  const dispatched = new Dispatched();
  const reply = dispatched.ask({ opcode: OPCODE.INIT }, 7, 31, 4096, INIT_FLAG.BIG_WRITES);
  const view = viewOf(reply!.body);
  assert.equal(view.getUint32(INIT_OUT.minor, true), 31);
  assert.equal(view.getUint32(INIT_OUT.flags, true), INIT_FLAG.BIG_WRITES);
  assert.equal(view.getUint32(INIT_OUT.maxReadahead, true), 4096);
  assert.ok(dispatched.dispatcher.agreed);
});

Deno.test("init: a newer major is asked to come again, an old kernel is refused", () => {
  const dispatched = new Dispatched();
  const newer = dispatched.ask({ opcode: OPCODE.INIT }, 8, 0, 4096, 0, REST);
  assert.equal(newer?.errno, 0);
  assert.equal(viewOf(newer!.body).getUint32(INIT_OUT.major, true), 7);
  assert.equal(dispatched.dispatcher.agreed, false);
  assert.equal(dispatched.ask({ opcode: OPCODE.INIT }, 7, 8, 4096, 0)?.errno, ERRNO.EPROTO);
});
