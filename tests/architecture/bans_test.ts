import assert from "node:assert/strict";
import { banProblems } from "./ban_rules.ts";
import { parse, sourceFiles } from "./source_file.ts";

const wrong: [path: string, text: string, message: RegExp][] = [
  ["core/x.ts", "const t = Date.now();", /"Date\.now" in core/],
  ["core/x.ts", "const t = new Date();", /"new Date\(\)" in core/],
  ["core/x.ts", "const t = Math.random();", /"Math\.random" in core/],
  ["core/x.ts", `const t = Deno.env.get("x");`, /"Deno\.env" in core/],
  ["core/x.ts", `console.log("x");`, /"console\.log" in core/],
  ["core/x.ts", "performance.now();", /"performance\.now" in core/],
  ["core/x.ts", "crypto.getRandomValues(a);", /"crypto\.getRandomValues" in core/],
  ["tests/x.ts", "const a = b as any;", /type "any"/],
  ["tests/x.ts", "let a: Map<string, any>;", /type "any"/],
  ["wasm/x.ts", `// ${"TO" + "DO"}: finish`, /unfinished/],
  ["wasm/x.ts", "// @ts-ignore", /silenced/],
  ["ffi/x.ts", "class LeaseManager {}", /"LeaseManager" says nothing/],
];

Deno.test("architecture: the bans see what they forbid, with its line", () => {
  for (const [path, text, message] of wrong) {
    const [problem, ...more] = banProblems(parse(path, `a();\n${text}`));
    assert.match(problem ?? "nothing", message, text);
    assert.ok(problem.startsWith(`${path}:2: `), problem);
    assert.equal(more.length, 0);
  }
  assert.match(banProblems(parse("core/utils.ts", ""))[0], /core\/utils\.ts:1/);
  assert.match(banProblems(parse("core/camelCase.ts", ""))[0], /snake_case/);
  assert.deepEqual(banProblems(parse("core/x.ts", `// Date.now() and any\nf("console.log");`)), []);
  assert.deepEqual(banProblems(parse("core/x_test.ts", "console.log(Date.now());")), []);
});

Deno.test("architecture: nothing forbidden is in the tree", () => {
  assert.deepEqual(sourceFiles().flatMap(banProblems), []);
});
