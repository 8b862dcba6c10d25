import assert from "node:assert/strict";
import fc from "fast-check";
import { outdatedSnapshots, parseRetention, type Retention } from "./retention.ts";

const HOUR_MS = 3_600_000;
const PARTS = ["last", "hourly", "daily", "weekly", "monthly", "yearly"] as const;

const snapshots = fc.array(fc.integer({ min: 0, max: 4 * 366 * 24 }), { maxLength: 60 }).map(
  (hours) =>
    hours.sort((a, b) => a - b).map((hour, i) => ({ time: hour * HOUR_MS, sequence: i + 1 })),
);
const counts = fc.option(fc.integer({ min: 1, max: 8 }), { nil: undefined });
const rules: fc.Arbitrary<Retention> = fc.record({
  last: counts,
  hourly: counts,
  daily: counts,
  weekly: counts,
  monthly: counts,
  yearly: counts,
});

function kept(all: readonly { time: number; sequence: number }[], rule: Retention) {
  const gone = new Set(outdatedSnapshots(all, rule));
  return all.filter((snapshot) => !gone.has(snapshot));
}

Deno.test("retention keeps the newest, no more than asked for, and nothing new goes the second time", () => {
  fc.assert(fc.property(snapshots, rules, (all, rule) => {
    const first = kept(all, rule);
    const most = PARTS.reduce((sum, part) => sum + (rule[part] ?? 0), 0);
    assert.ok(first.length <= most);
    if (most > 0 && all.length > 0) assert.equal(first.at(-1), all.at(-1));
    assert.deepEqual(kept(first, rule), first);
  }));
});

Deno.test("a retention rule that asks for more keeps whatever a lesser one keeps", () => {
  fc.assert(fc.property(snapshots, rules, fc.constantFrom(...PARTS), (all, rule, part) => {
    const more = { ...rule, [part]: (rule[part] ?? 0) + 1 };
    const larger = new Set(kept(all, more));
    for (const snapshot of kept(all, rule)) assert.ok(larger.has(snapshot));
  }));
});

Deno.test("retention takes the newest snapshot of each UTC day, week from Monday, month and year", () => {
  const at = (text: string, sequence: number) => ({ time: Date.parse(text), sequence });
  const all = [
    at("2023-12-31T23:00:00Z", 1),
    at("2024-01-01T00:00:00Z", 2),
    at("2024-01-07T23:59:00Z", 3), // a Sunday
    at("2024-01-08T00:00:00Z", 4), // a Monday
    at("2024-01-08T10:00:00Z", 5),
    at("2024-01-08T10:59:00Z", 6),
  ];
  const left = (rule: Retention) => kept(all, rule).map(({ sequence }) => sequence);
  assert.deepEqual(left({ last: 2 }), [5, 6]);
  assert.deepEqual(left({ hourly: 2 }), [4, 6]);
  assert.deepEqual(left({ daily: 3 }), [2, 3, 6]);
  assert.deepEqual(left({ weekly: 2 }), [3, 6]);
  assert.deepEqual(left({ monthly: 2 }), [1, 6]);
  assert.deepEqual(left({ yearly: 5 }), [1, 6]);
  assert.deepEqual(left({}), []);
});

Deno.test("retention rules are read, and each mistake is named", () => {
  assert.deepEqual(parseRetention("hourly=24, last=5"), { hourly: 24, last: 5 });
  for (
    const text of ["", "daily", "daily=0", "daily=-1", "often=3", "daily=1,daily=2", "last=1e9"]
  ) {
    assert.throws(() => parseRetention(text), { kind: "invalid" }, text);
  }
});
