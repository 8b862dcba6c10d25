import assert from "node:assert/strict";
import { parseDuration } from "./durations.ts";

Deno.test("durations are numbers with a unit, seconds without one", () => {
  const texts = ["1", "500ms", "1.5s", "5m", "2h", "1d"];
  assert.deepEqual(texts.map(parseDuration), [1000, 500, 1500, 300_000, 7_200_000, 86_400_000]);
  for (const text of ["", "0", "-1", "1w", "s", "1e3", "9999999999", " 1"]) {
    assert.throws(() => parseDuration(text), { kind: "invalid" }, text);
  }
});
