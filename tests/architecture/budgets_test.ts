import assert from "node:assert/strict";
import { budgetProblems } from "./budget_rules.ts";
import { parse, sourceFiles } from "./source_file.ts";

const linesOf = (count: number) => "a();\n".repeat(count);

Deno.test("architecture: the budgets hold at the limit and break one beyond", () => {
  assert.deepEqual(budgetProblems(parse("x.ts", linesOf(400))), []);
  assert.deepEqual(budgetProblems(parse("x.ts", linesOf(401))), ["x.ts:1: 401 lines, at most 400"]);
  const long = (lines: number) => `/** Not counted. */\nfunction f() {\n${linesOf(lines - 2)}}\n`;
  assert.deepEqual(budgetProblems(parse("x.ts", long(70))), []);
  assert.deepEqual(budgetProblems(parse("x.ts", long(71))), [
    "x.ts:2: function of 71 lines, at most 70",
  ]);
  assert.deepEqual(budgetProblems(parse("x.ts", "class A { f(a, b, c, d) {} }")), []);
  const five = budgetProblems(parse("x.ts", "\nconst f = (a, b, c, d, e) => a;"));
  assert.deepEqual(five, ["x.ts:2: 5 positional parameters, at most 4"]);
  const given = "class A { setxattr(a, b, c, d, e) {} }\n" +
    "interface B extends WebAssembly.Exports { f(a: 1, b: 1, c: 1, d: 1, e: 1): void }";
  assert.deepEqual(budgetProblems(parse("x.ts", given)), []);
});

Deno.test("architecture: files, functions and parameter lists are short", () => {
  assert.deepEqual(sourceFiles().flatMap(budgetProblems), []);
});
