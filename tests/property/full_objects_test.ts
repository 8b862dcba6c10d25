/** A vault on write-once objects whose storage runs full: nothing promised is lost, and what is deleted gives room soon. */
import assert from "node:assert/strict";
import { KIB, MIB } from "../../core/limits.ts";
import { PosixError } from "../../core/fs/file_system.ts";
import { WriteOnceMedium } from "../../core/storage/write_once/write_once_medium.ts";
import { checkVault } from "../../core/vault/check.ts";
import type { Vault } from "../../core/vault/vault.ts";
import { ArenaKernel } from "../support/arena_kernel.ts";
import { FakeRuntime } from "../support/fake_runtime.ts";
import { FaultyObjects } from "../support/faulty_objects.ts";
import { FileActions } from "../support/file_actions.ts";
import { createKeyedVault, openKeyedVault } from "../support/keyed_vault.ts";
import { emptyAttributes, named } from "../support/open_memory_volume.ts";

const ENOENT = 2;
const ENOSPC = 28;
const FILE_BYTES = 256 * KIB;
const STORAGE_BYTES = 72 * MIB;
const arena = new ArenaKernel(24 * MIB);
let openings = 0;

function parts(objects: FaultyObjects) {
  arena.reset();
  const medium = new WriteOnceMedium(objects, { graceSyncs: 0 });
  return { medium, kernel: arena, runtime: new FakeRuntime(++openings) };
}

interface World {
  readonly vault: Vault;
  readonly actions: FileActions;
}

function open(objects: FaultyObjects): World {
  const vault = openKeyedVault(parts(objects));
  return { vault, actions: new FileActions(vault.fileSystem, arena) };
}

function write({ actions }: World, name: string, n: number): void {
  actions.write(actions.create(`${name} ${n}`), 0, new Uint8Array(FILE_BYTES).fill(1 + n % 255));
}

/** Writes files until there is no room; returns how many are whole. The last one is removed: it may be there in part. */
async function fill(world: World, name: string): Promise<number> {
  const { fileSystem } = world.vault;
  for (let n = 0;; n++) {
    if (!mayFill(() => write(world, name, n))) {
      mayFill(() => fileSystem.unlink(1, named(`${name} ${n}`)));
      await fileSystem.syncAll();
      return n;
    }
    if (n % 8 === 0) await fileSystem.syncAll();
  }
}

/** False where there was no room, or no file. */
function mayFill(change: () => void): boolean {
  try {
    change();
    return true;
  } catch (error) {
    assert.ok(error instanceof PosixError && [ENOSPC, ENOENT].includes(error.errno), `${error}`);
    return false;
  }
}

function checkFiles({ vault, actions }: World, name: string, count: number): void {
  const out = emptyAttributes();
  for (let n = 0; n < count; n++) {
    vault.fileSystem.lookup(1, named(`${name} ${n}`), out);
    const bytes = actions.read(out.ino, 0, FILE_BYTES);
    assert.ok(bytes.length === FILE_BYTES && bytes.every((byte) => byte === 1 + n % 255));
  }
}

/** Removes the first files, and does what a mount does when nothing else is to be done. */
async function remove({ vault }: World, name: string, count: number): Promise<void> {
  for (let n = 0; n < count; n++) vault.fileSystem.unlink(1, named(`${name} ${n}`));
  while (vault.fileSystem.reclaim(1024));
  for (let i = 0; i < 6; i++) await vault.commit();
}

Deno.test("full objects: ENOSPC loses nothing, and what is deleted can be written again", async () => {
  const objects = new FaultyObjects();
  await createKeyedVault(parts(objects), { segments: 4, segmentsMax: 100, blockBytes: 16 * KIB });
  objects.bytesMax = objects.bytes + STORAGE_BYTES;
  let world = open(objects);
  const first = await fill(world, "file");
  assert.ok(first * FILE_BYTES > STORAGE_BYTES / 2, `${first} files fit`);
  for (const share of [1 / 4, 1]) {
    world = open(objects);
    checkFiles(world, "file", first);
    const removed = Math.floor(first * share);
    await remove(world, "file", removed);
    const count = await fill(world, "other");
    assert.ok(count > removed * 0.8, `${count} files in the room of ${removed}`);
    await remove(world, "other", count);
    for (let n = 0; n < removed; n++) write(world, "file", n);
    await world.vault.fileSystem.syncAll();
  }
  assert.deepEqual((await checkVault(world.vault)).problems, []);
});
