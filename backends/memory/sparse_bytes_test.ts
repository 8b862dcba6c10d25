import assert from "node:assert/strict";
import fc from "fast-check";
import { SparseBytes } from "./sparse_bytes.ts";

const CHUNK = 16;
const position = fc.integer({ min: 0, max: 100 });
const step = fc.oneof(
  fc.record({
    kind: fc.constant("write" as const),
    offset: position,
    data: fc.uint8Array({ maxLength: 60 }),
  }),
  fc.record({ kind: fc.constant("truncate" as const), size: position }),
  fc.record({ kind: fc.constant("clear" as const), offset: position, size: position }),
  fc.record({ kind: fc.constant("fork" as const), keep: fc.constantFrom("copy", "original") }),
);

function contentOf(bytes: SparseBytes): Uint8Array {
  const all = new Uint8Array(bytes.length);
  bytes.read(0, all);
  return all;
}

function resized(model: Uint8Array, length: number): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(length);
  copy.set(model.subarray(0, length));
  return copy;
}

Deno.test("sparse bytes: behaves like an array of zeros, and forks never see each other", () => {
  fc.assert(fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
    let bytes = new SparseBytes(CHUNK);
    let model: Uint8Array = new Uint8Array(0);
    const left: { bytes: SparseBytes; model: Uint8Array }[] = [];
    for (const it of steps) {
      if (it.kind === "write") {
        bytes.write(it.offset, it.data);
        model = resized(model, Math.max(model.length, it.offset + it.data.length));
        model.set(it.data, it.offset);
      } else if (it.kind === "truncate") {
        bytes.truncate(it.size);
        model = resized(model, it.size);
      } else if (it.kind === "clear") {
        bytes.clear(it.offset, it.size);
        model.fill(0, it.offset, it.offset + it.size);
      } else {
        const copy = bytes.fork();
        left.push({ bytes: it.keep === "copy" ? bytes : copy, model: model.slice() });
        if (it.keep === "copy") bytes = copy;
      }
    }
    left.push({ bytes, model });
    for (const one of left) assert.deepEqual(contentOf(one.bytes), one.model);
  }));
});

Deno.test("sparse bytes: only written chunks take space, and clearing gives it back", () => {
  const bytes = new SparseBytes(CHUNK);
  bytes.write(CHUNK * 1000, new Uint8Array(CHUNK + 1));
  assert.equal(bytes.allocatedBytes, CHUNK * 2);
  assert.equal(bytes.bytesToAllocate(0, CHUNK * 1001), CHUNK * 1000);
  bytes.clear(CHUNK * 1000, CHUNK);
  assert.equal(bytes.allocatedBytes, CHUNK);
  bytes.truncate(0);
  assert.equal(bytes.allocatedBytes, 0);
});
