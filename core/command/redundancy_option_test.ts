import assert from "node:assert/strict";
import { blockBytesFor, parseRedundancy } from "./redundancy_option.ts";

Deno.test("redundancy: k+m is read, what cannot be is refused", () => {
  assert.deepEqual(parseRedundancy("4+2"), { k: 4, m: 2 });
  assert.deepEqual(parseRedundancy("1+1"), { k: 1, m: 1 });
  assert.deepEqual(parseRedundancy("0"), { k: 1, m: 0 });
  assert.deepEqual(parseRedundancy("1+0"), { k: 1, m: 0 });
  for (const text of ["", "4", "4+", "4+0", "0+2", "30+3", "4+-1", "4.5+2", " 4+2", "4+2+1"]) {
    assert.throws(() => parseRedundancy(text), { kind: "invalid" }, text);
  }
});

Deno.test("redundancy: a block has a cell for each shard, and shards of 16 KiB where nothing is said", () => {
  const sizes = [[1, 0], [1, 3], [2, 1], [4, 2], [5, 2], [8, 2], [30, 2]].map(([k, m]) =>
    blockBytesFor({ redundancy: { k, m } }) / 1024
  );
  assert.deepEqual(sizes, [16, 16, 32, 64, 128, 128, 512]);
  assert.equal(blockBytesFor({}), 16384);
  assert.equal(blockBytesFor({ redundancy: { k: 4, m: 2 }, blockBytes: 16384 }), 16384);
  assert.throws(() => blockBytesFor({ redundancy: { k: 8, m: 2 }, blockBytes: 16384 }), {
    kind: "invalid",
    message: /leave --block-size out for 128 KiB/,
  });
});
