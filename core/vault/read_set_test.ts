import assert from "node:assert/strict";
import fc from "fast-check";
import { END, FAMILY_BYTES, ReadSet } from "./read_set.ts";

const family = fc.constantFrom("a", "b").map((type) => type.padEnd(FAMILY_BYTES, "x"));
const key = fc.oneof(
  fc.tuple(family, fc.constantFrom("", "1", "2", "3", "33")).map((parts) => parts.join("")),
  fc.constantFrom("", "a", "b"),
);
const end = fc.oneof(key, family.map((name) => name + END), fc.constant(END));
const read = fc.oneof(fc.record({ key }), fc.record({ from: key, to: end }));

Deno.test("a read set covers the keys and ranges that were added, and nothing else", () => {
  fc.assert(fc.property(fc.array(read, { maxLength: 6 }), key, (reads, asked) => {
    const set = new ReadSet();
    for (const one of reads) {
      if ("key" in one) set.addKey(one.key);
      else set.addRange(one.from, one.to);
    }
    const covered = reads.some((one) =>
      "key" in one ? one.key === asked : one.from <= asked && asked <= one.to
    );
    assert.equal(set.covers(asked), covered);
    set.clear();
    assert.equal(set.covers(asked), false);
  }));
});
