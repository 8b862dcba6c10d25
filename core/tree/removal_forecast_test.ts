import assert from "node:assert/strict";
import fc from "fast-check";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { ArenaKernel } from "../../tests/support/arena_kernel.ts";
import { createKeyedVault } from "../../tests/support/keyed_vault.ts";
import { contentCells } from "../format/map_entry.ts";
import { MIB } from "../limits.ts";
import { checkVault } from "../vault/check.ts";
import type { Vault } from "../vault/vault.ts";
import { forecastRemoval } from "./removal_forecast.ts";

const arena = new ArenaKernel(60 * MIB);

/** Cells of all blocks that the map has. */
function mappedCells({ opened: { volume: { store } } }: Vault): number {
  let cells = 0;
  store.blocks.entries((_, entry) => void (cells += contentCells(entry)));
  return cells;
}

const step = fc.record({
  what: fc.constantFrom(...(["write", "write", "write", "snapshot", "clone", "rollback"] as const)),
  volume: fc.nat(),
  choice: fc.nat(),
  size: fc.nat(40_000),
});

Deno.test("what deleting snapshots will free is what it frees, to the cell", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 8, maxLength: 40 }),
      fc.array(fc.boolean(), { minLength: 12, maxLength: 12 }),
      async (steps, picks) => {
        arena.reset();
        const shape = { segments: 8 };
        const vault = await createKeyedVault(
          { medium: new MemoryStorage({}), kernel: arena },
          shape,
        );
        const { volumes, volume: { store } } = vault.opened;
        for (const [n, { what, volume, choice, size }] of steps.entries()) {
          const list = await vault.volumes.list();
          const { name } = list[volume % list.length];
          const snapshots = await vault.snapshots.list(name);
          const snapshot = snapshots[choice % Math.max(1, snapshots.length)];
          if (what === "write") {
            await using open = await vault.volumes.open(name);
            await open.files.writeFile(`/f${choice % 5}`, new Uint8Array(size).fill(n));
          } else if (what === "snapshot") await vault.snapshots.create(name, `s${n}`);
          else if (snapshot === undefined) continue;
          else if (what === "rollback") await vault.snapshots.rollback(name, snapshot.sequence);
          else if (list.length < 4) await vault.snapshots.clone(name, snapshot.sequence, `v${n}`);
        }
        await vault.volumes.free();
        for (const { name } of await vault.volumes.list()) {
          const going = (await vault.snapshots.list(name)).filter((_, i) => picks[i % 12]);
          await vault.commit();
          const before = mappedCells(vault);
          const placed = going.map(({ sequence }) => volumes.placeOf(name, sequence));
          const forecast = forecastRemoval(store.catalog, placed);
          for (const { sequence } of going) await vault.snapshots.delete(name, sequence);
          await vault.volumes.free();
          assert.equal(before - mappedCells(vault), forecast);
        }
        assert.deepEqual((await checkVault(vault)).problems, []);
      },
    ),
    { numRuns: 40 },
  );
});
