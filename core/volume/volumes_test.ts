import assert from "node:assert/strict";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { ArenaKernel } from "../../tests/support/arena_kernel.ts";
import { FileActions } from "../../tests/support/file_actions.ts";
import { createKeyedVault, openKeyedVault } from "../../tests/support/keyed_vault.ts";
import { emptyAttributes, named } from "../../tests/support/open_memory_volume.ts";
import { ERRNO } from "../fs/errno.ts";
import { openFileSystem } from "../fs/posix_file_system.ts";
import { MIB } from "../limits.ts";
import { checkVault } from "../vault/check.ts";
import type { Vault } from "../vault/vault.ts";
import { MAIN_VOLUME } from "./volumes.ts";

const arena = new ArenaKernel(32 * MIB);
const FS = { blockMemoryBytes: 128 * 1024 };

function fresh(medium = new MemoryStorage({})): Promise<Vault> {
  arena.reset();
  return createKeyedVault({ medium, kernel: arena }, { segments: 8 });
}

Deno.test("volumes: a snapshot is browsed as it was, refuses changes, and cannot be deleted meanwhile", async () => {
  const vault = await fresh();
  const { volumes } = vault.opened;
  await vault.files.writeFile("/file", new Uint8Array(9000).fill(1));
  volumes.snapshot(MAIN_VOLUME, "before");
  await vault.files.writeFile("/file", new Uint8Array(5000).fill(2));
  const snapshot = volumes.openSnapshot(MAIN_VOLUME, "before");
  const fs = openFileSystem(snapshot, FS);
  const out = emptyAttributes();
  fs.lookup(1, named("file"), out);
  const actions = new FileActions(fs, arena);
  assert.deepEqual(actions.read(out.ino, 0, 9999), new Uint8Array(9000).fill(1));
  assert.throws(() => actions.write(out.ino, 0, new Uint8Array(1)), { errno: ERRNO.EROFS });
  assert.throws(() => volumes.deleteSnapshot(MAIN_VOLUME, "before"), { kind: "conflict" });
  snapshot.close();
  volumes.deleteSnapshot(MAIN_VOLUME, "before");
  while (volumes.destroyStep(1));
  assert.deepEqual((await checkVault(vault)).problems, []);
  assert.equal((await vault.files.readFile("/file")).length, 5000);
});

Deno.test("volumes: an open filesystem shows what its volume was rolled back to", async () => {
  const medium = new MemoryStorage({});
  const vault = await fresh(medium);
  const { volumes } = vault.opened;
  await vault.files.writeFile("/file", "old");
  volumes.snapshot(MAIN_VOLUME, "good");
  await vault.files.writeFile("/file", "a mistake");
  await vault.files.writeFile("/other", "another");
  volumes.rollback(MAIN_VOLUME, "good", "keep");
  assert.equal(await vault.files.readText("/file"), "old");
  await assert.rejects(vault.files.readFile("/other"), { kind: "missing" });
  const [, kept] = volumes.listSnapshots(MAIN_VOLUME);
  assert.equal(kept.history, true);
  volumes.rollback(MAIN_VOLUME, kept.sequence, "destroy");
  assert.equal(await vault.files.readText("/file"), "a mistake");
  await vault.files.writeFile("/file", "goes on");
  await vault.close();
  arena.reset();
  const content = medium.content;
  const again = openKeyedVault({ medium: new MemoryStorage({ content }), kernel: arena });
  assert.equal(await again.files.readText("/file"), "goes on");
  while (again.opened.volumes.destroyStep(1));
  assert.deepEqual((await checkVault(again)).problems, []);
});

Deno.test("volumes: names are checked, found and refused", async () => {
  const { opened: { volumes } } = await fresh();
  volumes.createVolume("work", { quotaBytes: 5 * MIB, accessTimes: "noatime" });
  assert.throws(() => volumes.createVolume("work"), { kind: "conflict" });
  for (const name of ["", ".", "..", "a/b", "a#b", "line\n", "x".repeat(256), "\ud800"]) {
    assert.throws(() => volumes.createVolume(name), { kind: "invalid" });
  }
  assert.throws(() => volumes.createVolume("other", { blockBytes: 65537 }), { kind: "invalid" });
  volumes.renameVolume("work", "play");
  assert.throws(() => volumes.openVolume("work"), { kind: "missing" });
  const { quotaBytes, accessTimes } = volumes.listVolumes()[1];
  assert.deepEqual([quotaBytes, accessTimes], [5 * MIB, "noatime"]);
  const open = volumes.openVolume("play");
  assert.throws(() => volumes.deleteVolume("play"), { kind: "conflict" });
  volumes.closeVolume(open);
  volumes.snapshot("play", "one");
  assert.throws(() => volumes.snapshot("play", "one"), { kind: "conflict" });
  volumes.deleteVolume("play");
  assert.deepEqual(volumes.listVolumes().map(({ name }) => name), [MAIN_VOLUME]);
});

Deno.test("volumes: inside a transaction volumes stay as they are", async () => {
  const vault = await fresh();
  await vault.transaction(async (files) => {
    await files.writeFile("/file", "text");
    assert.throws(() => vault.opened.volumes.snapshot(MAIN_VOLUME, "inside"), { kind: "conflict" });
  });
  assert.deepEqual(vault.opened.volumes.listSnapshots(MAIN_VOLUME), []);
});
