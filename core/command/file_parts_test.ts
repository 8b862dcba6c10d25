import assert from "node:assert/strict";
import fc from "fast-check";
import { bytesOf, type FilePart, lengthOf, partsOf, writeParts } from "./file_parts.ts";

const UNIT = 64 * 1024;

/** A file in memory whose holes are its units of zeros. */
function sparseFile(content: Uint8Array) {
  const isHole = (unit: number) =>
    content.subarray(unit * UNIT, (unit + 1) * UNIT).every((b) => b === 0);
  const units = Math.ceil(content.length / UNIT);
  const next = (unit: number, wanted: boolean) => {
    while (unit < units && isHole(unit) !== wanted) unit++;
    return unit;
  };
  return {
    size: () => Promise.resolve(content.length),
    dataRun(offset: number) {
      const from = next(Math.floor(offset / UNIT), false);
      const to = next(from, true);
      const end = { from: Math.max(offset, from * UNIT), to: Math.min(to * UNIT, content.length) };
      return Promise.resolve(from === units ? null : end);
    },
    read(offset: number, into: Uint8Array) {
      const part = content.subarray(offset, offset + into.length);
      into.set(part);
      return Promise.resolve(part.length);
    },
  };
}

const someContent = fc.tuple(fc.array(fc.boolean(), { maxLength: 40 }), fc.nat(UNIT))
  .map(([filled, more]) => {
    const content = new Uint8Array(filled.length * UNIT + more);
    filled.forEach((isFilled, unit) =>
      isFilled && content.fill(unit + 1, unit * UNIT + 5, (unit + 1) * UNIT)
    );
    return content;
  });

Deno.test("file parts: what is read in parts and written in parts is the same file, holes untouched", async () => {
  await fc.assert(
    fc.asyncProperty(someContent, async (content) => {
      const copy: number[] = [];
      let data = 0;
      let holes = 0;
      const seen = async function* (): AsyncGenerator<FilePart> {
        for await (const part of partsOf(sparseFile(content))) {
          if (typeof part === "number") holes += part;
          yield part;
        }
      };
      const bytes = new Uint8Array(content.length);
      await writeParts(seen(), {
        write(offset, part) {
          bytes.set(part, offset);
          copy.push(offset + part.length);
          data += part.length;
          return Promise.resolve();
        },
        truncate: (size) => Promise.resolve(void copy.push(size)),
      });
      assert.deepEqual(bytes, content);
      assert.equal(Math.max(0, ...copy), content.length, "it has its length");
      assert.ok(data + holes <= content.length);
    }),
    { numRuns: 30 },
  );
});

Deno.test("file parts: a hole is zeros to who reads it, however long", () => {
  const hole = 3 * 2 ** 20 + 7;
  let length = 0;
  for (const bytes of bytesOf(hole)) {
    assert.ok(bytes.every((byte) => byte === 0));
    length += bytes.length;
  }
  assert.equal(length, hole);
  assert.deepEqual([...bytesOf(new Uint8Array([1, 2]))], [new Uint8Array([1, 2])]);
  assert.deepEqual([lengthOf(hole), lengthOf(new Uint8Array(3))], [hole, 3]);
});
