import assert from "node:assert/strict";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { ArenaKernel } from "../../tests/support/arena_kernel.ts";
import { FakeRuntime } from "../../tests/support/fake_runtime.ts";
import { createKeyedVault, openKeyedVault } from "../../tests/support/keyed_vault.ts";
import { compare, isHole } from "../bytes.ts";
import { CELL_BYTES, MIB } from "../limits.ts";
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

Deno.test("rescatter: below a rate by the clock, and never inside a transaction", async () => {
  const { vault } = await filled({});
  const clock = vault.header.runtime as FakeRuntime;
  const started = clock.now();
  const used = () => clock.now() - started;
  let open = true;
  const ended = vault.transaction(async (files) => {
    await files.writeFile("/inside", "x");
    while (open) await new Promise((resolve) => setTimeout(resolve, 1));
  });
  let written = 0;
  const pass = rescatterVault(vault, {
    isBusy: () => written > 0 && used() < 5,
    progress: () => written++,
  });
  await new Promise((resolve) => setTimeout(resolve, 150));
  assert.equal(written, 0, "it waits for the transaction");
  open = false;
  await ended;
  clock.advance(10);
  await pass;
  assert.ok(written > 0);
  await assertWhole(vault);
});
