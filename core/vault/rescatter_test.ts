import assert from "node:assert/strict";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { ArenaKernel } from "../../tests/support/arena_kernel.ts";
import type { FakeRuntime } from "../../tests/support/fake_runtime.ts";
import { createKeyedVault, openKeyedVault } from "../../tests/support/keyed_vault.ts";
import { compare, isHole } from "../bytes.ts";
import { CELL_BYTES, KIB, MIB } from "../limits.ts";
import { checkVault } from "./check.ts";
import { rescatterVault } from "./rescatter.ts";
import type { Vault } from "./vault.ts";

const arena = new ArenaKernel(24 * MIB);
const FILES = 30;

function contentOf(i: number): Uint8Array {
  return new Uint8Array(5000 * i + 10).fill(i + 1);
}

async function filled(shape: { dense?: boolean; redundancy?: { k: number; m: number } }) {
  arena.reset();
  const medium = new MemoryStorage({});
  const options = { segments: 12, blockBytes: 4096, ...shape };
  const vault = await createKeyedVault({ medium, kernel: arena }, options);
  for (let i = 0; i < FILES; i++) await vault.files.writeFile(`/f${i}`, contentOf(i));
  await vault.commit();
  return { medium, vault };
}

async function assertWhole(vault: Vault): Promise<void> {
  for (let i = 0; i < FILES; i++) {
    assert.deepEqual(await vault.files.readFile(`/f${i}`), contentOf(i));
  }
  assert.deepEqual((await checkVault(vault)).problems, []);
}

/** Cells that are in use, but for those of the header, which only changes of key slots write. */
function liveCells({ opened: { volume: { store: { space } } } }: Vault, from: number): number[] {
  const live: number[] = [];
  for (let cell = from * 1024; cell < space.segments * 1024; cell++) {
    if (!space.isFree(cell, 1)) live.push(cell);
  }
  return live;
}

for (
  const [name, shape, first] of [
    ["sparse", {}, 2],
    ["dense", { dense: true }, 4],
    ["2+1", { redundancy: { k: 2, m: 1 } }, 2],
  ] as const
) {
  Deno.test(`rescatter, ${name}: two images a pass apart share no live cell`, async () => {
    const { medium, vault } = await filled(shape);
    for (let i = 0; i < 4; i++) {
      vault.opened.volume.engine.markChanged();
      await vault.commit(); // so that nothing rests that is of no root any more
    }
    const before = medium.content.fork();
    const live = liveCells(vault, first);
    assert.ok(live.length > FILES);
    const report = await rescatterVault(vault);
    assert.ok(report.movedBlocks > FILES && !report.resumed);
    const [a, b] = [new Uint8Array(CELL_BYTES), new Uint8Array(CELL_BYTES)];
    const old = new Set<string>();
    for (const cell of live) {
      before.read(cell * CELL_BYTES, a);
      if (!isHole(a)) old.add(a.toHex());
    }
    for (const cell of liveCells(vault, first)) {
      medium.content.read(cell * CELL_BYTES, b);
      if (!isHole(b)) assert.ok(!old.has(b.toHex()), `cell ${cell} holds what was live before`);
    }
    // Superblocks lie in the header's segments.
    let same = 0;
    for (let cell = 45; cell < 1024; cell++) {
      before.read(cell * CELL_BYTES, a);
      medium.content.read(cell * CELL_BYTES, b);
      if (!isHole(a) && compare(a, b) === 0) same++;
    }
    assert.equal(same, 0, "the ring came round");
    await assertWhole(vault);
    assert.equal(vault.opened.volume.store.catalog.rescatter()?.next, 0);
  });
}

Deno.test("rescatter: stopped, it goes on where it was after reopening", async () => {
  const { medium, vault } = await filled({});
  const stop = new AbortController();
  let steps = 0;
  const progress = () => {
    if (++steps === 25) stop.abort(new Error("stopped"));
  };
  await assert.rejects(rescatterVault(vault, { progress, signal: stop.signal }), /stopped/);
  await vault.commit();
  arena.reset();
  const copy = new MemoryStorage({ content: medium.content.fork() });
  const again = openKeyedVault({ medium: copy, kernel: arena });
  const noted = again.opened.volume.store.catalog.rescatter();
  assert.ok(noted !== null && noted.next > 1, `${noted?.next}`);
  const total = again.opened.volume.store.blocks.nextId;
  const report = await rescatterVault(again);
  assert.ok(report.resumed && report.movedBlocks < total - noted.next + 1);
  await assertWhole(again);
});

Deno.test("rescatter: below a rate by the clock", async () => {
  const { vault } = await filled({});
  const clock = vault.header.runtime as FakeRuntime;
  const started = clock.now();
  const rateBytes = 8 * MIB;
  let [seen, isOver] = [0, false];
  const progress = (done: number) => seen = done;
  const pass = rescatterVault(vault, { rateBytes, progress }).then(() => isOver = true);
  while (!isOver) {
    clock.advance(16);
    await new Promise((resolve) => setTimeout(resolve, 2));
    const allowed = rateBytes * (clock.now() - started) / 1000 + 256 * KIB;
    assert.ok(seen <= allowed, `${seen} bytes, ${allowed} allowed`);
  }
  await pass;
  assert.ok(seen >= FILES * FILES * 2400, "all of it");
});

Deno.test("rescatter: never inside a transaction, and not while others shall have the vault", async () => {
  const { vault } = await filled({});
  const { promise: mayEnd, resolve: end } = Promise.withResolvers<void>();
  const ended = vault.transaction(async (files) => {
    await files.writeFile("/inside", "x");
    await mayEnd;
  });
  let [steps, looks] = [0, 0];
  const { promise: looked, resolve: look } = Promise.withResolvers<void>();
  const isBusy = () => {
    if (++looks === 3) look();
    return looks < 5;
  };
  const pass = rescatterVault(vault, { isBusy, progress: () => steps++ });
  await new Promise((resolve) => setTimeout(resolve, 1));
  assert.deepEqual([steps, looks], [0, 0], "it waits for the transaction");
  end();
  await ended;
  await looked;
  assert.equal(steps, 0, "busy");
  await pass;
  assert.ok(steps > 0);
  await assertWhole(vault);
});
