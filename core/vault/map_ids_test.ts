import assert from "node:assert/strict";
import fc from "fast-check";
import { encodeMapEntry } from "../format/map_entry.ts";
import { MapIds, RankBits } from "./map_ids.ts";
import { TreeNodes } from "./tree_nodes.ts";

const someIds = fc.uniqueArray(fc.nat(5000), { maxLength: 3000 })
  .map((ids) => ids.sort((a, b) => a - b));

Deno.test("map ids: ranks and ids are those of the sorted list", () => {
  fc.assert(
    fc.property(someIds, (sorted) => {
      const ids = new MapIds();
      sorted.forEach((id, rank) => assert.equal(ids.add(id), rank));
      assert.equal(ids.count, sorted.length);
      for (let id = 0; id < 5010; id++) {
        assert.equal(ids.rank(id), sorted.indexOf(id));
        if (id % 100 === 0) assert.equal(ids.next(id), sorted.find((one) => one >= id) ?? Infinity);
      }
      sorted.forEach((id, rank) => assert.equal(ids.id(rank), id));
      for (const id of sorted) assert.equal(ids.add(id), -1, "ids ascend");
    }),
    { numRuns: 20 },
  );
});

Deno.test("rank bits: what was not set is found, and setting twice is told", () => {
  fc.assert(
    fc.property(someIds, (set) => {
      const bits = new RankBits();
      for (const rank of set) assert.equal(bits.set(rank), true);
      for (const rank of set) assert.equal(bits.set(rank), false);
      const clear: number[] = [];
      for (let at = 0; (at = bits.nextClear(at, 5001)) < 5001; at++) clear.push(at);
      const all = Array.from({ length: 5001 }, (_, rank) => rank);
      assert.deepEqual(clear, all.filter((rank) => !bits.has(rank)));
      assert.equal(clear.length, 5001 - set.length);
    }),
    { numRuns: 20 },
  );
});

Deno.test("tree nodes: each has its entry, others have none", () => {
  const nodes = new TreeNodes();
  assert.equal(nodes.get(0), undefined);
  const entry = {
    kind: 2 as const,
    level: 0,
    k: 1,
    m: 0,
    codec: 0,
    length: 4056,
    stored: 4056,
    epoch: 1,
    places: [{
      member: 0,
      missing: false,
      nonce: new Uint8Array(24).fill(3),
      tag: new Uint8Array(16).fill(4),
    }],
  };
  const of = (id: number) => ({
    ...entry,
    inner: null,
    birth: id,
    places: [{ ...entry.places[0], cell: 7 * id }],
  });
  for (let id = 0; id < 3000; id += 3) nodes.add(id, encodeMapEntry(of(id)));
  for (let id = 0; id < 3010; id++) {
    const found = nodes.get(id);
    if (id % 3 !== 0 || id >= 3000) assert.equal(found, undefined);
    else assert.deepEqual([found?.birth, found?.places[0].cell], [id, 7 * id]);
  }
});
