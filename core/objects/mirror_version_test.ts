import assert from "node:assert/strict";
import fc from "fast-check";
import { systemRuntime } from "../runtime.ts";
import { adoptedVersion, nextVersion, timeOfVersion, versionOf } from "./mirror_version.ts";

const time = fc.nat({ max: 2 ** 40 });
const change = fc.record({ now: time, isConditional: fc.boolean() });

function next(
  before: string | null,
  { now, isConditional }: { now: number; isConditional: boolean },
) {
  const runtime = { now: () => now, random: systemRuntime.random };
  return nextVersion(before, { runtime, isConditional });
}

Deno.test("mirror: a version is newer than the one before it, whatever the clocks say", () => {
  fc.assert(fc.property(fc.array(change, { minLength: 1, maxLength: 20 }), (changes) => {
    let before: string | null = null;
    for (const each of changes) {
      const version = next(before, each);
      assert.ok(before === null || version > before, `${before} then ${version}`);
      assert.equal(timeOfVersion(version), each.now);
      before = version;
    }
  }));
});

Deno.test("mirror: who writes without looking comes after all who change, step by step, what he saw", () => {
  const steps = fc.array(fc.nat({ max: 60_000 }), { minLength: 1, maxLength: 20 });
  fc.assert(fc.property(change, steps, time, (first, later, gap) => {
    const base = next(null, first);
    const now = first.now + gap;
    const blind = next(base, { now, isConditional: false });
    let step = base;
    // Not longer than a change may be under way unseen.
    for (const each of later.map((ms) => Math.min(ms, 29_000))) {
      step = next(step, { now: now + each, isConditional: true });
      assert.ok(step < blind, `${step} and ${blind}`);
    }
  }));
});

Deno.test("mirror: what somebody put at a member himself is older than all that the mirror wrote", () => {
  const object = (modified: number, etag: string) => ({
    path: "x",
    size: 1,
    etag,
    lastModified: new Date(modified),
    contentType: "a/b",
    metadata: {},
    tags: {},
  });
  fc.assert(fc.property(time, time, fc.string(), (modified, later, etag) => {
    const { version } = versionOf(object(modified, etag));
    assert.ok(version < adoptedVersion(version));
    for (const isConditional of [true, false]) {
      assert.ok(version < next(version, { now: later, isConditional }));
    }
    const newer = versionOf(object(modified + 1 + later, etag)).version;
    assert.ok(version < newer && newer < next(null, { now: 1, isConditional: false }));
  }));
});
