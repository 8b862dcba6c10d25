import assert from "node:assert/strict";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { ArenaKernel } from "../../tests/support/arena_kernel.ts";
import { FileActions } from "../../tests/support/file_actions.ts";
import { createKeyedVault, openKeyedVault } from "../../tests/support/keyed_vault.ts";
import { emptyAttributes, named } from "../../tests/support/open_memory_volume.ts";
import { MIB } from "../limits.ts";
import { checkVault } from "./check.ts";
import { KIND } from "../format/seal_aad.ts";
import { Upkeep } from "./upkeep.ts";
import type { Vault } from "./vault.ts";

const arena = new ArenaKernel(24 * MIB);

async function world(): Promise<{ medium: MemoryStorage; vault: Vault; actions: FileActions }> {
  arena.reset();
  const medium = new MemoryStorage({});
  const vault = await createKeyedVault({ medium, kernel: arena }, { segments: 8 });
  return { medium, vault, actions: new FileActions(vault.fileSystem, arena) };
}

async function seconds(upkeep: Upkeep, count: number): Promise<void> {
  for (let n = 0; n < count; n++) await upkeep.tick();
}

Deno.test("upkeep: changes become durable after five seconds", async () => {
  const { medium, vault, actions } = await world();
  const upkeep = new Upkeep(vault);
  const { store } = vault.opened.volume;
  actions.write(actions.create("a"), 0, new Uint8Array(5000).fill(7));
  const before = store.sequence;
  await seconds(upkeep, 4);
  assert.equal(store.sequence, before);
  await seconds(upkeep, 1);
  assert.equal(store.sequence, before + 1);
  arena.reset();
  const copy = new MemoryStorage({ content: medium.content.fork() });
  const later = openKeyedVault({ medium: copy, kernel: arena });
  assert.equal(later.opened.replayed, 0);
  const files = new FileActions(later.fileSystem, arena);
  const out = emptyAttributes();
  later.fileSystem.lookup(1, named("a"), out);
  assert.deepEqual(files.read(out.ino, 0, 9), new Uint8Array(9).fill(7));
});

Deno.test("upkeep: what was removed goes back to the storage below when it is quiet", async () => {
  const { medium, vault, actions } = await world();
  const upkeep = new Upkeep(vault);
  const empty = medium.content.allocatedBytes;
  const ino = actions.create("a");
  for (let n = 0; n < 128; n++) actions.write(ino, n * 65536, new Uint8Array(65536).fill(n));
  await seconds(upkeep, 5);
  assert.ok(medium.content.allocatedBytes > empty + 8 * MIB);
  vault.fileSystem.unlink(1, named("a"));
  while (vault.fileSystem.reclaim(4096));
  await seconds(upkeep, 5);
  assert.ok(medium.content.allocatedBytes > empty + 8 * MIB, "the cells rest");
  await seconds(upkeep, 10);
  assert.ok(medium.content.allocatedBytes < empty + MIB, `${medium.content.allocatedBytes}`);
  const { sequence } = vault.opened.volume.store;
  await seconds(upkeep, 100);
  assert.equal(vault.opened.volume.store.sequence, sequence, "nothing is left to do");
});

Deno.test("upkeep: what a deleted volume held is freed in idle time, but not inside a transaction", async () => {
  const { vault } = await world();
  const upkeep = new Upkeep(vault);
  const { freeing } = vault.opened.volume.store;
  assert.equal(upkeep.idle(), false, "nothing waits");
  await vault.volumes.create("gone");
  {
    await using gone = await vault.volumes.open("gone");
    await gone.files.writeFile("/data", new Uint8Array(6 * MIB).fill(3));
  }
  await vault.volumes.delete("gone");
  await vault.transaction(() => {
    assert.equal(upkeep.idle(), false);
    assert.ok(freeing.waits);
  });
  let steps = 0;
  while (upkeep.idle()) steps++;
  assert.ok(steps >= 4, "in small steps");
  assert.equal(freeing.waits, false);
  await seconds(upkeep, 5);
  assert.deepEqual((await checkVault(vault)).problems, []);
});

Deno.test("upkeep: a tree that cannot be freed is reported, left for a minute, and does not keep a vault from closing", async () => {
  const { vault } = await world();
  const upkeep = new Upkeep(vault);
  await vault.files.writeFile("/data", new Uint8Array(9000));
  await vault.volumes.create("gone");
  await vault.volumes.delete("gone");
  const { catalog, blocks } = vault.opened.volume.store;
  const noNode = blocks.entriesFrom(0, 64).find(({ entry }) => entry.kind === KIND.data)!.id;
  const { number, work } = catalog.firstPending()!;
  assert.equal(work.kind, "tree");
  if (work.kind === "tree") catalog.putPending(number, { ...work, root: noNode });
  assert.throws(() => upkeep.idle(), { kind: "corrupt" });
  assert.equal(upkeep.idle(), false);
  await seconds(upkeep, 59);
  assert.equal(upkeep.idle(), false);
  await seconds(upkeep, 1);
  assert.throws(() => upkeep.idle(), { kind: "corrupt" });
  catalog.putPending(number, work);
  await seconds(upkeep, 60);
  while (upkeep.idle());
  assert.equal(catalog.firstPending(), null);
  await vault.files.writeFile("/file", "kept");
  await vault.close();
});
