/**
 * Power cuts while files with secrets of their own are made, changed and shredded: what was acknowledged is there, nothing is
 * ever under a secret that the vault does not have, and once shredding was acknowledged no superblock opens the secret.
 */
import assert from "node:assert/strict";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { MIB } from "../../core/limits.ts";
import { checkVault } from "../../core/vault/check.ts";
import type { Vault } from "../../core/vault/vault.ts";
import { ArenaKernel } from "../support/arena_kernel.ts";
import { atImage, type CrashImage } from "../support/crash_log.ts";
import { CrashMedium } from "../support/crash_medium.ts";
import { createKeyedVault, openKeyedVault } from "../support/keyed_vault.ts";

const writers = new ArenaKernel(16 * MIB);
const readers = new ArenaKernel(16 * MIB);
const SIZES = [1, 700, 9000, 40_000];
/** Contents by path, as far as they were made durable, and the keys of secrets that were forgotten. */
interface Promised {
  readonly files: ReadonlyMap<string, number>;
  readonly shredded: ReadonlySet<string>;
  readonly forgotten: readonly string[];
}

const contentOf = (size: number, seed: number) => new Uint8Array(size).fill(seed + size % 200);
const keyOf = ({ opened: { volume: { store } } }: Vault) =>
  store.catalog.keyTable.secretsKey.toHex();

async function record(): Promise<CrashMedium<Promised>> {
  const before = new MemoryStorage({});
  writers.reset();
  const made = await createKeyedVault({ medium: before, kernel: writers }, { segments: 4 });
  await made.files.makeDirectory("/d");
  await made.close();
  const medium = new CrashMedium<Promised>({ content: before.content });
  writers.reset();
  const vault = openKeyedVault({ medium, kernel: writers });
  const [files, shredded, forgotten] = [new Map<string, number>(), new Set<string>(), [""]];
  const mark = () =>
    medium.mark({
      files: new Map(files),
      shredded: new Set(shredded),
      forgotten: forgotten.slice(1),
    });
  mark();
  await vault.files.setShreddable("/d", true);
  for (const [seed, size] of SIZES.entries()) {
    await vault.files.writeFile(`/d/${seed}`, contentOf(size, seed));
    await vault.files.sync();
    files.set(`/d/${seed}`, seed);
    mark();
    if (seed === 1) await vault.snapshots.create("main", "kept");
  }
  for (const seed of [1, 3]) {
    await vault.files.link(`/d/${seed}`, `/${seed}`);
    await vault.files.sync();
    const key = keyOf(vault);
    files.delete(`/d/${seed}`);
    mark();
    await vault.files.shred(`/d/${seed}`);
    forgotten.push(key);
    shredded.add(`/${seed}`);
    mark();
  }
  await vault.close();
  return medium;
}

function keysOn(vault: Vault): string[] {
  const { roots, volume: { engine } } = vault.opened;
  const epochs = vault.header.keys.epochs.map(({ epoch }) => epoch);
  const ring = roots.readRing(engine.media.all[0].direct, epochs);
  return ring!.superblocks.map(({ secretsKey }) => secretsKey.toHex());
}

async function survive(image: CrashImage<Promised>): Promise<void> {
  readers.reset();
  const vault = openKeyedVault({ medium: image.open(), kernel: readers });
  const { files, shredded, forgotten } = image.mark!;
  const keys = keysOn(vault);
  for (const key of forgotten) assert.ok(!keys.includes(key), "what was forgotten opens no more");
  for (const [path, seed] of files) {
    assert.deepEqual(await vault.files.readFile(path), contentOf(SIZES[seed], seed));
  }
  for (const path of shredded) {
    await assert.rejects(vault.files.readFile(path), { kind: "denied" });
  }
  await vault.locks.finishAll();
  for (const { name, type } of await vault.files.list("/")) {
    if (type === "file" && await vault.files.lockState(`/${name}`) === "shredded") continue;
    if (type === "file") await vault.files.readFile(`/${name}`);
  }
  await vault.files.writeFile("/d/after", "can be made");
  await vault.files.sync();
  assert.equal(await vault.files.readText("/d/after"), "can be made");
  assert.deepEqual((await checkVault(vault)).problems, []);
}

Deno.test("shreddable: after any power cut what was acknowledged reads, and what was shredded is gone", async () => {
  const medium = await record();
  let images = 0;
  for (const image of medium.images(3, { missingMax: 2, randomPerPoint: 1 })) {
    if (image.mark === undefined || ++images % 11 !== 0) continue;
    await atImage(image, () => survive(image));
  }
  assert.ok(images > 300, `${images} images`);
});
