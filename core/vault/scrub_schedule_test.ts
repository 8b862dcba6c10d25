import assert from "node:assert/strict";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { ArenaKernel } from "../../tests/support/arena_kernel.ts";
import { FakeRuntime } from "../../tests/support/fake_runtime.ts";
import { createKeyedVault, openKeyedVault } from "../../tests/support/keyed_vault.ts";
import { MIB } from "../limits.ts";
import { ScrubSchedule } from "./scrub_schedule.ts";
import { scrubVault } from "./scrub.ts";

const DAY_MS = 86_400_000;
const arena = new ArenaKernel(24 * MIB);

Deno.test("scrub schedule: runs when the last one is old enough, one at a time, and remembers over openings", async () => {
  const medium = new MemoryStorage({});
  const runtime = new FakeRuntime(1);
  const parts = { medium, kernel: arena, runtime };
  let runs = 0;
  const over = (vault: Parameters<typeof scrubVault>[0]) =>
    new ScrubSchedule(vault, 7 * DAY_MS, async () => {
      runs++;
      await scrubVault(vault);
    });
  const schedule = over(await createKeyedVault(parts));
  await Promise.all([schedule.tick(), schedule.tick()]);
  assert.equal(runs, 1);
  runtime.advance(6 * DAY_MS);
  await schedule.tick();
  assert.equal(runs, 1);
  arena.reset();
  const again = over(openKeyedVault(parts));
  await again.tick();
  assert.equal(runs, 1);
  runtime.advance(DAY_MS);
  await again.tick();
  assert.equal(runs, 2);
});

Deno.test("scrub schedule: what failed is tried again after an hour", async () => {
  arena.reset();
  const runtime = new FakeRuntime(1);
  const vault = await createKeyedVault({
    medium: new MemoryStorage({}),
    kernel: arena,
    runtime,
  });
  let runs = 0;
  const schedule = new ScrubSchedule(vault, 7 * DAY_MS, () => {
    runs++;
    return Promise.resolve();
  });
  for (let minute = 0; minute < 121; minute++) {
    await schedule.tick();
    runtime.advance(60_000);
  }
  assert.equal(runs, 3);
});
