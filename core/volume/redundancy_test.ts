import assert from "node:assert/strict";
import fc from "fast-check";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { ArenaKernel } from "../../tests/support/arena_kernel.ts";
import { FaultyMedium } from "../../tests/support/faulty_medium.ts";
import { createKeyedVault, openKeyedVault } from "../../tests/support/keyed_vault.ts";
import { RandomStream } from "../../tests/support/random_stream.ts";
import type { DamageEvent } from "../block/damage.ts";
import { type MapEntry, placeCells } from "../format/map_entry.ts";
import { readPointer } from "../format/pointer.ts";
import type { Redundancy } from "../format/redundancy.ts";
import { CELL_BYTES, MIB, SEGMENT_CELLS } from "../limits.ts";
import { checkVault } from "../vault/check.ts";
import type { Vault } from "../vault/vault.ts";
import { type NodeStep, type NodeTree, scrubTree } from "./node_scrub.ts";
import { scrubBlocks, type ScrubStep } from "./scrub.ts";
import type { Volume } from "./volume.ts";

const BLOCK_BYTES = 32768;
const arena = new ArenaKernel(48 * MIB);

interface World {
  readonly medium: FaultyMedium;
  readonly vault: Vault;
  readonly volume: Volume;
  readonly events: DamageEvent[];
  readonly address: number;
}

async function world(redundancy: Redundancy, segments = 14): Promise<World> {
  arena.reset();
  const medium = new FaultyMedium(new MemoryStorage({}));
  const shape = { segments, segmentsMax: 64, blockBytes: BLOCK_BYTES, redundancy };
  const vault = await createKeyedVault({ medium, kernel: arena }, shape);
  return over(medium, vault);
}

function over(medium: FaultyMedium, vault: Vault): World {
  const events: DamageEvent[] = [];
  const { volume } = vault.opened;
  volume.store.damage.observer = (event) => events.push(event);
  return { medium, vault, volume, events, address: arena.reserve(20 * BLOCK_BYTES) };
}

/** The bytes of block `id`, whatever its length. */
function fill(id: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (id * 31 + i * 7 + (i >> 8)) & 255);
}

function put({ volume, address }: World, lengths: readonly number[]): number[] {
  const ids: number[] = [];
  for (const length of lengths) {
    const firstId = volume.allocateIds(1);
    arena.bytes.set(fill(firstId, length), address);
    volume.put({ firstId, count: 1, address, lastLength: length });
    volume.settle();
    ids.push(firstId);
  }
  volume.endGroup();
  return ids;
}

function isRight({ volume, address }: World, id: number, length: number): boolean {
  volume.get(id, 1, address);
  const read = arena.bytes.slice(address, address + BLOCK_BYTES);
  const expected = new Uint8Array(BLOCK_BYTES);
  expected.set(fill(id, length));
  return read.every((byte, i) => byte === expected[i]);
}

/** Flips a bit in some of a block's places. */
function harm({ medium }: World, entry: MapEntry, places: readonly number[]): void {
  const bytes = placeCells(entry) * CELL_BYTES;
  for (const i of places) {
    medium.flipBit(entry.places[i].cell * CELL_BYTES + (i * 977) % bytes, i % 8);
  }
}

/** Everything, in steps of three blocks. */
function scrub({ volume }: World): { bad: number; lost: number[]; places: number } {
  const sum = { bad: 0, lost: [] as number[], places: 0 };
  for (let from: number | null = 0; from !== null;) {
    const step: ScrubStep = scrubBlocks(volume.engine, from, { blocks: 3 });
    from = step.next;
    sum.bad += step.bad;
    sum.places += step.places;
    sum.lost.push(...step.lost);
  }
  return sum;
}

/** The trees without ids, in steps of two nodes. */
function scrubTrees({ volume }: World): { bad: number; holes: number } {
  const sum = { bad: 0, holes: 0 };
  const trees: NodeTree[] = ["block map", "space map", "catalog"];
  for (const tree of trees) {
    for (let from: Uint8Array | null = new Uint8Array(0); from !== null;) {
      const step: NodeStep = scrubTree(volume.engine, tree, from, 2);
      from = step.next;
      sum.bad += step.bad;
      sum.holes += step.holes.length;
    }
  }
  return sum;
}

const shapes = [[1, 0], [1, 1], [1, 3], [2, 1], [3, 2], [4, 2], [5, 3], [8, 1]]
  .map(([k, m]) => ({ k, m }));

for (const redundancy of shapes) {
  const { k, m } = redundancy;
  Deno.test(`redundancy ${k}+${m}: blocks of every length come back, in places of different segments`, async () => {
    const made = await world(redundancy, 16);
    const lengths = [1, 4096, 4097, 8192, 12000, 16384, 20000, 24577, 28672, 32767, BLOCK_BYTES];
    const ids = put(made, lengths);
    ids.forEach((id, i) => assert.ok(isRight(made, id, lengths[i]), `block of ${lengths[i]}`));
    for (let i = 0; i < ids.length; i++) {
      const entry = made.volume.store.blocks.entry(ids[i])!;
      const cells = Math.ceil(lengths[i] / CELL_BYTES);
      assert.deepEqual([entry.k, entry.m], [cells >= k ? k : 1, m]);
      const segments = new Set(entry.places.map(({ cell }) => Math.floor(cell / SEGMENT_CELLS)));
      assert.equal(segments.size, entry.places.length);
      assert.equal(new Set(entry.places.map(({ nonce }) => nonce.toHex())).size, segments.size);
    }
    await made.vault.commit();
    const report = await checkVault(made.vault);
    assert.deepEqual([...new Set(report.problems.map(({ kind }) => kind))], [
      "catalog",
      "unreachable",
    ]);
    assert.deepEqual(made.events, []);
  });
}

Deno.test("redundancy: a run of blocks is written and read as one", async () => {
  for (const redundancy of shapes) {
    const made = await world(redundancy, 24);
    const { volume, address } = made;
    const count = 20;
    const firstId = volume.allocateIds(count);
    for (let i = 0; i < count; i++) {
      arena.bytes.set(fill(firstId + i, BLOCK_BYTES), address + i * BLOCK_BYTES);
    }
    const { ticket } = volume.put({ firstId, count, address, lastLength: 5000 });
    volume.settle(ticket);
    assert.ok(volume.settled(ticket));
    volume.get(firstId, count, address);
    for (let i = 0; i < count; i++) {
      const at = address + i * BLOCK_BYTES;
      const length = i === count - 1 ? 5000 : BLOCK_BYTES;
      assert.deepEqual(arena.bytes.slice(at, at + length), fill(firstId + i, length));
    }
  }
});

Deno.test("redundancy: up to m bad places give the right bytes and are repaired, more are corrupt", async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(2 ** 31), fc.constantFrom(...shapes.slice(1)), async (seed, shape) => {
      const stream = new RandomStream(seed);
      const made = await world(shape, 20);
      const lengths = Array.from({ length: 12 }, () => 1 + stream.below(BLOCK_BYTES));
      let known = put(made, lengths).map((id, i) => ({ id, length: lengths[i] }));
      await made.vault.commit();
      for (let step = 0; step < 20; step++) {
        const { volume, events } = made;
        const one = known[stream.below(known.length)];
        const entry = volume.store.blocks.entry(one.id)!;
        const order = entry.places.map((_, i) => i).sort(() => stream.below(3) - 1);
        const action = stream.below(5);
        if (action === 0) volume.move(one.id);
        else if (action === 1 && known.length > 3) {
          volume.drop(one.id, 1);
          known = known.filter(({ id }) => id !== one.id);
        } else if (action === 2) await made.vault.commit();
        else if (action === 3) {
          harm(made, entry, order.slice(0, 1 + stream.below(shape.m)));
          assert.ok(isRight(made, one.id, one.length));
          assert.deepEqual(scrub(made).lost, []); // parity that a read does not ask for
          assert.equal(scrub(made).bad, 0);
          for (const { repaired } of events) assert.ok(repaired);
        } else {
          harm(made, entry, order.slice(0, shape.m + 1));
          assert.deepEqual(scrub(made).lost, [one.id]);
          assert.throws(() => isRight(made, one.id, one.length), { kind: "corrupt" });
          volume.drop(one.id, 1);
          known = known.filter(({ id }) => id !== one.id);
          if (known.length === 0) break;
        }
      }
      for (const { id, length } of known) assert.ok(isRight(made, id, length));
    }),
    { numRuns: 25 },
  );
});

Deno.test("redundancy: a read repairs what it met bad: the next check finds nothing", async () => {
  for (const redundancy of shapes.slice(1)) {
    const { vault, medium, volume, events } = await world(redundancy, 16);
    await vault.files.writeFile("/a", fill(5, 200_000));
    await vault.files.writeFile("/b", fill(6, 3000));
    await vault.commit();
    let harmed = 0;
    volume.store.blocks.entries((_, entry) => {
      if (entry.kind !== 1) return;
      medium.flipBit(entry.places[0].cell * CELL_BYTES + 11, 2);
      harmed++;
    });
    const report = await checkVault(vault);
    assert.deepEqual([...new Set(report.problems.map(({ kind }) => kind))], ["degraded"]);
    assert.equal(report.problems.length, harmed);
    vault.fileSystem.reset();
    assert.deepEqual(await vault.files.readFile("/a"), fill(5, 200_000));
    assert.deepEqual(await vault.files.readFile("/b"), fill(6, 3000));
    assert.equal(events.length, harmed);
    assert.ok(events.every(({ repaired, bad }) => repaired && bad === 1));
    assert.deepEqual((await checkVault(vault)).problems, []);
  }
});

Deno.test("redundancy: opened read-only, the bytes are right and nothing is written", async () => {
  const { vault, medium, volume } = await world({ k: 4, m: 2 });
  await vault.files.writeFile("/a", fill(5, 100_000));
  await vault.commit();
  volume.store.blocks.entries((_, { places }) => {
    medium.flipBit(places[0].cell * CELL_BYTES + 11, 2);
  });
  arena.reset();
  const again = openKeyedVault({ medium, kernel: arena, readOnly: true });
  const seen: DamageEvent[] = [];
  again.opened.volume.store.damage.observer = (event) => seen.push(event);
  for (let i = 0; i < 2; i++) assert.deepEqual(await again.files.readFile("/a"), fill(5, 100_000));
  assert.ok(seen.length > 0 && seen.every(({ repaired }) => !repaired));
});

Deno.test("redundancy: nodes of every tree are repaired, by reads and by a scrub", async () => {
  for (const redundancy of [{ k: 1, m: 1 }, { k: 4, m: 2 }]) {
    const made = await world(redundancy, 16);
    const { vault, medium } = made;
    for (let i = 0; i < 60; i++) await vault.files.writeFile(`/file ${i}`, fill(i, 1500));
    await vault.commit();
    arena.reset();
    const again = over(medium, openKeyedVault({ medium, kernel: arena }));
    const { store } = again.volume;
    for (const copy of [0, 1]) {
      await again.vault.commit();
      const { root } = store.inspect();
      for (const pointer of [root!.record.map, root!.record.space, root!.record.catalog]) {
        const { cell } = readPointer(pointer, 0).copies[copy];
        medium.flipBit(cell * CELL_BYTES + 100, 3);
      }
      store.blocks.entries((_, { kind, places }) => {
        if (kind === 2) medium.flipBit(places[copy].cell * CELL_BYTES + 100, 3);
      });
      medium.flipBit(Math.floor(root!.runs[copy] / 512) * CELL_BYTES + 50, 1);
      const kinds = new Set((await reportOf(again, "read")).map(({ kind }) => kind));
      assert.deepEqual([...kinds], ["degraded"]);
      assert.ok(scrub(again).bad > 0);
      assert.deepEqual(scrubTrees(again), { bad: 3, holes: 0 });
      assert.deepEqual(await reportOf(again, "commit"), []);
    }
    for (let i = 0; i < 60; i++) {
      assert.deepEqual(await vault.files.readFile(`/file ${i}`), fill(i, 1500));
    }
  }
});

/** What a check finds: of the root as it is, or of the next one. */
async function reportOf({ vault }: World, how: "read" | "commit") {
  if (how === "commit") return (await checkVault(vault)).problems;
  const frozen = Object.create(vault, { readOnly: { value: true } });
  return (await checkVault(frozen)).problems;
}
