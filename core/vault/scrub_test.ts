import assert from "node:assert/strict";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { ArenaKernel } from "../../tests/support/arena_kernel.ts";
import { FaultyMedium } from "../../tests/support/faulty_medium.ts";
import { createKeyedVault, openKeyedVault } from "../../tests/support/keyed_vault.ts";
import { placeCells } from "../format/map_entry.ts";
import { readPointer } from "../format/pointer.ts";
import type { Redundancy } from "../format/redundancy.ts";
import { KIND } from "../format/seal_aad.ts";
import { CELL_BYTES, MIB } from "../limits.ts";
import { systemRuntime } from "../runtime.ts";
import { checkVault } from "./check.ts";
import { type ScrubOptions, type ScrubReport, scrubVault } from "./scrub.ts";
import type { Vault } from "./vault.ts";

const arena = new ArenaKernel(48 * MIB);
/** These vaults have no header. */
const HEADERLESS = 2;

interface World {
  readonly medium: FaultyMedium;
  readonly vault: Vault;
}

async function world(redundancy: Redundancy): Promise<World> {
  arena.reset();
  const medium = new FaultyMedium(new MemoryStorage({}));
  const shape = { segments: 14, blockBytes: 16384, redundancy };
  const vault = await createKeyedVault({ medium, kernel: arena, runtime: systemRuntime }, shape);
  for (let i = 0; i < 40; i++) await vault.files.writeFile(`/file ${i}`, bytesOf(i, 700 * i));
  await vault.files.makeDirectory("/deep");
  await vault.files.writeFile("/deep/big", bytesOf(7, 900_000));
  await vault.commit();
  return { medium, vault };
}

function bytesOf(seed: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (seed * 31 + i * 7 + (i >> 8)) & 255);
}

async function scrub(vault: Vault, options?: ScrubOptions): Promise<ScrubReport> {
  const report = await scrubVault(vault, options);
  assert.equal(report.badHeaders, HEADERLESS);
  return report;
}

/** Damages place `index` of every block for which `wanted` says so. */
function harm({ medium, vault }: World, index: number, wanted: (kind: number) => boolean): number {
  const places: number[] = [];
  vault.opened.volume.store.blocks.entries((_, entry) => {
    if (!wanted(entry.kind)) return;
    places.push(entry.places[index % entry.places.length].cell * CELL_BYTES);
    assert.ok(placeCells(entry) > 0);
  });
  for (const offset of places) medium.flipBit(offset + 99, 3);
  return places.length;
}

Deno.test("scrub: a sound vault is read once, place by place, and nothing is found", async () => {
  const { vault } = await world({ k: 2, m: 1 });
  const report = await scrub(vault);
  const check = await checkVault(vault);
  assert.deepEqual([report.bad, report.lost, report.resumed], [0, 0, false]);
  assert.ok(report.places > check.places && report.places < check.places + 60);
  assert.deepEqual(check.problems, []);
  assert.equal(vault.opened.volume.store.catalog.scrub()?.cursor, null);
});

Deno.test("scrub: whatever is bad and can be read is written anew, the next one finds nothing", async () => {
  const made = await world({ k: 2, m: 1 });
  const { vault, medium } = made;
  const harmed = harm(made, 2, () => true);
  const { root } = vault.opened.volume.store.inspect();
  for (const pointer of [root!.record.map, root!.record.space, root!.record.catalog]) {
    medium.flipBit(readPointer(pointer, 0).copies[1].cell * CELL_BYTES + 7, 1);
  }
  const report = await scrub(vault);
  assert.equal(report.bad >= harmed, true);
  assert.deepEqual([report.lost, report.files], [0, []]);
  assert.deepEqual((await checkVault(vault)).problems, []);
  assert.equal((await scrub(vault)).bad, 0);
  for (let i = 0; i < 40; i++) {
    assert.deepEqual(await vault.files.readFile(`/file ${i}`), bytesOf(i, 700 * i));
  }
});

Deno.test("scrub: what is lost is named, file by file, in the volume and its snapshots", async () => {
  const made = await world({ k: 1, m: 0 });
  const { vault } = made;
  vault.opened.volumes.snapshot("main", "before");
  await vault.files.remove("/file 39");
  await vault.files.writeFile("/later", bytesOf(3, 50_000));
  await vault.commit();
  harm(made, 0, (kind) => kind === KIND.data);
  const report = await scrub(vault);
  assert.equal(report.ok, false);
  const named = (snapshot: string | null) =>
    report.files.filter((file) => file.snapshot === snapshot).map(({ path }) => path);
  const stored = Array.from({ length: 40 }, (_, i) => i).filter((i) => 700 * i > 2048);
  const before = ["/deep/big", ...stored.map((i) => `/file ${i}`)].sort();
  const now = ["/later", ...before].filter((path) => path !== "/file 39").sort();
  assert.deepEqual(named("before"), before);
  assert.deepEqual(named(null), now);
  assert.ok(report.files.every(({ loss, volume }) => loss === "data" && volume === "main"));
});

Deno.test("scrub: one that was stopped goes on where it was, also after opening again", async () => {
  const { vault, medium } = await world({ k: 1, m: 1 });
  const whole = await scrub(vault);
  const stop = new AbortController();
  let told = 0;
  const options = { signal: stop.signal, progress: () => ++told === 2 && stop.abort() };
  await assert.rejects(scrubVault(vault, { ...options, progress: () => void options.progress() }));
  const { cursor, counts } = vault.opened.volume.store.catalog.scrub()!;
  assert.notEqual(cursor, null);
  assert.ok(counts.places > 0 && counts.places < whole.places);
  arena.reset();
  const again = openKeyedVault({ medium, kernel: arena });
  const report = await scrub(again);
  assert.equal(report.resumed, true);
  assert.ok(Math.abs(report.places - whole.places) < 10);
  assert.equal((await scrub(again)).resumed, false);
});

Deno.test("scrub: files may be changed and removed meanwhile", async () => {
  const { vault } = await world({ k: 2, m: 1 });
  let round = 0;
  const changing = (async () => {
    for (; round < 30; round++) {
      await vault.files.writeFile(`/file ${round % 40}`, bytesOf(round, 40_000));
      if (round % 3 === 0) await vault.files.remove(`/file ${(round + 20) % 40}`);
      await vault.commit();
    }
  })().catch((error) => error);
  const report = await scrub(vault, { rateBytes: 20 * MIB });
  assert.equal(await changing, undefined);
  assert.deepEqual([report.bad, report.lost], [0, 0]);
  assert.deepEqual((await checkVault(vault)).problems, []);
});

Deno.test("scrub: opened read-only it reports and changes nothing", async () => {
  const made = await world({ k: 1, m: 1 });
  harm(made, 1, (kind) => kind === KIND.data);
  arena.reset();
  const vault = openKeyedVault({ medium: made.medium, kernel: arena, readOnly: true });
  const report = await scrub(vault);
  assert.deepEqual([report.bad > 0, report.repaired, report.lost], [true, false, 0]);
});
