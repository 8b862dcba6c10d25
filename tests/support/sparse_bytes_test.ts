import assert from "node:assert/strict";
import fc from "fast-check";
import { SparseBytes } from "./sparse_bytes.ts";

const SPACE = 20000;
const step = fc.record({
  kind: fc.constantFrom("write", "truncate", "punch"),
  offset: fc.integer({ min: 0, max: SPACE - 1 }),
  length: fc.integer({ min: 1, max: 9000 }),
});

Deno.test("sparse bytes: the same as plain bytes, whatever is written, cut and punched", () => {
  fc.assert(fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
    const sparse = new SparseBytes();
    const plain = new Uint8Array(2 * SPACE);
    let size = 0;
    steps.forEach(({ kind, offset, length }, index) => {
      if (kind === "write") {
        const data = new Uint8Array(length).fill(index + 1);
        sparse.write(offset, data);
        plain.set(data, offset);
        size = Math.max(size, offset + length);
      } else if (kind === "truncate") {
        sparse.truncate(offset);
        if (offset < size) plain.fill(0, offset);
        size = offset;
      } else {
        sparse.punch(offset, length);
        plain.fill(0, offset, Math.min(offset + length, size));
      }
    });
    assert.equal(sparse.size, size);
    const read = new Uint8Array(2 * SPACE).fill(9);
    sparse.read(0, read);
    assert.deepEqual(read, plain);
    const data = sparse.seek(0, "data");
    const firstByte = plain.findIndex((byte) => byte !== 0);
    if (firstByte >= 0) assert.ok(data !== null && data <= firstByte);
  }));
});
