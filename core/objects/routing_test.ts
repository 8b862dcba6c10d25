import assert from "node:assert/strict";
import { Routing } from "./routing.ts";

const routing = new Routing({
  firstParts: { images: "pictures", "a b": "odd" },
  patterns: [
    { match: "*.jpg|*.png", provider: "pictures" },
    { match: "logs/**/*.gz", provider: "cold" },
    { match: "*.gz", provider: "packed" },
  ],
  fallback: "rest",
});

Deno.test("routing: the first part goes first, then patterns in order, then the default", () => {
  const routes: Record<string, [string, string]> = {
    "images/deep/x.gz": ["pictures", 'first part "images"'],
    "a b/c": ["odd", 'first part "a b"'],
    "images": ["rest", "default"],
    "cat.jpg": ["pictures", 'pattern "*.jpg|*.png"'],
    "some/where/.hidden.png": ["pictures", 'pattern "*.jpg|*.png"'],
    "logs/2026/11/x.gz": ["cold", 'pattern "logs/**/*.gz"'],
    "logs/x.gz": ["cold", 'pattern "logs/**/*.gz"'],
    "other/x.gz": ["packed", 'pattern "*.gz"'],
    "toString/x": ["rest", "default"],
    "x.jpg.txt": ["rest", "default"],
  };
  for (const [path, [provider, rule]] of Object.entries(routes)) {
    assert.deepEqual(routing.routeOf(path), { provider, rule }, path);
  }
});

Deno.test("routing: a prefix reaches every provider that may hold such a path", () => {
  assert.deepEqual(routing.providersBelow("images/x"), ["pictures"]);
  assert.deepEqual(routing.providersBelow(""), ["pictures", "odd", "cold", "packed", "rest"]);
  assert.deepEqual(routing.providersBelow("a"), ["odd", "pictures", "cold", "packed", "rest"]);
  assert.deepEqual(routing.providersBelow("docs/"), ["pictures", "cold", "packed", "rest"]);
});
