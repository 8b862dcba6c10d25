import assert from "node:assert/strict";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { ArenaKernel } from "../../tests/support/arena_kernel.ts";
import { createKeyedVault } from "../../tests/support/keyed_vault.ts";
import { MIB, SEGMENT_CELLS, SEGMENT_SLOTS } from "../limits.ts";

Deno.test("space: a medium grows when what is free is scattered in runs too short", async () => {
  const kernel = new ArenaKernel(24 * MIB);
  kernel.reset();
  const shape = { segments: 4, segmentsMax: 64 };
  const vault = await createKeyedVault({ medium: new MemoryStorage({}), kernel }, shape);
  const { space } = vault.opened.volume.store;
  // One run of nine cells fills a slot of sixteen for every other: seven of sixteen cells stay free.
  const taken = new Set<number>();
  for (let slot = 0; slot < 8 * SEGMENT_SLOTS; slot++) taken.add(space.allocate(9));
  assert.equal(taken.size, 8 * SEGMENT_SLOTS);
  assert.ok(space.segments > 8 && space.segments <= 64);
  assert.ok(space.freeCells > 8 * SEGMENT_CELLS / 8, "much is free all the same");
});
