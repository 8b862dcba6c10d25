/**
 * Power cuts while files are locked, unlocked and shredded: at every write a file is whole and readable, or whole and to be
 * unlocked, or shredded; what was cut short can be finished; and then nothing of it is left for the vault's keys.
 */
import assert from "node:assert/strict";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { MIB } from "../../core/limits.ts";
import { checkVault } from "../../core/vault/check.ts";
import type { Vault } from "../../core/vault/vault.ts";
import type { MapEntry } from "../../core/format/map_entry.ts";
import { ArenaKernel } from "../support/arena_kernel.ts";
import { findContent } from "../support/content_scan.ts";
import type { CrashImage } from "../support/crash_log.ts";
import { CrashMedium } from "../support/crash_medium.ts";
import { FAST_KDF, text } from "../support/header_world.ts";
import { createKeyedVault, fixedKeys, openKeyedVault } from "../support/keyed_vault.ts";

const LOCK = { passphrase: "extra", kdf: FAST_KDF } as const;
const MARKER = text("what must not be found");
const SIZES = { large: 30_000, small: 900 };
type Name = keyof typeof SIZES;
const NAMES: readonly Name[] = ["large", "small"];
const writerArena = new ArenaKernel(16 * MIB);
const readerArena = new ArenaKernel(20 * MIB);

function contentOf(name: Name): Uint8Array {
  const bytes = new Uint8Array(SIZES[name]).fill(name.length);
  for (let at = 0; at + 64 < bytes.length; at += 64) bytes.set(MARKER, at);
  return bytes;
}

function open(medium: MemoryStorage | CrashMedium, kernel: ArenaKernel): Vault {
  kernel.reset();
  return openKeyedVault({ medium, kernel });
}

async function recorded(locked: boolean) {
  const before = new MemoryStorage({});
  writerArena.reset();
  const vault = await createKeyedVault({ medium: before, kernel: writerArena }, { segments: 4 });
  for (const name of NAMES) await vault.files.writeFile(name, contentOf(name));
  await vault.snapshots.create("main", "kept");
  await vault.files.writeFile("other", "another file");
  const noted: MapEntry[] = [];
  await vault.commit();
  vault.opened.volume.store.blocks.entries((_, entry) => void noted.push(entry));
  if (locked) { for (const name of NAMES) await vault.files.lock(name, LOCK); }
  await vault.close();
  const medium = new CrashMedium<string>({ content: before.content });
  return { medium, noted, vault: open(medium, writerArena) };
}

/** What can be done with a file now, in the head and in a snapshot alike. */
async function assertState(vault: Vault, name: Name, where: string): Promise<string> {
  const state = await vault.files.lockState(name);
  await using kept = await vault.snapshots.open("main", "kept");
  for (const files of [vault.files, kept.files]) {
    const reading = files.readFile(name);
    if (state === "none") assert.deepEqual(await reading, contentOf(name), where);
    else await assert.rejects(reading, { kind: "denied" }, where);
  }
  return state;
}

function assertGone(medium: MemoryStorage, noted: readonly MapEntry[], where: string) {
  const bytes = new Uint8Array(medium.content.length);
  medium.content.read(0, bytes);
  const found = findContent(bytes, { keys: fixedKeys(), marker: MARKER, noted });
  assert.deepEqual(found, [], where);
}

/** Every few images, chosen so that each mark is met. */
function* some<Mark>(medium: CrashMedium<Mark>, each: number): Generator<CrashImage<Mark>> {
  let count = 0;
  for (const image of medium.images(5, { missingMax: 3, randomPerPoint: 1 })) {
    if (count++ % each === 0) yield image;
  }
}

Deno.test("lock: after any crash a file is readable or locked, and finishing leaves nothing for the vault's keys", async () => {
  const { medium, noted, vault } = await recorded(false);
  for (const name of NAMES) {
    await vault.files.lock(name, { ...LOCK, freeCells: true });
    medium.mark(name);
  }
  const met = new Set<string>();
  let images = 0;
  for (const image of some(medium, 97)) {
    images++;
    const where = `${image.description}, after event ${image.point}`;
    const opened = image.open();
    const vault = open(opened, readerArena);
    assert.equal(await vault.files.readText("other"), "another file", where);
    assert.deepEqual((await checkVault(vault)).problems, [], where);
    for (const name of NAMES) {
      const state = await assertState(vault, name, where);
      met.add(state);
      if (image.mark === name || image.mark === "small") assert.equal(state, "locked", where);
    }
    await vault.locks.finishAll();
    for (const name of NAMES) {
      if (await vault.files.lockState(name) === "none") {
        await vault.files.lock(name, { ...LOCK, freeCells: true });
      }
      assert.equal(await vault.files.lockState(name), "locked", where);
    }
    assertGone(opened, noted, where);
    for (const name of NAMES) {
      await vault.files.unlock(name, LOCK);
      assert.equal(await assertState(vault, name, where), "none");
    }
    assert.deepEqual((await checkVault(vault)).problems, [], where);
    await vault.close();
  }
  assert(images > 12, `${images} images`);
  assert.deepEqual([...met].sort(), ["locked", "locking", "none"]);
});

Deno.test("unlock: after any crash a file is readable, or can be unlocked", async () => {
  const { medium, vault } = await recorded(true);
  for (const name of NAMES) await vault.files.unlock(name, LOCK);
  const met = new Set<string>();
  for (const image of some(medium, 17)) {
    const where = `${image.description}, after event ${image.point}`;
    const vault = open(image.open(), readerArena);
    for (const name of NAMES) {
      const state = await assertState(vault, name, where);
      met.add(state);
      if (state === "unlocking" && image.point % 2 === 0) await vault.locks.finishAll();
      else if (state !== "none") await vault.files.unlock(name, LOCK);
      assert.equal(await assertState(vault, name, where), "none");
    }
    assert.deepEqual((await checkVault(vault)).problems, [], where);
    await vault.close();
  }
  assert.deepEqual([...met].sort(), ["locked", "none", "unlocking"]);
});

Deno.test("shred: after any crash a file is whole or shredded, and finishing leaves nothing of it", async () => {
  const { medium, noted, vault } = await recorded(false);
  for (const name of NAMES) await vault.files.shred(name);
  medium.mark("done");
  const met = new Set<string>();
  for (const image of some(medium, 97)) {
    const where = `${image.description}, after event ${image.point}`;
    const opened = image.open();
    const vault = open(opened, readerArena);
    for (const name of NAMES) {
      if (image.mark === "done") assert.equal(await vault.files.exists(name), false, where);
      if (!await vault.files.exists(name)) continue;
      met.add(await assertState(vault, name, where));
      await vault.files.shred(name);
    }
    await vault.locks.finishAll();
    assertGone(opened, noted, where);
    assert.equal(await vault.files.readText("other"), "another file", where);
    assert.deepEqual((await checkVault(vault)).problems, [], where);
    await vault.close();
  }
  assert.deepEqual([...met].sort(), ["none", "shredded", "shredding"]);
});
