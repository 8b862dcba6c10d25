import assert from "node:assert/strict";
import { MemoryObjects } from "../../../backends/memory/objects.ts";
import { fixedSeal } from "../../../tests/support/open_write_once.ts";
import { RandomStream } from "../../../tests/support/random_stream.ts";
import { CELL_BYTES, KIB, SEGMENT_BYTES } from "../../limits.ts";
import { WriteOnceMedium } from "./write_once_medium.ts";

const BASE = 2 * SEGMENT_BYTES;
const CELLS = 300;
const OPTIONS = { objectBytesMax: 64 * KIB, graceSyncs: 2 };

/** A medium after many eras, with what its cells hold; 0 where one was dropped. */
function makeMedium(seed: number): { content: Map<string, Uint8Array>; cells: number[] } {
  const objects = new MemoryObjects();
  const medium = new WriteOnceMedium(objects, OPTIONS);
  medium.unlock(fixedSeal, "create");
  const stream = new RandomStream(seed);
  const cells = new Array<number>(CELLS).fill(0);
  for (let sync = 0; sync < 500; sync++) {
    for (let i = stream.below(6); i >= 0; i--) {
      const cell = stream.below(CELLS);
      const at = BASE + cell * CELL_BYTES;
      cells[cell] = stream.chance(0.1) ? 0 : 1 + stream.below(255);
      if (cells[cell] === 0) medium.direct.discard(at, CELL_BYTES);
      else medium.direct.write(at, new Uint8Array(CELL_BYTES).fill(cells[cell]));
    }
    medium.direct.sync();
  }
  return { content: objects.content, cells };
}

function open(content: Map<string, Uint8Array>, readOnly: boolean) {
  const medium = new WriteOnceMedium(new MemoryObjects({ content, readOnly }), OPTIONS);
  return { medium, damage: medium.unlock(fixedSeal, "open") };
}

/** Cells that differ; those that were dropped may hold anything. */
function differing(medium: WriteOnceMedium, cells: readonly number[]): number {
  const into = new Uint8Array(CELL_BYTES);
  let count = 0;
  for (const [cell, byte] of cells.entries()) {
    if (byte === 0) continue;
    medium.direct.read(BASE + cell * CELL_BYTES, into);
    if (into.some((each) => each !== byte)) count++;
  }
  return count;
}

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  return bytes.map((byte, i) => i === at ? byte ^ 1 : byte);
}

const claimsOf = (content: Map<string, Uint8Array>) =>
  [...content.keys()].filter((name) => name.startsWith("writer-")).sort();
const objectsOf = (content: Map<string, Uint8Array>) =>
  [...content.keys()].filter((name) => /^[0-9a-f]{32}$/.test(name));

for (let seed = 1; seed <= 3; seed++) {
  Deno.test(`write-once rebuild ${seed}: without the newest claim a reader gets everything`, () => {
    const { content, cells } = makeMedium(seed);
    assert.equal(open(content, true).damage, null);
    const newest = claimsOf(content).at(-1)!;
    const damaged = new Map(content).set(newest, flipped(content.get(newest)!, 200));
    const missing = new Map(content);
    for (const name of claimsOf(content)) missing.delete(name);
    for (const left of [damaged, missing]) {
      const { medium, damage } = open(left, true);
      assert.match(damage!, /claim/);
      assert.equal(differing(medium, cells), 0);
      assert.throws(() => open(left, false), { kind: "corrupt" });
    }
  });

  Deno.test(`write-once rebuild ${seed}: one damaged object loses what it held, and no more`, () => {
    const { content, cells } = makeMedium(seed);
    let rebuilt = 0;
    for (const name of objectsOf(content)) {
      const bytes = content.get(name)!;
      const { medium, damage } = open(
        new Map(content).set(name, flipped(bytes, bytes.length - 99)),
        true,
      );
      if (damage !== null) rebuilt++;
      assert.ok(differing(medium, cells) <= bytes.length / CELL_BYTES - 1, name);
    }
    assert.ok(rebuilt > 5, "the newest era's objects and checkpoint are needed to open");
  });
}

Deno.test("write-once rebuild: nobody writes where the newest claim has not arrived", () => {
  const objects = new MemoryObjects();
  const medium = new WriteOnceMedium(objects, { ...OPTIONS, graceSyncs: 1000 });
  medium.unlock(fixedSeal, "create");
  const write = () => {
    medium.direct.write(BASE, new Uint8Array(CELL_BYTES).fill(1));
    medium.direct.sync();
  };
  while (claimsOf(objects.content).length < 3) write();
  write();
  const content = new Map(objects.content);
  content.delete(claimsOf(content).at(-1)!);
  assert.throws(() => open(content, false), {
    kind: "corrupt",
    message: /newest claim is missing/,
  });
  assert.equal(open(new Map(objects.content), false).damage, null);
});

Deno.test("write-once rebuild: nothing is made of objects that another key sealed", () => {
  const { content } = makeMedium(1);
  const strange = { ...fixedSeal, open: () => null };
  const medium = new WriteOnceMedium(new MemoryObjects({ content, readOnly: true }), OPTIONS);
  assert.throws(() => medium.unlock(strange, "open"), { kind: "corrupt" });
});
