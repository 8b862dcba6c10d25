/** Power cuts while a full vault frees what was deleted, in order to take what is written. */
import assert from "node:assert/strict";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { MIB } from "../../core/limits.ts";
import { checkVault } from "../../core/vault/check.ts";
import { ArenaKernel } from "../support/arena_kernel.ts";
import { CrashMedium } from "../support/crash_medium.ts";
import { createKeyedVault, openKeyedVault } from "../support/keyed_vault.ts";

const writerArena = new ArenaKernel(40 * MIB);
const readerArena = new ArenaKernel(40 * MIB);
const FILE_BYTES = 40_000;

/** A vault that is full of a deleted volume and a deleted snapshot, of which nothing is freed yet. */
async function fullVault(): Promise<MemoryStorage> {
  writerArena.reset();
  const medium = new MemoryStorage({});
  const vault = await createKeyedVault({ medium, kernel: writerArena });
  await vault.volumes.create("gone");
  {
    await using gone = await vault.volumes.open("gone");
    const views = [gone, vault];
    const content = new Uint8Array(FILE_BYTES).fill(1);
    const fill = async () => {
      for (let n = 0;; n++) await views[n % 2].files.writeFile(`/old ${n}`, content);
    };
    await assert.rejects(fill(), { errno: "ENOSPC" });
  }
  await vault.snapshots.create("main", "all");
  for (const { name } of await vault.files.list("/")) await vault.files.remove(`/${name}`);
  await vault.volumes.delete("gone");
  await vault.snapshots.delete("main", "all");
  assert.ok(vault.opened.volume.store.freeing.waits);
  return new MemoryStorage({ content: medium.content.fork() });
}

Deno.test("a full vault that frees what was deleted survives a power cut at any write", async () => {
  const before = await fullVault();
  writerArena.reset();
  const medium = new CrashMedium({ content: before.content });
  const vault = openKeyedVault({ medium, kernel: writerArena });
  const { freeing } = vault.opened.volume.store;
  let count = 0;
  for (; freeing.waits || count < 8; count++) {
    assert.ok(count < 60, "it becomes full, and frees");
    await vault.files.writeFile(`/${count}`, new Uint8Array(FILE_BYTES).fill(count));
    if (count % 2 === 0) await vault.files.sync();
    else await vault.commit();
    medium.log.mark(String(count + 1));
  }
  let images = 0;
  for (const image of medium.log.images(1, { missingMax: 1, randomPerPoint: 0 })) {
    if (image.point % 5 !== 0) continue;
    images++;
    readerArena.reset();
    const opened = openKeyedVault({ medium: image.open(), kernel: readerArena });
    for (let n = 0; n < Number(image.mark ?? 0); n++) {
      const content = await opened.files.readFile(`/${n}`);
      assert.equal(content.length, FILE_BYTES);
      assert.ok(content.every((byte) => byte === n));
    }
    assert.deepEqual((await checkVault(opened)).problems, [], image.description);
    await opened.volumes.free();
    assert.deepEqual((await checkVault(opened)).problems, [], image.description);
  }
  assert.ok(images > 50, `${images} images`);
});
