import assert from "node:assert/strict";
import { Page } from "../btree/page.ts";
import { checkInnerNode, checkNode, TREE, writeNodeHeader } from "./node.ts";

const POINTER_BYTES = 16;
const KEY = new Uint8Array([1]);

/** A node with so many records of this value size. */
function node(level: number, count: number, valueBytes: number): Uint8Array {
  const page = Page.empty(1, level);
  for (let i = 0; i < count; i++) {
    page.insert(i, i === 0 ? new Uint8Array(0) : KEY, new Uint8Array(valueBytes));
  }
  page.pack();
  const { bytes } = page;
  writeNodeHeader(bytes, { tree: TREE.volume, level, cells: page.cells(), id: 7, birth: 1 });
  return bytes;
}

function checked(bytes: Uint8Array): void {
  checkNode(bytes);
  checkInnerNode(bytes, POINTER_BYTES);
}

Deno.test("node: inner nodes lead to children by whole pointers, from a level that can be", () => {
  checked(node(1, 2, POINTER_BYTES));
  checked(node(0, 2, 3));
  const corrupt = { kind: "corrupt" };
  assert.throws(() => checked(node(1, 2, POINTER_BYTES - 1)), corrupt);
  assert.throws(() => checked(node(1, 0, POINTER_BYTES)), corrupt);
  assert.throws(() => checked(node(200, 2, POINTER_BYTES)), corrupt);
});
