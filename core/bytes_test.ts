import assert from "node:assert/strict";
import fc from "fast-check";
import * as bytes from "./bytes.ts";

const AT = 3;

Deno.test("bytes: integers by hand are what a DataView reads and writes", () => {
  const widths = [
    [16, bytes.putU16, bytes.readU16],
    [32, bytes.putU32, bytes.readU32],
    [48, bytes.putU48, bytes.readU48],
    [64, bytes.putU64, bytes.readU64],
  ] as const;
  for (const [bits, put, read] of widths) {
    const max = Math.min(2 ** bits - 1, Number.MAX_SAFE_INTEGER);
    fc.assert(fc.property(fc.maxSafeNat(), (any) => {
      for (const value of [any % (max + 1), max, 0]) {
        const written = new Uint8Array(AT + 8).fill(0xa5);
        put(written, AT, value);
        const expected = new Uint8Array(AT + 8).fill(0xa5);
        const whole = new DataView(new ArrayBuffer(8));
        whole.setBigUint64(0, BigInt(value), true);
        expected.set(new Uint8Array(whole.buffer, 0, bits / 8), AT);
        assert.deepEqual(written, expected);
        assert.equal(read(written, AT), value);
      }
    }));
  }
});

Deno.test("bytes: a 64-bit integer beyond 2^53 is no number", () => {
  const beyond = new Uint8Array(8);
  new DataView(beyond.buffer).setBigUint64(0, 2n ** 53n, true);
  assert.ok(Number.isNaN(bytes.readU64(beyond, 0)));
});

Deno.test("bytes: short copies stay what they were, however many are made", () => {
  const source = new Uint8Array(600);
  const copies: [Uint8Array, number[]][] = [];
  fc.assert(
    fc.property(fc.nat(255), fc.nat(256), fc.nat(255), (from, length, fill) => {
      source.fill(fill).set([fill ^ 1], from);
      const copy = bytes.shortCopy(source, from, from + length);
      copies.push([copy, [...source.subarray(from, from + length)]]);
    }),
    { numRuns: 500 },
  );
  for (const [copy, expected] of copies) assert.deepEqual([...copy], expected);
  assert.throws(() => bytes.shortCopy(source, 0, 257));
});
