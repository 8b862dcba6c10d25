import assert from "node:assert/strict";
import { formatAge, parseDuration } from "./durations.ts";

Deno.test("durations are numbers with a unit, seconds without one", () => {
  const texts = ["1", "500ms", "1.5s", "5m", "2h", "1d"];
  assert.deepEqual(texts.map(parseDuration), [1000, 500, 1500, 300_000, 7_200_000, 86_400_000]);
  for (const text of ["", "0", "-1", "1w", "s", "1e3", "9999999999", " 1"]) {
    assert.throws(() => parseDuration(text), { kind: "invalid" }, text);
  }
});

Deno.test("ages are told in the largest unit of which there are two", () => {
  const hour = 3_600_000;
  const ages = [-5, 59_000, 60_000, 119 * 60_000, 2 * hour, 47 * hour, 48 * hour, 20 * 24 * hour];
  assert.deepEqual(ages.map(formatAge), [
    "just now",
    "just now",
    "1 minute ago",
    "119 minutes ago",
    "2 hours ago",
    "47 hours ago",
    "2 days ago",
    "2 weeks ago",
  ]);
  assert.equal(formatAge(800 * 24 * hour), "2 years ago");
});
