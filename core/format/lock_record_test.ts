import assert from "node:assert/strict";
import fc from "fast-check";
import { lockRecord } from "../../tests/support/lock_records.ts";
import {
  decodeLock,
  decodeLockedInline,
  encodeLock,
  encodeLockedInline,
  indexOf,
  lockedInlineKey,
  type LockRecord,
  placeholder,
  readLockedInlineKey,
} from "./lock_record.ts";

Deno.test("lock records: every state comes back as it was", () => {
  const { secret, wrapped } = lockRecord;
  const states: Partial<LockRecord>[] = [
    { state: "locking", secret, wrapped },
    { state: "locked", secret: null, wrapped, erasing: false },
    { state: "unlocking", secret, wrapped },
    { state: "shredding", secret, wrapped: null },
    { state: "shredded", secret: null, wrapped: null },
  ];
  for (const state of states) {
    const record = { ...lockRecord, ...state };
    assert.deepEqual(decodeLock(encodeLock(record)), record);
  }
});

Deno.test("lock records: a cost without bounds, or a shredded file with a passphrase, is refused", () => {
  const costly = encodeLock(lockRecord);
  new DataView(costly.buffer).setUint32(24, 2 ** 21, true);
  assert.throws(() => decodeLock(costly), { kind: "corrupt" });
  const shredded = encodeLock(lockRecord);
  shredded[0] = 5;
  assert.throws(() => decodeLock(shredded), { kind: "corrupt" });
});

Deno.test("lock records: sealed contents and their names come back as they were", () => {
  const content = { nonce: new Uint8Array(24).fill(1), sealed: new Uint8Array(17).fill(2) };
  assert.deepEqual(decodeLockedInline(encodeLockedInline(content)), content);
  const name = { secretId: 2 ** 40 + 1, length: 2048, index: 2 ** 33 };
  assert.deepEqual(readLockedInlineKey(lockedInlineKey(name)), name);
});

Deno.test("placeholders: as long as the content, and different for every content of a length", () => {
  fc.assert(fc.property(fc.nat(2047), fc.nat(2 ** 31), (less, index) => {
    const length = less + 1;
    fc.pre(index < 256 ** Math.min(length, 6));
    const bytes = placeholder(length, index);
    assert.equal(bytes.length, length);
    assert.equal(indexOf(bytes), index);
  }));
});
