import assert from "node:assert/strict";
import { isPossible, type RegisterChange } from "./register_history.ts";

function change(value: string | null, times: [number, number], more = {}): RegisterChange {
  return { value, began: times[0], ended: times[1], isSure: true, ...more };
}

Deno.test("history: one after the other, the last one stays", () => {
  const two = [change("a", [0, 1]), change("b", [2, 3])];
  assert.ok(isPossible(two, "b"));
  assert.ok(!isPossible(two, "a"));
  assert.ok(isPossible([change("a", [0, 2]), change("b", [1, 3])], "a"));
});

Deno.test("history: a condition holds when it is its turn", () => {
  const base = change("a", [0, 1]);
  const both = ["b", "c"].map((value) => change(value, [2, 3], { expects: "a" }));
  assert.ok(isPossible([base, both[0]], "b"));
  assert.ok(!isPossible([base, ...both], "b"));
  assert.ok(!isPossible([base, change("b", [2, 3], { expects: null })], "b"));
  assert.ok(isPossible([base, both[0], change("d", [2, 3])], "d"));
  assert.ok(!isPossible([base, both[0], change("d", [2, 3])], "a"));
});

Deno.test("history: what was not acknowledged may be done, at any later time", () => {
  const doubtful = change("b", [2, 3], { isSure: false });
  for (const last of ["a", "b"]) assert.ok(isPossible([change("a", [0, 1]), doubtful], last));
  assert.ok(isPossible([doubtful, change("a", [4, 5])], "b"));
  assert.ok(!isPossible([change(null, [4, 5]), doubtful], "a"));
});
