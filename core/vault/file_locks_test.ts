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
import { scrubVault } from "./scrub.ts";
import { TransactionManager } from "./transaction_manager.ts";
import { createVault, openVault, type Vault } from "./vault.ts";
import type { CreateVaultOptions } from "./vault_options.ts";

const SECRET = { passphrase: text("vault") };
const LOCK = { passphrase: "extra", kdf: FAST_KDF } as const;
const MAIN = "main";
const MARKER = text("the marker of this test");
const profiles = [FAST_KDF];

/** Content of so many bytes that shows a marker all over. */
function contentOf(size: number, seed = 0): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at += 64) bytes.set(MARKER.subarray(0, size - at), at);
  for (let at = 40; at < size; at += 64) bytes[at] = seed;
  return bytes;
}

function partsOn(medium: MemoryStorage, runtime = new FakeRuntime()) {
  const kernel = createKernel({ memoryBytes: 40 * MIB });
  return { medium, kernel, runtime, platform: memoryPlatform() };
}

async function made(shape: Partial<CreateVaultOptions> = {}) {
  const medium = new MemoryStorage({});
  const runtime = new FakeRuntime();
  const sizeBytes = 64 * MIB;
  const vault = await createVault(partsOn(medium, runtime), {
    secret: SECRET,
    kdf: FAST_KDF,
    sizeBytes,
    ...shape,
  });
  return { medium, vault, runtime };
}

async function reopened(
  medium: MemoryStorage,
  options: { readOnly?: boolean; volume?: string } = {},
) {
  const again = new MemoryStorage({ content: medium.content });
  return await openVault(partsOn(again), { secret: SECRET, profiles, ...options });
}

function bytesOn({ content }: MemoryStorage): Uint8Array {
  const bytes = new Uint8Array(content.length);
  content.read(0, bytes);
  return bytes;
}

/** Every block of the vault, as the map has it. */
function entriesOf({ opened: { volume } }: Vault): MapEntry[] {
  const entries: MapEntry[] = [];
  volume.store.blocks.entries((_, entry) => void entries.push(entry));
  return entries;
}

async function assertClean(vault: Vault): Promise<void> {
  assert.deepEqual((await checkVault(vault)).problems, []);
}

const SHAPES: Record<string, Partial<CreateVaultOptions>> = {
  "one copy": {},
  "dense": { dense: true, sizeBytes: 32 * MIB },
  "2+1": { redundancy: { k: 2, m: 1 } },
  "4 KiB blocks, a copy more": { blockBytes: 4096, redundancy: { k: 1, m: 1 } },
};

for (const [name, shape] of Object.entries(SHAPES)) {
  Deno.test(`lock (${name}): the content is gone without its passphrase, in snapshots and clones too`, async () => {
    const { medium, vault } = await made(shape);
    const { files, snapshots } = vault;
    for (const [path, size] of [["large", 150_000], ["small", 700]] as const) {
      await files.writeFile(path, contentOf(size));
      await snapshots.create(MAIN, `before ${path}`);
      await (await files.open(path, { access: "write" })).write(100, contentOf(64, 1));
      await snapshots.create(MAIN, `after ${path}`);
    }
    await snapshots.clone(MAIN, "before small", "clone");
    await vault.commit();
    const contents = {
      large: await files.readFile("/large"),
      small: await files.readFile("/small"),
    };
    const noted = entriesOf(vault);
    const scan = { keys: vault.header.keys, marker: MARKER, noted };
    assert.notDeepEqual(findContent(bytesOn(medium), scan), []);
    for (const path of ["large", "small"]) await files.lock(path, { ...LOCK, freeCells: true });
    assert.deepEqual(findContent(bytesOn(medium), scan), []);
    await assertClean(vault);
    await assertLocked(vault);
    await vault.close();
    const again = await reopened(medium);
    await assertLocked(again);
    for (const path of ["large", "small"]) await again.files.unlock(path, LOCK);
    assert.deepEqual(await again.files.readFile("/large"), contents.large);
    assert.deepEqual(await again.files.readFile("/small"), contents.small);
    {
      await using before = await again.snapshots.open(MAIN, "before small");
      assert.deepEqual(await before.files.readFile("/small"), contentOf(700));
      await using after = await again.snapshots.open(MAIN, "after small");
      assert.deepEqual(await after.files.readFile("/small"), contents.small);
      await using clone = await again.volumes.open("clone");
      assert.deepEqual(await clone.files.readFile("/large"), contents.large);
    }
    await assertClean(again);
    await again.close();
  });
}

async function assertLocked(vault: Vault): Promise<void> {
  for (const path of ["large", "small"]) {
    const denied = { kind: "denied", errno: "EACCES" };
    const { files } = vault;
    await assert.rejects(files.readFile(path), denied);
    await assert.rejects(files.truncate(path, 0), denied);
    await assert.rejects(
      files.open(path, { access: "write" }).then((f) => f.write(0, MARKER)),
      denied,
    );
    assert.equal(await files.lockState(path), "locked");
    assert((await files.stat(path)).size > 0);
    await using before = await vault.snapshots.open(MAIN, `before ${path}`);
    await assert.rejects(before.files.readFile(path), denied);
  }
  await using clone = await vault.volumes.open("clone");
  await assert.rejects(clone.files.readFile("/small"), { kind: "denied" });
}

Deno.test("lock: without free cells, what the lock itself gave up is overwritten", async () => {
  const { medium, vault } = await made({ dense: true, sizeBytes: 32 * MIB });
  await vault.files.writeFile("/large", contentOf(150_000));
  await vault.commit();
  const scan = { keys: vault.header.keys, marker: MARKER, noted: entriesOf(vault) };
  assert.notDeepEqual(findContent(bytesOn(medium), scan), []);
  const stages = new Set<string>();
  await vault.files.lock("/large", { ...LOCK, progress: ({ stage }) => stages.add(stage) });
  assert.deepEqual(findContent(bytesOn(medium), scan), []);
  assert.deepEqual([...stages], ["sealing", "erasing"]);
  await vault.close();
});

Deno.test("lock: moving, scrubbing and rotating need no passphrase of a file, compressed or not", async () => {
  const { medium, vault } = await made({ redundancy: { k: 2, m: 1 }, blockBytes: 16384 });
  await vault.files.writeFile("/plain", contentOf(150_000));
  await vault.volumes.set(MAIN, { compression: "zstd" });
  await vault.files.writeFile("/large", contentOf(150_000));
  await vault.files.writeFile("/small", contentOf(99));
  for (const path of ["/plain", "/large", "/small"]) await vault.files.lock(path, LOCK);
  await rescatterVault(vault);
  await rotateKeys(vault, { keep: [SECRET], profiles });
  const report = await scrubVault(vault);
  assert(report.ok);
  assert.equal(report.bad, 0);
  await assertClean(vault);
  await vault.close();
  const again = await reopened(medium);
  for (const path of ["/plain", "/large", "/small"]) await again.files.unlock(path, LOCK);
  assert.deepEqual(await again.files.readFile("/plain"), contentOf(150_000));
  assert.deepEqual(await again.files.readFile("/large"), contentOf(150_000));
  assert.deepEqual(await again.files.readFile("/small"), contentOf(99));
  await again.close();
});

Deno.test("unlock until close: it can be read and not changed, and nothing of it is on the medium", async () => {
  const { medium, vault } = await made();
  for (const path of ["/large", "/small"]) {
    await vault.files.writeFile(path, contentOf(path === "/large" ? 50_000 : 50));
    await vault.files.lock(path, LOCK);
  }
  await vault.close();
  const before = bytesOn(medium);
  const again = await reopened(medium, { readOnly: true });
  for (const path of ["/large", "/small"]) {
    await again.files.unlock(path, { ...LOCK, until: "close" });
    assert.equal(await again.files.lockState(path), "open");
  }
  assert.deepEqual(await again.files.readFile("/large"), contentOf(50_000));
  assert.deepEqual(await again.files.readFile("/small"), contentOf(50));
  await again.close();
  assert.deepEqual(bytesOn(medium), before);
  const writable = await reopened(medium);
  await writable.files.unlock("/small", { ...LOCK, until: "close" });
  assert.deepEqual(await writable.files.readFile("/small"), contentOf(50));
  const file = await writable.files.open("/small", { access: "write" });
  await assert.rejects(file.write(0, MARKER), { kind: "denied" });
  await assert.rejects(writable.files.truncate("/small", 1), { kind: "denied" });
  await writable.files.lock("/small", LOCK);
  await assert.rejects(file.read(0, 10), { kind: "denied" });
  await writable.files.rename("/small", "/tiny");
  await writable.files.chmod("/tiny", 0o600);
  await writable.files.remove("/tiny");
  await assertClean(writable);
  await writable.close();
});

Deno.test("shred: the content is nowhere any more, whatever else has the file", async () => {
  const { medium, vault } = await made();
  const { files, snapshots } = vault;
  for (const [path, size] of [["large", 150_000], ["small", 700], ["locked", 5000]] as const) {
    await files.writeFile(path, contentOf(size));
  }
  await snapshots.create(MAIN, "before");
  await files.writeFile("alone", contentOf(9000));
  await files.link("large", "large too");
  await vault.commit();
  const scan = { keys: vault.header.keys, marker: MARKER, noted: entriesOf(vault) };
  await files.lock("locked", LOCK);
  for (const path of ["large", "small", "locked", "alone"]) await files.shred(path);
  assert.deepEqual(findContent(bytesOn(medium), scan), []);
  for (const path of ["large", "small", "locked", "alone"]) {
    assert.equal(await files.exists(path), false);
  }
  await assert.rejects(files.readFile("large too"), { kind: "denied" });
  await assert.rejects(files.unlock("large too", LOCK), { kind: "denied" });
  await assert.rejects(files.lock("large too", LOCK), { kind: "denied" });
  await assertClean(vault);
  {
    await using before = await snapshots.open(MAIN, "before");
    for (const path of ["large", "small", "locked"]) {
      await assert.rejects(before.files.readFile(path), { kind: "denied" });
    }
  }
  let known = 0;
  vault.opened.volume.store.catalog.keyTable.locks(() => void known++);
  assert.equal(known, 3, "nothing is known of a file that is gone everywhere");
  await snapshots.delete(MAIN, "before");
  await assertClean(vault);
  await vault.close();
});

Deno.test("unlock: wrong passphrases are slowed, over restarts and with a clock set back", async () => {
  const { medium, vault, runtime } = await made();
  await vault.files.writeFile("/f", "content");
  await vault.files.lock("/f", LOCK);
  const wrong = { passphrase: "not it" };
  for (let i = 0; i < 3; i++) {
    await assert.rejects(vault.files.unlock("/f", wrong), { message: /wrong passphrase/ });
  }
  await assert.rejects(vault.files.unlock("/f", LOCK), { kind: "denied", message: /in 1 s/ });
  runtime.advance(1000);
  await assert.rejects(vault.files.unlock("/f", wrong), { message: /wrong passphrase/ });
  await assert.rejects(vault.files.unlock("/f", LOCK), { message: /4 wrong .* in 2 s/ });
  runtime.advance(-3_600_000);
  await assert.rejects(vault.files.unlock("/f", LOCK), { message: /in 2 s/ });
  runtime.advance(1999);
  await assert.rejects(vault.files.unlock("/f", LOCK), { message: /in 1 s/ });
  await vault.close();
  const again = new MemoryStorage({ content: medium.content });
  const opened = await openVault(partsOn(again, runtime), { secret: SECRET, profiles });
  await assert.rejects(opened.files.unlock("/f", LOCK), { message: /in 1 s/ });
  runtime.advance(1);
  await opened.files.unlock("/f", LOCK);
  assert.equal(await opened.files.readText("/f"), "content");
  await opened.close();
});

Deno.test("lock: what it cannot lock, and a transaction", async () => {
  const { vault } = await made();
  await vault.files.makeDirectory("/d");
  await assert.rejects(vault.files.lock("/d", LOCK), { kind: "invalid" });
  await assert.rejects(vault.files.lock("/none", LOCK), { kind: "missing" });
  await vault.files.writeFile("/empty", "");
  await assert.rejects(vault.files.unlock("/empty", LOCK), { kind: "invalid" });
  await vault.files.lock("/empty", LOCK);
  await assert.rejects(vault.files.lock("/empty", LOCK), { kind: "conflict" });
  await assert.rejects(vault.files.readFile("/empty"), { kind: "denied" });
  await vault.files.writeFile("/f", contentOf(100));
  await assert.rejects(vault.transaction((files) => files.lock("/f", LOCK)));
  assert.equal(await vault.files.lockState("/f"), "none");
  const manager = new TransactionManager(vault);
  const tx = await manager.begin();
  await tx.files.writeFile("/f", "changed");
  await vault.files.lock("/f", LOCK);
  await assert.rejects(tx.commit(), { kind: "conflict" });
  await vault.files.unlock("/f", LOCK);
  assert.deepEqual(await vault.files.readFile("/f"), contentOf(100));
  await vault.close();
});

async function unlocked(files: Vault["files"], path: string): Promise<Uint8Array> {
  await files.unlock(path, { ...LOCK, until: "close" });
  return await files.readFile(path);
}

Deno.test("lock: a file that is being locked is not sent before that is finished", async () => {
  const { vault } = await made();
  await vault.files.writeFile("/f", contentOf(90_000));
  await vault.snapshots.create(MAIN, "one");
  const gone = { ...LOCK, signal: AbortSignal.abort() };
  await assert.rejects(vault.files.lock("/f", gone));
  assert.equal(vault.locks.unfinished().length, 1);
  await assert.rejects(
    vault.streams.receive("copy", vault.streams.send(MAIN, "one")),
    { kind: "conflict", operation: "send" },
  );
  await vault.locks.finishAll();
  await vault.streams.receive("copy", vault.streams.send(MAIN, "one"));
  await assertClean(vault);
  await vault.close();
});

Deno.test("lock: what is received changes no locked file, and locks none that was here in clear", async () => {
  const { vault } = await made();
  const { vault: other } = await made();
  const { files, snapshots, streams } = vault;
  const wire = { passphrase: text("wire") };
  await files.writeFile("/small", contentOf(90));
  await files.writeFile("/other", contentOf(50));
  await snapshots.create(MAIN, "one");
  await other.streams.receive("copy", streams.send(MAIN, "one", wire), wire);
  await other.streams.receive("clear", streams.send(MAIN, "one", wire), wire);
  const { ino } = await files.stat("/small");
  {
    // The same number in another line is another file.
    await using copy = await other.volumes.open("copy");
    assert.equal((await copy.files.stat("/small")).ino, ino);
    await other.files.writeFile("/mine", "mine");
    await copy.files.lock("/small", LOCK);
    assert.equal(await copy.files.lockState("/small"), "locked");
    assert.equal(await other.files.readText("/mine"), "mine");
  }
  await files.writeFile("/other", contentOf(51));
  await snapshots.create(MAIN, "two");
  const difference = () => streams.send(MAIN, "two", { from: "one", ...wire });
  for (const to of ["copy", "clear"]) await other.streams.receive(to, difference(), wire);
  const small = await files.open("/small", { access: "write" });
  await small.write(0, text("changed"));
  await snapshots.create(MAIN, "three");
  const changed = () => streams.send(MAIN, "three", { from: "two", ...wire });
  await assert.rejects(other.streams.receive("copy", changed(), wire), { kind: "denied" });
  await files.lock("/small", LOCK);
  for (const to of ["copy", "clear"]) {
    await assert.rejects(other.streams.receive(to, changed(), wire), { kind: "conflict" });
  }
  await other.streams.receive("whole", streams.send(MAIN, "three", wire), wire);
  {
    await using whole = await other.volumes.open("whole");
    await assert.rejects(whole.files.readFile("/small"), { kind: "denied" });
    await whole.files.unlock("/small", LOCK);
    assert.deepEqual(await whole.files.readFile("/small"), await unlocked(files, "/small"));
  }
  await assertClean(other);
  await assertClean(vault);
  await vault.close();
  await other.close();
});

Deno.test("lock: what comes with a stream is not written over by a transaction that began before", async () => {
  const { vault: from } = await made();
  const { vault: first, medium } = await made();
  const wire = { passphrase: text("wire") };
  const changed = async (files: Vault["files"], content: Uint8Array) => {
    const file = await files.open("/f", { access: "write" });
    await file.write(0, content);
    await file.close();
  };
  await from.files.writeFile("/f", "");
  await from.snapshots.create(MAIN, "one");
  await first.streams.receive("copy", from.streams.send(MAIN, "one", wire), wire);
  await first.snapshots.clone("copy", "one", "twin");
  await first.close();
  const vault = await reopened(medium, { volume: "twin" });
  const transaction = await new TransactionManager(vault).begin();
  await changed(transaction.files, contentOf(90));
  await changed(from.files, contentOf(80));
  await from.files.lock("/f", LOCK);
  await from.snapshots.create(MAIN, "two");
  const difference = from.streams.send(MAIN, "two", { from: "one", ...wire });
  await vault.streams.receive("copy", difference, wire);
  await assert.rejects(transaction.commit(), { kind: "conflict" });
  {
    await using copy = await vault.volumes.open("copy");
    await copy.files.unlock("/f", LOCK);
    assert.deepEqual(await copy.files.readFile("/f"), contentOf(80));
  }
  assert.deepEqual(await vault.files.readFile("/f"), new Uint8Array(0));
  await assertClean(vault);
  await vault.close();
  await from.close();
});
