import assert from "node:assert/strict";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { findContent } from "../../tests/support/content_scan.ts";
import { FakeRuntime } from "../../tests/support/fake_runtime.ts";
import { FAST_KDF, memoryPlatform, text } from "../../tests/support/header_world.ts";
import { createKernel } from "../../wasm/kernel.ts";
import type { MapEntry } from "../format/map_entry.ts";
import { MIB } from "../limits.ts";
import { checkVault } from "./check.ts";
import { rescatterVault } from "./rescatter.ts";
import { rotateKeys } from "./rotation.ts";
import { TransactionManager } from "./transaction_manager.ts";
import { createVault, openVault, type Vault } from "./vault.ts";

const SECRET = { passphrase: text("vault") };
const MARKER = text("the marker of this test");
const SIZES = [1, 300, 5000, 70_000];

function contentOf(size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at += 64) bytes.set(MARKER.subarray(0, size - at), at);
  return bytes;
}

function partsOn(medium: MemoryStorage) {
  const kernel = createKernel({ memoryBytes: 40 * MIB });
  return { medium, kernel, runtime: new FakeRuntime(), platform: memoryPlatform() };
}

async function made(): Promise<{ vault: Vault; medium: MemoryStorage }> {
  const medium = new MemoryStorage({});
  const options = { secret: SECRET, kdf: FAST_KDF, sizeBytes: 32 * MIB };
  const vault = await createVault(partsOn(medium), options);
  await vault.files.makeDirectory("/secret");
  await vault.files.setShreddable("/secret", true);
  await vault.files.makeDirectory("/secret/deep");
  return { vault, medium };
}

const reopened = async ({ content }: MemoryStorage) =>
  await openVault(partsOn(new MemoryStorage({ content })), {
    secret: SECRET,
    profiles: [FAST_KDF],
  });

function entriesOf({ opened: { volume: { store } } }: Vault): MapEntry[] {
  const entries: MapEntry[] = [];
  store.blocks.entries((_, entry) => void entries.push(entry));
  return entries;
}

function bytesOn({ content }: MemoryStorage): Uint8Array {
  const bytes = new Uint8Array(content.length);
  content.read(0, bytes);
  return bytes;
}

async function assertClean(vault: Vault): Promise<void> {
  assert.deepEqual((await checkVault(vault)).problems, []);
}

Deno.test("shreddable: content is under the file's own secret from its first byte, and reads like any other", async () => {
  const { vault, medium } = await made();
  const { files } = vault;
  for (const size of SIZES) {
    await files.writeFile(`/secret/deep/${size}`, contentOf(size));
    await files.sync();
  }
  const open = await files.open("/secret/changed", { access: "write", create: "require" });
  await open.write(0, contentOf(40_000));
  await open.write(17, text("over"));
  await files.sync();
  await open.truncate(100);
  open.close();
  await files.sync();
  assert.equal((await files.stat("/secret/deep")).shreddable, true);
  assert.equal((await files.stat("/secret/deep/1")).shreddable, true);
  assert.equal((await files.stat("/")).shreddable, false);
  // With all keys of the vault, but no secret of a file, nothing of it shows anywhere, not in what it was either.
  const found = findContent(bytesOn(medium), {
    keys: vault.header.keys,
    marker: MARKER,
    noted: entriesOf(vault),
  });
  assert.deepEqual(found, []);
  await vault.close();
  const again = await reopened(medium);
  for (const size of SIZES) {
    assert.deepEqual(await again.files.readFile(`/secret/deep/${size}`), contentOf(size));
  }
  assert.equal((await again.files.readFile("/secret/changed")).length, 100);
  await assertClean(again);
  await again.close();
});

Deno.test("shreddable: shredding forgets the secret, overwrites no free cells, and denies the file everywhere", async () => {
  const { vault, medium } = await made();
  const { files, snapshots } = vault;
  await files.writeFile("/secret/a", contentOf(50_000));
  await files.writeFile("/secret/b", contentOf(60_000));
  await snapshots.create("main", "before");
  await files.link("/secret/a", "/kept");
  const { ino } = await files.stat("/secret/a");
  const file = { line: vault.opened.volume.locks.line, ino };
  assert.equal(await vault.locks.onlyForgets(file), true);
  const old = [...vault.opened.volume.store.catalog.keyTable.secretsKey];
  await files.shred("/secret/a");
  assert.notDeepEqual([...vault.opened.volume.store.catalog.keyTable.secretsKey], old);
  assert.equal(await files.lockState("/kept"), "shredded");
  await assert.rejects(files.readFile("/kept"), { kind: "denied" });
  assert.deepEqual(await files.readFile("/secret/b"), contentOf(60_000));
  const { roots } = vault.opened;
  const epochs = vault.header.keys.epochs.map(({ epoch }) => epoch);
  const ring = roots.readRing(vault.opened.volume.engine.media.all[0].direct, epochs);
  assert.equal(ring?.superblocks.length, 32);
  for (const { secretsKey } of ring!.superblocks) assert.notDeepEqual([...secretsKey], old);
  await assertClean(vault);
  await vault.close();
  const again = await reopened(medium);
  const view = await again.snapshots.open("main", "before");
  await assert.rejects(view.files.readFile("/secret/a"), { kind: "denied" });
  assert.deepEqual(await view.files.readFile("/secret/b"), contentOf(60_000));
  await view.close();
  await assertClean(again);
  await again.close();
});

Deno.test("shreddable: locked, unlocked and shredded; what is moved, rotated, sent or written in a transaction stays under its secret", async () => {
  const { vault, medium } = await made();
  const { files } = vault;
  await files.writeFile("/secret/a", contentOf(9000));
  const manager = new TransactionManager(vault);
  const tx = await manager.begin();
  await tx.files.writeFile("/secret/by transaction", contentOf(9000));
  await tx.commit();
  await rescatterVault(vault);
  await rotateKeys(vault, { keep: [SECRET], profiles: [FAST_KDF] });
  const data = entriesOf(vault).filter(({ kind }) => kind === 1);
  assert.ok(data.length >= 2 && data.every(({ inner }) => inner !== null));
  await vault.snapshots.create("main", "one");
  await vault.streams.receive("copy", vault.streams.send("main", "one"));
  {
    await using copy = await vault.volumes.open("copy");
    assert.equal((await copy.files.stat("/secret/a")).shreddable, true);
    await files.shred("/secret/by transaction");
    assert.deepEqual(await copy.files.readFile("/secret/by transaction"), contentOf(9000));
  }
  const lock = { passphrase: "extra", kdf: FAST_KDF } as const;
  await files.lock("/secret/a", lock);
  await assert.rejects(files.readFile("/secret/a"), { kind: "denied" });
  await files.unlock("/secret/a", lock);
  assert.deepEqual(await files.readFile("/secret/a"), contentOf(9000));
  await files.shred("/secret/a");
  await assertClean(vault);
  await vault.close();
  const again = await reopened(medium);
  await assertClean(again);
  await again.close();
});

Deno.test("shreddable: secrets of files that are gone go with the next that is forgotten", async () => {
  const { vault } = await made();
  const { files, opened: { volume: { store: { catalog: { keyTable } } } } } = vault;
  for (const name of ["a", "b", "c", "d"]) await files.writeFile(`/secret/${name}`, name);
  await files.remove("/secret/a");
  await vault.snapshots.create("main", "has b");
  await files.remove("/secret/b");
  assert.equal(keyTable.secretIds().length, 4);
  await files.shred("/secret/c");
  assert.equal(keyTable.secretIds().length, 2);
  assert.equal(await files.readText("/secret/d"), "d");
  await vault.close();
});

Deno.test("shreddable: only directories are marked, and what is made after the mark is gone is as anywhere", async () => {
  const { vault } = await made();
  const { files } = vault;
  await files.writeFile("/f", "x");
  await assert.rejects(files.setShreddable("/f", true), { errno: "ENOTDIR" });
  await files.setShreddable("/secret", false);
  await files.writeFile("/secret/late", "x");
  assert.equal((await files.stat("/secret/late")).shreddable, false);
  await vault.close();
});

Deno.test("shreddable: shredding a file takes no secret from one that a transaction has made", async () => {
  const { vault } = await made();
  await vault.files.makeDirectory("/other");
  await vault.files.setShreddable("/other", true);
  for (const name of ["a", "b", "c"]) {
    await vault.files.writeFile(`/other/${name}`, contentOf(9000));
  }
  const transaction = await new TransactionManager(vault).begin();
  await transaction.files.writeFile("/secret/deep/made", contentOf(9000));
  await vault.files.remove("/other/b");
  await vault.files.shred("/other/a");
  await transaction.commit();
  assert.deepEqual(await vault.files.readFile("/secret/deep/made"), contentOf(9000));
  await vault.files.shred("/other/c");
  assert.deepEqual(await vault.files.readFile("/secret/deep/made"), contentOf(9000));
  // Secrets of what is in no tree any more have gone.
  assert.equal(vault.opened.volume.store.catalog.keyTable.secretIds().length, 1);
  await assertClean(vault);
  await vault.close();
});
