import assert from "node:assert/strict";
import { Compressibility } from "./compressibility.ts";

/** How many of `count` blocks are tried where `saves` says what becomes of each. */
function tried(file: Compressibility, count: number, saves: boolean): number {
  let due = 0;
  for (let i = 0; i < count; i++) {
    if (!file.isDue()) continue;
    due++;
    file.tried(saves);
  }
  return due;
}

Deno.test("compressibility: every block is tried while they get smaller, few of those that do not", () => {
  const file = new Compressibility();
  assert.equal(tried(file, 100, true), 100);
  assert.equal(tried(file, 4 + 3 * 32, false), 4 + 3);
  assert.equal(tried(file, 32, true), 1, "one that got smaller is the last of 32");
  assert.equal(tried(file, 100, true), 100, "then all are tried again");
});
