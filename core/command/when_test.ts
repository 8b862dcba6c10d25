import assert from "node:assert/strict";
import { parseWhen } from "./when.ts";

const NOW = new Date(2026, 4, 10, 12, 0, 0).getTime();

Deno.test("when: how long ago, a time of the day, a date, a number", () => {
  const minutes = (count: number) => ({ time: NOW - count * 60_000 });
  for (const text of ["10 minutes ago", "10m", "10 min", "10 Minutes", "600s", " 10m ago "]) {
    assert.deepEqual(parseWhen(text, NOW), minutes(10), text);
  }
  assert.deepEqual(parseWhen("1 minute ago", NOW), minutes(1));
  assert.deepEqual(parseWhen("2h", NOW), minutes(120));
  assert.deepEqual(parseWhen("1 day ago", NOW), minutes(1440));
  assert.deepEqual(parseWhen("11:30", NOW), minutes(30));
  assert.deepEqual(parseWhen("12:00", NOW), minutes(0));
  assert.deepEqual(parseWhen("12:00:01", NOW), { time: NOW - 86_400_000 + 1000 });
  assert.deepEqual(parseWhen("2026-05-10T11:59", NOW), minutes(1));
  assert.deepEqual(parseWhen("2026-05-10 11:59", NOW), minutes(1));
  assert.deepEqual(parseWhen("2026-05-10", NOW), { time: new Date(2026, 4, 10).getTime() });
  assert.deepEqual(parseWhen("1970-01-01T00:00:01Z", NOW), { time: 1000 });
  assert.deepEqual(parseWhen("@77", NOW), { sequence: 77 });
});

Deno.test("when: anything else is refused", () => {
  for (
    const text of ["", "yesterday", "10", "ago", "24:00", "12:60", "2026-13-01", "@", "10 weeks"]
  ) {
    assert.throws(() => parseWhen(text, NOW), { kind: "invalid" }, text);
  }
});
