import assert from "node:assert/strict";
import { pathMatcher, patternPrefix } from "./path_pattern.ts";

Deno.test("path patterns: what is listed is all that can match", () => {
  const prefixes: Record<string, string> = {
    "docs/*": "docs/",
    "docs/2026/**/*.pdf": "docs/2026/",
    "docs/a*|docs/ab/*": "docs/a",
    "docs/*|*.jpg": "",
    "*.jpg": "",
    "docs/one.txt": "docs/one.txt",
    "./docs/*": "",
    "docs/{a,b}/*": "docs/",
    "docs/😀/*|docs/😁/*": "docs/",
  };
  for (const [pattern, prefix] of Object.entries(prefixes)) {
    assert.equal(patternPrefix(pattern), prefix, pattern);
  }
});

Deno.test("path patterns: alternatives, whole paths and last parts", () => {
  const matches = pathMatcher("docs/** | *.jpg");
  for (const path of ["docs/a", "docs/a/b", "x.jpg", "deep/.x.jpg"]) assert.ok(matches(path), path);
  for (const path of ["doc/a", "x.jpg/y", "other"]) assert.ok(!matches(path), path);
});
