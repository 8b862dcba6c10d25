import assert from "node:assert/strict";
import { FaultyMedium } from "../../tests/support/faulty_medium.ts";
import { ArenaKernel } from "../../tests/support/arena_kernel.ts";
import { createKeyedVault, openKeyedVault } from "../../tests/support/keyed_vault.ts";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { getU64, viewOf } from "../bytes.ts";
import { CELL_BYTES, MIB } from "../limits.ts";
import { checkVault } from "../vault/check.ts";
import type { Vault } from "../vault/vault.ts";

const arena = new ArenaKernel(60 * MIB);
const FILES = 600;

/** A vault with a deleted volume of several leaves of which nothing is freed, opened anew: nothing of it is in memory. */
async function withDeleted(): Promise<{ vault: Vault; medium: FaultyMedium }> {
  arena.reset();
  const content = new MemoryStorage({});
  const made = await createKeyedVault({ medium: content, kernel: arena }, { segments: 8 });
  await made.volumes.create("gone");
  {
    await using gone = await made.volumes.open("gone");
    for (let n = 0; n < FILES; n++) {
      await gone.files.writeFile(`/${n}`, new Uint8Array(5000).fill(n));
    }
  }
  await made.volumes.delete("gone");
  arena.reset();
  const copy = new MemoryStorage({ content: content.content.fork() });
  const medium = new FaultyMedium(copy);
  return { vault: openKeyedVault({ medium, kernel: arena }), medium };
}

/** The cell of the child of the deleted tree's root at a share of its records. */
function childCell({ opened: { volume: { store } } }: Vault, share: number): number {
  const { work } = store.catalog.firstPending()!;
  assert.ok(work.kind === "tree");
  const root = store.readPages().page(work.root);
  assert.ok(root.level > 0 && root.count > 3, `${root.count} leaves`);
  const child = getU64(viewOf(root.value(Math.floor(root.count * share))), 0);
  let cell = 0;
  store.blocks.entries((id, entry) => {
    if (id === child) cell = entry.places[0].cell;
  });
  assert.ok(cell > 0);
  return cell;
}

for (const share of [0, 0.3, 0.9]) {
  Deno.test(`freeing stops at damage and frees nothing twice: ${share}`, async () => {
    const { vault, medium } = await withDeleted();
    const { volumes } = vault.opened;
    const bit = childCell(vault, share) * CELL_BYTES + 99;
    medium.flipBit(bit, 1);
    assert.throws(() => {
      while (volumes.destroyStep(40));
    }, { kind: "corrupt" });
    assert.throws(() => volumes.destroyStep(40), { kind: "corrupt" });
    const { problems } = await checkVault(vault);
    assert.ok(problems.length > 0);
    assert.deepEqual(problems.filter(({ kind }) => kind === "missing" || kind === "shared"), []);
    // What was damaged only for a while is freed as if nothing had been.
    medium.flipBit(bit, 1);
    while (volumes.destroyStep(40));
    assert.deepEqual((await checkVault(vault)).problems, []);
  });
}

Deno.test("a full vault is full where damage is in the way of freeing", async () => {
  const { vault, medium } = await withDeleted();
  medium.flipBit(childCell(vault, 0.3) * CELL_BYTES + 99, 1);
  const fill = async () => {
    for (let n = 0;; n++) await vault.files.writeFile(`/${n}`, new Uint8Array(100_000));
  };
  await assert.rejects(fill(), { errno: "ENOSPC" });
  assert.ok(vault.opened.volume.store.freeing.waits);
});
