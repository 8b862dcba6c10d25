import assert from "node:assert/strict";
import { readJunit } from "./junit.ts";
import { skipLines } from "./skip_reasons.ts";

Deno.test("junit: what passed, failed and was skipped is told apart", () => {
  const xml = `<?xml version="1.0"?><testsuites>
<testsuite name="./a_test.ts" tests="4">
  <testcase name="a &lt;b&gt; &amp;amp; &quot;c&quot;" classname="./a_test.ts" time="0" line="1">
  </testcase>
  <testcase name="closed at once" classname="./a_test.ts"/>
  <testcase name="bad" classname="./a_test.ts"><failure message="x">said &lt;skipped/&gt;</failure></testcase>
  <testcase name="left out" classname="./a_test.ts">
    <skipped/>
  </testcase>
</testsuite></testsuites>`;
  assert.deepEqual(readJunit(xml), [
    { file: "a_test.ts", name: 'a <b> &amp; "c"', state: "passed" },
    { file: "a_test.ts", name: "closed at once", state: "passed" },
    { file: "a_test.ts", name: "bad", state: "failed" },
    { file: "a_test.ts", name: "left out", state: "skipped" },
  ]);
  assert.deepEqual(readJunit(""), []);
});

Deno.test("skip reasons: tests are listed below their reason, whatever way it is written", () => {
  const names = [
    "disk: full (skipped: needs root)",
    "disk: read-only (needs root)",
    "b: c: no FUSE",
    "x",
  ];
  assert.deepEqual(skipLines(names), [
    "skipped 2: needs root",
    "    disk: full",
    "    disk: read-only",
    "skipped 1: no FUSE",
    "    b: c",
    "skipped 1: no reason given",
    "    x",
  ]);
});
