import assert from "node:assert/strict";
import { dateOf, isoTime } from "./dates.ts";

Deno.test("times: any number has a date", () => {
  assert.equal(isoTime(0), "1970-01-01T00:00:00.000Z");
  assert.equal(isoTime(1e18), "+275760-09-13T00:00:00.000Z");
  assert.equal(dateOf(-1e18).getTime(), -8.64e15);
});
