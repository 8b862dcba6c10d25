import assert from "node:assert/strict";
import { importCycles, importProblems } from "./import_rules.ts";
import { parse, sourceFiles } from "./source_file.ts";

const wrong: [path: string, text: string, message: RegExp][] = [
  [
    "core/format/x.ts",
    `import { a } from "../crypto/a.ts";`,
    /core\/format must not import core\/crypto/,
  ],
  [
    "core/block/x.ts",
    `import type { A } from "../fs/a.ts";`,
    /core\/block must not import core\/fs/,
  ],
  ["core/block/x.ts", `export * from "../tree/a.ts";`, /core\/block must not import core\/tree/],
  ["core/tree/x.ts", `import { a } from "../storage/a.ts";`, /only types of core\/storage/],
  [
    "core/fs/x.ts",
    `const a = await import("../../ffi/libc/a.ts");`,
    /core\/fs must not import ffi/,
  ],
  ["core/block/x.ts", `import { a } from "../../wasm/kernel.ts";`, /must not import wasm/],
  ["core/assert.ts", `import { a } from "./fs/a.ts";`, /core must not import core\/fs/],
  ["core/block/x.ts", `import fs from "node:fs";`, /take it as an argument/],
  ["core/unheard_of/x.ts", `import { a } from "../block/a.ts";`, /core\/unheard_of must not/],
  ["backends/file/x.ts", `import { a } from "../../ffi/libc/a.ts";`, /must not import ffi/],
  ["ffi/libc/x.ts", `import { a } from "../../backends/file/a.ts";`, /only types of backends/],
  ["ffi/libc/x.ts", `import { a } from "../../cli.ts";`, /must not import/],
  ["backends/s3/x.ts", `import * as a from "@aws-sdk/client-s3";`, /load it when it is needed/],
  ["backends/postgres/x.ts", `import a from "postgres";`, /load it when it is needed/],
  ["ffi/libc/x.ts", `import { a } from "../../wasm/kernel.ts";`, /must not import wasm/],
  ["ffi/mount_worker.ts", `import { a } from "../cli.ts";`, /must not import/],
  ["wasm/x.ts", `import { a } from "../ffi/libfuse3/a.ts";`, /must not import ffi\/libfuse3/],
  ["core/fs/x.ts", `import { a } from "../../tests/support/a.ts";`, /imports test code/],
  ["tests/x.ts", `import { a } from "jsr:@std/assert";`, /JSR/],
];

Deno.test("architecture: the import rules see what they forbid, with its line", () => {
  for (const [path, text, message] of wrong) {
    const [problem, ...more] = importProblems(parse(path, `// first line\n${text}`));
    assert.match(problem ?? "nothing", message, `${path}: ${text}`);
    assert.ok(problem.startsWith(`${path}:2: `), problem);
    assert.equal(more.length, 0);
  }
  const right = [
    ["core/tree/x.ts", `import type { A } from "../storage/a.ts";`],
    ["core/tree/x.ts", `import { type A } from "../storage/a.ts";`],
    ["core/block/x.ts", `// import { a } from "../fs/a.ts";\nimport { b } from "../assert.ts";`],
    ["core/fs/x_test.ts", `import { a } from "../../backends/memory/store.ts";`],
    ["ffi/mount_worker.ts", `import { a } from "../wasm/kernel.ts";`],
    ["wasm/worker_pool.ts", `import { a } from "../ffi/libc/errno.ts";`],
    ["cli.ts", `import { a } from "./ffi/libc/a.ts";`],
  ];
  for (const [path, text] of right) assert.deepEqual(importProblems(parse(path, text)), []);
});

Deno.test("architecture: the cycle check sees cycles of values only", () => {
  const a = parse("core/a.ts", `import { b } from "./b.ts";`);
  const b = parse("core/b.ts", `import { a } from "./a.ts";`);
  const typed = parse("core/b.ts", `import type { a } from "./a.ts";`);
  assert.deepEqual(importCycles([a, b]), ["core/a.ts → core/b.ts → core/a.ts"]);
  assert.deepEqual(importCycles([a, typed]), []);
});

Deno.test("architecture: imports point down", () => {
  assert.deepEqual(sourceFiles().flatMap(importProblems), []);
});

Deno.test("architecture: no imports run in a circle", () => {
  assert.deepEqual(importCycles(sourceFiles()), []);
});
