import assert from "node:assert/strict";
import fc from "fast-check";
import { isPlain, pathBytes, pathText } from "./path_text.ts";

Deno.test("path text: any bytes come back, and what is UTF-8 is the text that it is", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
    assert.deepEqual(pathBytes(pathText(bytes)), new Uint8Array(bytes));
  }));
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    const plain = text.toWellFormed();
    assert.equal(pathText(new TextEncoder().encode(plain)), plain);
    assert.ok(isPlain(plain));
  }));
});

Deno.test("path text: bytes that are not UTF-8 stay apart from each other and can be joined", () => {
  const names = [[0x61, 0xff], [0x61, 0xfe], [0xef, 0xbb, 0xbf, 0x61], [0xed, 0xb3, 0xbf], [0xc3]];
  const texts = names.map((name) => pathText(new Uint8Array(name)));
  assert.equal(new Set(texts).size, names.length);
  assert.deepEqual(texts.map(isPlain), [false, false, true, false, false]);
  // Halves of one character that are two names do not become that character.
  const joined = `${pathText(new Uint8Array([0xc3]))}/${pathText(new Uint8Array([0xa9]))}`;
  assert.deepEqual([...pathBytes(joined)], [0xc3, 0x2f, 0xa9]);
});
