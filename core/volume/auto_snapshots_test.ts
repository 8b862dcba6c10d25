import assert from "node:assert/strict";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { ArenaKernel } from "../../tests/support/arena_kernel.ts";
import { FakeRuntime } from "../../tests/support/fake_runtime.ts";
import { createKeyedVault } from "../../tests/support/keyed_vault.ts";
import { VaultError } from "../errors.ts";
import { MIB } from "../limits.ts";
import { checkVault } from "../vault/check.ts";
import { AutoSnapshots } from "./auto_snapshots.ts";
import { MAIN_VOLUME } from "./volumes.ts";

const arena = new ArenaKernel(32 * MIB);
const HOUR_MS = 3_600_000;

async function world(rule: ConstructorParameters<typeof AutoSnapshots>[1]) {
  arena.reset();
  const runtime = new FakeRuntime();
  const medium = new MemoryStorage({});
  const vault = await createKeyedVault({ medium, kernel: arena, runtime }, { segments: 8 });
  const { volumes, volume: { engine, id } } = vault.opened;
  const auto = new AutoSnapshots({ engine, volumes, volume: id }, rule);
  const names = async () => (await vault.snapshots.list(MAIN_VOLUME)).map(({ name }) => name);
  return { vault, runtime, auto, names };
}

Deno.test("automatic snapshots: one each hour in which something changed, kept by the rule; others stay", async () => {
  const { vault, runtime, auto, names } = await world({ hourly: 3, daily: 2 });
  await vault.snapshots.create(MAIN_VOLUME, "mine");
  for (let quarter = 0; quarter < 4 * 60; quarter++) {
    // Nothing changes in the second half of each day.
    if (quarter % 96 < 48) await vault.files.writeFile("/file", `${quarter}`);
    await vault.commit();
    auto.tick();
    runtime.advance(HOUR_MS / 4);
  }
  assert.deepEqual(await names(), [
    "mine",
    "auto-2030-01-02T12-00-00Z",
    "auto-2030-01-03T09-00-00Z",
    "auto-2030-01-03T10-00-00Z",
    "auto-2030-01-03T11-00-00Z",
  ]);
  while (vault.opened.volumes.destroyStep());
  assert.deepEqual((await checkVault(vault)).problems, []);
});

Deno.test("automatic snapshots: one that the medium fails is told, and tried again soon", async () => {
  const { vault, runtime, auto, names } = await world({ monthly: 2 });
  const { volumes } = vault.opened;
  const snapshot = volumes.snapshot.bind(volumes);
  volumes.snapshot = () => {
    throw new VaultError("unavailable", "Cannot read from the medium", { errno: "EIO" });
  };
  assert.throws(() => auto.tick(), { errno: "EIO" });
  volumes.snapshot = snapshot;
  auto.tick();
  assert.deepEqual(await names(), []);
  runtime.advance(60_000);
  auto.tick();
  assert.equal((await names()).length, 1);
});

Deno.test("automatic snapshots: a day each is enough for longer periods; a clock that was set back goes on", async () => {
  const { vault, runtime, auto, names } = await world({ monthly: 2 });
  const live = async (days: number) => {
    for (let day = 0; day < days; day++) {
      await vault.files.writeFile("/file", `${day} ${runtime.now()}`);
      await vault.commit();
      auto.tick();
      runtime.advance(24 * HOUR_MS);
    }
  };
  await live(70);
  assert.deepEqual(await names(), ["auto-2030-02-28T00-00-00Z", "auto-2030-03-11T00-00-00Z"]);
  runtime.advance(-400 * 24 * HOUR_MS);
  await live(2);
  assert.equal((await names()).length, 2);
});
