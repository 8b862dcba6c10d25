import assert from "node:assert/strict";
import fc from "fast-check";
import { VaultError } from "../../core/errors.ts";
import {
  type Connection,
  decodeFrame,
  encodeFrame,
  receiveFrame,
  REQUEST_LIMITS,
  sendFrame,
} from "./control_frame.ts";

/** One end of a socket that gives `bytes` in pieces of at most `piece`. */
function connectionOf(bytes: Uint8Array, piece = 5): Connection {
  let at = 0;
  return {
    read: (into) => {
      const part = bytes.subarray(at, at + Math.min(piece, into.length));
      into.set(part);
      at += part.length;
      return Promise.resolve(part.length === 0 ? null : part.length);
    },
    write: (from) => Promise.resolve(from.length),
  };
}

Deno.test("control frames: what is sent is received, in whatever pieces it comes", async () => {
  const bytes = fc.dictionary(fc.stringMatching(/^[a-zA-Z]{1,32}$/), fc.uint8Array(), {
    maxKeys: 4,
    noNullPrototype: true,
  });
  await fc.assert(fc.asyncProperty(fc.jsonValue(), bytes, fc.integer({ min: 1, max: 40 }), check));

  async function check(json: unknown, parts: Record<string, Uint8Array>, piece: number) {
    const message = { json: JSON.parse(JSON.stringify(json)), bytes: parts };
    const connection = connectionOf(encodeFrame(message), piece);
    assert.deepEqual(await receiveFrame(connection, REQUEST_LIMITS), message);
    assert.equal(await receiveFrame(connection, REQUEST_LIMITS), null);
  }
});

Deno.test("control frames: other bytes are refused, never taken for a message", () => {
  const texts = fc.oneof(
    fc.uint8Array(),
    fc.record({ json: fc.jsonValue(), bytes: fc.jsonValue() })
      .map((frame) => new TextEncoder().encode(JSON.stringify(frame))),
  );
  fc.assert(fc.property(texts, fc.uint8Array({ maxLength: 16 }), (text, bytes) => {
    try {
      const message = decodeFrame(text, bytes);
      const carried = Object.values(message.bytes).reduce((sum, { length }) => sum + length, 0);
      assert.equal(carried, bytes.length);
    } catch (error) {
      assert.ok(error instanceof VaultError && error.kind === "invalid", `${error}`);
    }
  }));
  const proto = JSON.stringify({ json: {}, bytes: [["__proto__", 1]] });
  assert.throws(() => decodeFrame(new TextEncoder().encode(proto), new Uint8Array(1)), VaultError);
});

Deno.test("control frames: a length beyond the limit is refused before memory is taken", async () => {
  for (const at of [0, 4]) {
    const head = new Uint8Array(8);
    new DataView(head.buffer).setUint32(at, 0xffffffff, true);
    await assert.rejects(receiveFrame(connectionOf(head), REQUEST_LIMITS), /too long/);
  }
});

Deno.test("control frames: what was sent is wiped, and so is what was received around its copies", async () => {
  const passphrase = new Uint8Array([1, 2, 3]);
  let sent = new Uint8Array(0), received = new Uint8Array(0);
  const frame = encodeFrame({ json: {}, bytes: { passphrase } });
  await sendFrame({
    read: () => Promise.resolve(null),
    write: (from) => Promise.resolve((sent = from as Uint8Array<ArrayBuffer>).length),
  }, { json: {}, bytes: { passphrase } });
  assert.deepEqual(sent, new Uint8Array(frame.length));
  const source = connectionOf(frame, frame.length);
  const message = await receiveFrame({
    ...source,
    read: (into) => {
      received = into as Uint8Array<ArrayBuffer>;
      return source.read(into);
    },
  }, REQUEST_LIMITS);
  assert.deepEqual(message?.bytes, { passphrase });
  assert.ok(received.every((byte) => byte === 0));
});
