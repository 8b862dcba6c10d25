import assert from "node:assert/strict";
import fc from "fast-check";
import { CrashMedium } from "../../tests/support/crash_medium.ts";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { ArenaKernel } from "../../tests/support/arena_kernel.ts";
import { createKeyedVault, openKeyedVault } from "../../tests/support/keyed_vault.ts";
import { KIND } from "../format/seal_aad.ts";
import { MIB } from "../limits.ts";
import { checkVault } from "../vault/check.ts";
import type { Vault } from "../vault/vault.ts";

const arena = new ArenaKernel(24 * MIB);

function places(vault: Vault): Map<number, { cell: number; kind: number; nonce: string }> {
  const found = new Map<number, { cell: number; kind: number; nonce: string }>();
  vault.opened.volume.store.blocks.entries((id, { kind, places: [{ cell, nonce }] }) => {
    found.set(id, { cell, kind, nonce: nonce.join() });
  });
  return found;
}

async function filled(medium: MemoryStorage | CrashMedium): Promise<Vault> {
  arena.reset();
  const vault = await createKeyedVault({ medium, kernel: arena });
  for (let i = 0; i < 30; i++) {
    await vault.files.writeFile(`/file ${i}`, new Uint8Array(i * 1000).fill(i));
  }
  await vault.commit();
  return vault;
}

async function checkFiles(vault: Vault): Promise<void> {
  for (let i = 0; i < 30; i++) {
    const bytes = await vault.files.readFile(`/file ${i}`);
    assert.deepEqual(bytes, new Uint8Array(i * 1000).fill(i));
  }
}

Deno.test("move gives data and nodes new places and nonces under their ids", async () => {
  const medium = new MemoryStorage({});
  const vault = await filled(medium);
  const before = places(vault);
  assert.deepEqual(
    [...new Set([...before.values()].map(({ kind }) => kind))].sort(),
    [KIND.data, KIND.volumeNode],
  );
  for (const id of before.keys()) vault.opened.volume.move(id);
  const after = places(vault);
  assert.deepEqual([...after.keys()], [...before.keys()]);
  for (const [id, { cell, nonce }] of after) {
    assert.notEqual(cell, before.get(id)!.cell);
    assert.notEqual(nonce, before.get(id)!.nonce);
  }
  await checkFiles(vault);
  await vault.commit();
  assert.deepEqual((await checkVault(vault)).problems, []);
  await vault.close();
  arena.reset();
  const { content } = medium;
  const again = openKeyedVault({ medium: new MemoryStorage({ content }), kernel: arena });
  await checkFiles(again);
});

Deno.test("moved blocks survive a power cut at any write, with or without the log", async () => {
  const medium = new CrashMedium();
  const vault = await filled(medium);
  const from = medium.log.length;
  let count = 0;
  for (const id of places(vault).keys()) {
    vault.opened.volume.move(id);
    if (count++ % 10 === 0) vault.opened.volume.sync();
  }
  vault.opened.volume.sync();
  const replayed = new Set<number>();
  let images = 0;
  for (const image of medium.log.images(1, { points: [from, Infinity], missingMax: 1 })) {
    if (images++ % 8 !== 0) continue;
    arena.reset();
    const opened = openKeyedVault({ medium: image.open(), kernel: arena });
    replayed.add(opened.opened.replayed);
    await checkFiles(opened);
    assert.deepEqual((await checkVault(opened)).problems, [], image.description);
  }
  assert.ok(replayed.size > 3, "crashes hit before, between and after the syncs");
});

Deno.test("moving at random, between writes and commits, changes nothing that can be read", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(1000), { maxLength: 60 }), async (choices) => {
      const vault = await filled(new MemoryStorage({}));
      for (const choice of choices) {
        const ids = [...places(vault).keys()];
        if (choice % 10 === 0) await vault.commit();
        else if (choice % 10 === 1) {
          await vault.files.writeFile("/other", new Uint8Array(choice * 9));
        } else vault.opened.volume.move(ids[choice % ids.length]);
      }
      await checkFiles(vault);
      assert.deepEqual((await checkVault(vault)).problems, []);
    }),
    { numRuns: 15 },
  );
});
