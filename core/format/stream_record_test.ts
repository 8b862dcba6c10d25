import assert from "node:assert/strict";
import fc from "fast-check";
import { dataRecord, decodeWhole, STREAM_RECORDS } from "../../tests/support/stream_decoders.ts";
import { VaultError } from "../errors.ts";
import { frameNonce } from "./stream_frame.ts";
import { decodePosition, encodePosition } from "./stream_position.ts";
import { encodeStreamRecord } from "./stream_record.ts";
import { KEY_TYPE } from "./volume_key.ts";

Deno.test("stream records: what is encoded is decoded", () => {
  for (const record of STREAM_RECORDS) {
    assert.deepEqual(decodeWhole(encodeStreamRecord(record)), record);
  }
  const data = decodeWhole(dataRecord());
  assert.ok(data.kind === "data");
  assert.deepEqual([data.ino, data.first, data.count, data.lastLength], [9, 3, 2, 100]);
  assert.equal(data.content.length, 4196);
});

Deno.test("stream records: any changed bytes are a record, or corrupt", () => {
  const bytes = fc.constantFrom(...STREAM_RECORDS.map(encodeStreamRecord), dataRecord());
  const change = fc.array(fc.tuple(fc.nat({ max: 5200 }), fc.nat({ max: 255 })), { maxLength: 6 });
  fc.assert(fc.property(bytes, change, fc.nat({ max: 5200 }), (whole, changes, length) => {
    const changed = whole.slice(0, changes.length % 2 === 0 ? length : whole.length);
    for (const [at, byte] of changes) changed[at % Math.max(1, changed.length)] = byte;
    try {
      decodeWhole(changed);
    } catch (error) {
      assert.ok(error instanceof VaultError && error.kind === "corrupt", String(error));
    }
  }));
});

Deno.test("stream records: what a tree could not hold, or another place would, is corrupt", () => {
  const key = (type: number) => new Uint8Array([type, 0, 0, 0, 0, 0, 9]);
  const refused = [
    // These have records of their own, which a receiver puts under its own keys.
    ...[KEY_TYPE.entry, KEY_TYPE.extent, KEY_TYPE.attribute, 99].map((type) =>
      encodeStreamRecord({ kind: "put", key: key(type), value: new Uint8Array(8) })
    ),
    encodeStreamRecord({ kind: "put", key: key(KEY_TYPE.inode), value: new Uint8Array(103) }),
    encodeStreamRecord({ kind: "put", key: key(KEY_TYPE.inline), value: new Uint8Array(2049) }),
    encodeStreamRecord({ kind: "delete", key: new Uint8Array([1, 0, 0, 0, 0, 0, 0]) }),
    encodeStreamRecord({ kind: "unname", directory: 2 ** 47, name: new Uint8Array(1) }),
    encodeStreamRecord({ kind: "free", ino: 9, first: 2 ** 40 - 1, count: 2 }),
    encodeStreamRecord({ kind: "reserve", ino: 9, first: 0, count: 2 ** 32 }),
    encodeStreamRecord({ kind: "unname", directory: 1, name: new Uint8Array(256) }),
  ];
  for (const bytes of refused) assert.throws(() => decodeWhole(bytes), { kind: "corrupt" });
});

Deno.test("stream positions: come back; the start is empty", () => {
  const key = new Uint8Array([3, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 5]);
  const position = { key, block: 2 ** 40 - 1 };
  assert.deepEqual(decodePosition(encodePosition(position)), position);
  assert.equal(encodePosition(decodePosition(new Uint8Array(0))).length, 0);
});

Deno.test("stream frames: no two have one nonce", () => {
  const nonces = [0, 1, 2 ** 32, 2 ** 52].flatMap((number) =>
    [false, true].map((last) => frameNonce({ number, last }).toHex())
  );
  assert.equal(new Set(nonces).size, nonces.length);
});
