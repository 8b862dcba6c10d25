import assert from "node:assert/strict";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { ArenaKernel } from "../../tests/support/arena_kernel.ts";
import { FakeRuntime } from "../../tests/support/fake_runtime.ts";
import { createKeyedVault } from "../../tests/support/keyed_vault.ts";
import { MIB } from "../limits.ts";
import { checkVault } from "../vault/check.ts";
import type { Vault } from "../vault/vault.ts";
import { UndoHistory } from "./undo_history.ts";
import { MAIN_VOLUME } from "./volumes.ts";

const arena = new ArenaKernel(32 * MIB);
const MINUTE_MS = 60_000;

interface World {
  readonly vault: Vault;
  readonly runtime: FakeRuntime;
  readonly history: UndoHistory;
}

async function world(segments = 8): Promise<World> {
  arena.reset();
  const runtime = new FakeRuntime();
  const medium = new MemoryStorage({});
  const vault = await createKeyedVault({ medium, kernel: arena, runtime }, { segments });
  const { volumes, volume } = vault.opened;
  return { vault, runtime, history: new UndoHistory(volume.engine, volumes, volume.id) };
}

function statesOf({ vault: { opened: { volumes, volume } } }: World): number {
  return volumes.historyOf(volume.id).length;
}

/** Writes a file, and lets a minute pass in which the history looks every second. */
async function minute({ vault, runtime, history }: World, text: string): Promise<void> {
  await vault.files.writeFile("/file", text);
  await vault.commit();
  for (let second = 0; second < 60; second++) {
    history.tick();
    runtime.advance(1000);
  }
}

async function requireClean(vault: Vault): Promise<void> {
  while (vault.opened.volumes.destroyStep());
  assert.deepEqual((await checkVault(vault)).problems, []);
}

Deno.test("undo history: a state each minute in which something changed, and none while nothing does", async () => {
  const all = await world();
  for (const text of ["1", "2", "3"]) await minute(all, text);
  assert.equal(statesOf(all), 3);
  const { sequence } = all.vault.opened.volume.store;
  for (let n = 0; n < 3000; n++) {
    all.runtime.advance(1000);
    all.history.tick();
  }
  assert.equal(statesOf(all), 3);
  assert.equal(all.vault.opened.volume.store.sequence, sequence, "nothing is written");
  await requireClean(all.vault);
});

Deno.test("undo history: going back, and back again", async () => {
  const all = await world();
  const { vault, runtime } = all;
  for (const text of ["1", "2", "3"]) await minute(all, text);
  await vault.files.writeFile("/late", "x");
  const time = runtime.now() - 2 * MINUTE_MS - 1000;
  const back = await vault.snapshots.undo(MAIN_VOLUME, { time });
  assert.equal(back.time, runtime.now() - 3 * MINUTE_MS);
  assert.equal(await vault.files.readText("/file"), "1");
  await assert.rejects(vault.files.readText("/late"), { kind: "missing" });
  // What was there at the time of the undo, by the clock, is what it led to.
  runtime.advance(1000);
  await vault.files.writeFile("/file", "4");
  await vault.snapshots.undo(MAIN_VOLUME, { time: runtime.now() });
  assert.equal(await vault.files.readText("/file"), "1");
  const states = await vault.snapshots.history(MAIN_VOLUME);
  const before = states.filter(({ time }) => time === runtime.now() - 1000)[0];
  await vault.snapshots.undo(MAIN_VOLUME, { sequence: before.sequence });
  assert.equal(await vault.files.readText("/file"), "3");
  assert.equal(await vault.files.readText("/late"), "x");
  await assert.rejects(vault.snapshots.undo(MAIN_VOLUME, { time: 0 }), {
    kind: "missing",
    message: /the oldest is of 2030-01-01/,
  });
  await requireClean(vault);
});

Deno.test("undo history: what is older than it reaches goes, but for what was there at its horizon", async () => {
  const all = await world();
  const { vault, runtime } = all;
  await vault.volumes.set(MAIN_VOLUME, { historySeconds: 600 });
  for (let n = 0; n < 30; n++) await minute(all, `${n}`);
  // Ten minutes, the one at the horizon, and the one of this minute.
  assert.ok(statesOf(all) >= 11 && statesOf(all) <= 12, `${statesOf(all)}`);
  await vault.snapshots.undo(MAIN_VOLUME, { time: runtime.now() - 10 * MINUTE_MS });
  assert.equal(await vault.files.readText("/file"), "20");
  await vault.snapshots.create(MAIN_VOLUME, "named");
  await vault.volumes.set(MAIN_VOLUME, { historySeconds: 0 });
  for (let n = 0; n < 300; n++) {
    runtime.advance(1000);
    all.history.tick();
  }
  assert.equal(statesOf(all), 0);
  assert.equal((await vault.snapshots.list(MAIN_VOLUME)).length, 1, "named ones stay");
  await requireClean(vault);
});

Deno.test("undo history: it takes its share of the space, and no more", async () => {
  const all = await world(16);
  const { vault, runtime } = all;
  const { engine } = vault.opened.volume;
  const total = engine.space().totalCells;
  let most = 0;
  for (let n = 0; n < 40; n++) {
    await vault.files.writeFile("/file", new Uint8Array(MIB / 2).fill(n));
    await vault.commit();
    runtime.advance(MINUTE_MS);
    all.history.tick();
    const own = (await vault.snapshots.list(MAIN_VOLUME)).reduce(
      (sum, { ownBytes }) => sum + ownBytes,
      0,
    );
    most = Math.max(most, own / 4096 / total);
  }
  assert.ok(most > 0.02 && most < 0.1, `${most}`);
  await requireClean(vault);
});

Deno.test("undo history: it gives way before the vault is full; named snapshots do not", async () => {
  const all = await world(16);
  const { vault, runtime } = all;
  await vault.volumes.set(MAIN_VOLUME, { historyPercent: 100 });
  const write = (n: number, size: number) =>
    vault.files.writeFile(`/file${n}`, new Uint8Array(size).fill(n));
  await write(0, 2 * MIB);
  await vault.snapshots.create(MAIN_VOLUME, "named");
  for (let n = 1; n < 200; n++) {
    await write(1, MIB);
    await vault.commit();
    runtime.advance(MINUTE_MS);
    all.history.tick();
  }
  assert.ok(statesOf(all) > 1, "some are there still");
  const room = vault.opened.volume.engine.space().totalCells * 4096;
  // More than there is room for beside the history.
  await write(2, Math.floor(room * 0.6));
  assert.equal((await vault.files.readFile("/file2")).length, Math.floor(room * 0.6));
  assert.equal(
    (await vault.snapshots.list(MAIN_VOLUME)).filter(({ history }) => !history).length,
    1,
  );
  await vault.snapshots.rollback(MAIN_VOLUME, "named");
  assert.equal((await vault.files.readFile("/file0")).length, 2 * MIB);
  await requireClean(vault);
});

Deno.test("undo history: a long one takes longer steps; a clock that was set back goes on", async () => {
  const all = await world();
  await all.vault.volumes.set(MAIN_VOLUME, { historySeconds: 7 * 24 * 3600 });
  // A 60th of a week is 2 hours and 48 minutes.
  for (let n = 0; n < 170; n++) await minute(all, `${n}`);
  assert.equal(statesOf(all), 2);
  all.runtime.advance(-24 * 60 * MINUTE_MS);
  await minute(all, "after");
  assert.equal(statesOf(all), 3);
});

for (const verb of ["undo", "rollback", "clone", "delete", "delete volume"] as const) {
  Deno.test(`undo history: what is needed does not give way for its own ${verb}`, async () => {
    const all = await world();
    const { vault, vault: { snapshots, volumes, opened: { volume: { engine } } } } = all;
    for (const text of ["1", "2", "3"]) await minute(all, text);
    const [, { sequence }] = await snapshots.list(MAIN_VOLUME);
    if (verb === "delete volume") await snapshots.clone(MAIN_VOLUME, sequence, "other");
    // As in a full vault: every state that may gives way before anything changes.
    const admit = engine.admit.bind(engine);
    engine.admit = (...wanted) => {
      engine.admit = admit;
      while (engine.giveWay());
      admit(...wanted);
    };
    if (verb === "undo") await snapshots.undo(MAIN_VOLUME, { sequence });
    if (verb === "rollback") await snapshots.rollback(MAIN_VOLUME, sequence);
    if (verb === "clone") await snapshots.clone(MAIN_VOLUME, sequence, "clone");
    if (verb === "delete") await snapshots.delete(MAIN_VOLUME, sequence);
    if (verb === "delete volume") await volumes.delete("other");
    const left = (await snapshots.list(MAIN_VOLUME)).map((each) => each.sequence);
    assert.equal(left.includes(sequence), !verb.startsWith("delete"));
    if (verb === "undo" || verb === "rollback") {
      const content = await vault.files.readFile("/file");
      assert.equal(new TextDecoder().decode(content), "2");
    }
    await requireClean(vault);
  });
}

Deno.test("a full vault can be rolled back, and its volumes renamed and set otherwise", async () => {
  const { vault } = await world();
  await vault.files.writeFile("/kept", "kept");
  await vault.snapshots.create(MAIN_VOLUME, "before");
  for (const bytes of [64 * 1024, 3000, 0]) {
    for (let n = 0, isFull = false; !isFull; n++) {
      const write = vault.files.writeFile(`/${bytes}-${n}`, new Uint8Array(bytes));
      isFull = await write.then(() => false, ({ errno }) => errno === "ENOSPC");
    }
  }
  await assert.rejects(vault.snapshots.create(MAIN_VOLUME, "more"), { errno: "ENOSPC" });
  await vault.volumes.set(MAIN_VOLUME, { historySeconds: 0 });
  await vault.volumes.rename(MAIN_VOLUME, "other");
  await vault.snapshots.rollback("other", "before");
  assert.deepEqual((await vault.files.list("/")).map(({ name }) => name), ["kept"]);
  await requireClean(vault);
  await vault.files.writeFile("/again", new Uint8Array(MIB));
});
