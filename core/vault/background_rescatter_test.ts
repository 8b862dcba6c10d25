import assert from "node:assert/strict";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { ArenaKernel } from "../../tests/support/arena_kernel.ts";
import { createKeyedVault } from "../../tests/support/keyed_vault.ts";
import { KIB, MIB } from "../limits.ts";
import { BackgroundRescatter } from "./background_rescatter.ts";
import { checkVault } from "./check.ts";
import type { Vault } from "./vault.ts";

const arena = new ArenaKernel(24 * MIB);
/** Bytes of a step of a vault of 4 KiB blocks at most. */
const STEP_BYTES = 32 * 4 * KIB + 3 * 16 * KIB;

async function filled(): Promise<Vault> {
  arena.reset();
  const vault = await createKeyedVault({ medium: new MemoryStorage({}), kernel: arena }, {
    segments: 12,
  });
  await vault.files.writeFile("/file", new Uint8Array(3 * MIB).fill(7));
  await vault.commit();
  return vault;
}

/** Ids that have moved since the map was looked at last, as bytes. */
function placesOf({ opened: { volume: { store } } }: Vault): Map<number, number> {
  const places = new Map<number, number>();
  store.blocks.entries((id, { places: [{ cell }] }) => places.set(id, cell));
  return places;
}

function movedBytes(before: Map<number, number>, after: Map<number, number>): number {
  let moved = 0;
  for (const [id, cell] of after) if (before.get(id) !== cell) moved++;
  return moved * 4 * KIB;
}

Deno.test("background re-scatter: so many bytes in a second and no more, to the end", async () => {
  const vault = await filled();
  const rateBytes = 256 * KIB;
  const pass = new BackgroundRescatter(vault, { rateBytes, used: () => 1 });
  await pass.tick(); // nobody knows yet whether somebody uses it
  const start = placesOf(vault);
  for (let second = 1; second <= 10; second++) {
    await pass.tick();
    const moved = movedBytes(start, placesOf(vault));
    assert.ok(moved <= second * rateBytes + STEP_BYTES, `${moved} bytes in ${second} s`);
    assert.ok(moved >= Math.min(3 * MIB, (second - 1) * rateBytes / 2), `only ${moved} bytes`);
  }
  for (let second = 0; second < 60; second++) await pass.tick();
  const { catalog } = vault.opened.volume.store;
  assert.equal(catalog.rescatter()?.next, 0, "a pass is over");
  assert.deepEqual((await checkVault(vault)).problems, []);
});

Deno.test("background re-scatter: it waits while the vault is used, changed as one, or gone through", async () => {
  const vault = await filled();
  let [uses, taken] = [0, false];
  const options = { rateBytes: MIB, used: () => uses, isTaken: () => taken };
  const pass = new BackgroundRescatter(vault, options);
  await pass.tick();
  const start = placesOf(vault);
  for (let second = 0; second < 5; second++) {
    uses++;
    await pass.tick();
  }
  assert.equal(movedBytes(start, placesOf(vault)), 0, "used");
  await vault.transaction(async () => {
    await pass.tick();
    await pass.tick();
  });
  assert.equal(movedBytes(start, placesOf(vault)), 0, "inside a transaction");
  taken = true;
  await pass.tick();
  assert.equal(movedBytes(start, placesOf(vault)), 0, "somebody goes through it");
  taken = false;
  await pass.tick();
  assert.ok(movedBytes(start, placesOf(vault)) > 0);
});
