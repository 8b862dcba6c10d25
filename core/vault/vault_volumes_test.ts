import assert from "node:assert/strict";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { ArenaKernel } from "../../tests/support/arena_kernel.ts";
import { createKeyedVault, openKeyedVault } from "../../tests/support/keyed_vault.ts";
import { VaultError } from "../errors.ts";
import { MIB } from "../limits.ts";
import { checkVault } from "./check.ts";
import type { OpenVolume } from "./open_views.ts";
import type { Vault } from "./vault.ts";

const arena = new ArenaKernel(60 * MIB);

async function fresh(medium = new MemoryStorage({}), blockBytes = 4096): Promise<Vault> {
  arena.reset();
  return await createKeyedVault({ medium, kernel: arena }, { segments: 8, blockBytes });
}

async function requireClean(vault: Vault): Promise<void> {
  assert.deepEqual((await checkVault(vault)).problems, []);
}

Deno.test("volumes have files of their own, and keep them across openings", async () => {
  const medium = new MemoryStorage({});
  const vault = await fresh(medium);
  await vault.volumes.create("photos");
  const photos = await vault.volumes.open("photos");
  const again = await vault.volumes.open("photos");
  await photos.files.writeFile("/one", new Uint8Array(50_000).fill(1));
  assert.equal((await again.files.stat("/one")).size, 50_000);
  await again.close();
  await photos.close();
  await photos.close();
  await assert.rejects(photos.files.list("/"), { kind: "invalid" });
  await vault.files.writeFile("/two", "main");
  await vault.volumes.rename("photos", "pictures");
  await vault.close();

  arena.reset();
  const reopened = openKeyedVault({
    medium: new MemoryStorage({ content: medium.content }),
    kernel: arena,
  });
  const listed = await reopened.volumes.list();
  assert.deepEqual(listed.map(({ name }) => name), ["main", "pictures"]);
  assert.ok(listed[1].referencedBytes >= 50_000);
  await using pictures = await reopened.volumes.open("pictures");
  assert.deepEqual((await pictures.files.list("/")).map(({ name }) => name), ["one"]);
  await requireClean(reopened);
});

Deno.test("a vault closes what is open of it, and what was written there is there", async () => {
  const medium = new MemoryStorage({});
  const vault = await fresh(medium);
  await vault.volumes.create("open");
  const { files } = await vault.volumes.open("open");
  await files.writeFile("/left", "open");
  await vault.close();
  arena.reset();
  const reopened = openKeyedVault({
    medium: new MemoryStorage({ content: medium.content }),
    kernel: arena,
  });
  await using opened = await reopened.volumes.open("open");
  assert.equal(await opened.files.readText("/left"), "open");
});

Deno.test("a volume in use, and the first one, cannot be deleted; of a deleted one everything comes free", async () => {
  const vault = await fresh();
  await vault.volumes.create("big");
  const free = async () => {
    for (let n = 0; n < 4; n++) vault.opened.volume.commitNow();
    return (await vault.files.statfs()).freeBytes;
  };
  const before = await free();
  const big = await vault.volumes.open("big");
  await big.files.writeFile("/data", new Uint8Array(8 * MIB).fill(3));
  await vault.snapshots.create("big", "kept");
  await big.files.writeFile("/data", new Uint8Array(4 * MIB).fill(4));
  await assert.rejects(vault.volumes.delete("big"), { kind: "conflict" });
  await assert.rejects(vault.volumes.delete("main"), { kind: "conflict" });
  await big.close();
  await vault.volumes.delete("big");
  let freedBytes = 0;
  await vault.volumes.free({ progress: (bytes) => freedBytes = bytes });
  assert.ok(freedBytes >= 12 * MIB, `${freedBytes}`);
  assert.ok(before - await free() < MIB / 4);
  await requireClean(vault);
});

/** Writes files of a few blocks until the vault is full; returns how many. */
async function fill(...views: readonly { readonly files: Vault["files"] }[]): Promise<number> {
  const content = new Uint8Array(4 * 4096).fill(9);
  for (let n = 0;; n++) {
    try {
      await views[n % views.length].files.writeFile(`/file ${n}`, content);
    } catch (error) {
      assert.ok(error instanceof VaultError && error.errno === "ENOSPC", `${error}`);
      return n;
    }
  }
}

Deno.test("a full vault takes data as long as something deleted waits to be freed", async () => {
  const vault = await fresh();
  const { freeing } = vault.opened.volume.store;
  await vault.volumes.create("gone");
  const gone = await vault.volumes.open("gone");
  const filled = await fill(gone, vault);
  await gone.close();
  await vault.volumes.delete("gone");
  assert.ok(freeing.waits);
  const again = await fill(vault);
  assert.equal(freeing.waits, false, "all of it was freed before the vault was full");
  assert.ok(again > filled * 0.45, `${again} of ${filled}`);

  await vault.snapshots.create("main", "all");
  for (const { name } of await vault.files.list("/")) await vault.files.remove(`/${name}`);
  assert.ok(await fill(vault) < filled * 0.1, "the snapshot has it all");
  await vault.snapshots.delete("main", "all");
  assert.ok(freeing.waits);
  assert.ok(await fill(vault) > filled * 0.9);
  assert.equal(freeing.waits, false);
  await requireClean(vault);
});

Deno.test("closing a vault goes on with freeing what was deleted", async () => {
  const medium = new MemoryStorage({});
  const vault = await fresh(medium);
  await vault.volumes.create("gone");
  {
    await using gone = await vault.volumes.open("gone");
    await gone.files.writeFile("/data", new Uint8Array(2 * MIB).fill(3));
  }
  await vault.volumes.delete("gone");
  assert.equal(vault.opened.volume.store.freeing.waits, true);
  await vault.close();
  arena.reset();
  const reopened = openKeyedVault({
    medium: new MemoryStorage({ content: medium.content }),
    kernel: arena,
  });
  assert.equal(reopened.opened.volume.store.freeing.waits, false);
  await requireClean(reopened);
});

Deno.test("snapshots and volumes come and go without taking more memory", async () => {
  const vault = await fresh();
  await vault.files.writeFile("/file", "text");
  await vault.snapshots.create("main", "s");
  await vault.volumes.create("v");
  for (let n = 0; n < 40; n++) {
    await using snapshot = await vault.snapshots.open("main", "s");
    assert.equal(await snapshot.files.readText("/file"), "text");
    await using volume = await vault.volumes.open("v");
    await volume.files.writeFile("/n", `${n}`);
  }
  const opened: OpenVolume[] = [];
  await assert.rejects(async () => {
    for (let n = 0; n < 40; n++) opened.push(await vault.snapshots.open("main", "s"));
  }, { kind: "unavailable" });
  assert.ok(opened.length >= 8);
  for (const snapshot of opened) await snapshot.close();
  await vault.snapshots.delete("main", "s");
});

Deno.test("properties of a volume are kept, and what none can have is refused", async () => {
  const vault = await fresh();
  await vault.volumes.create("v", { quotaBytes: 5 * MIB, readOnly: undefined });
  await vault.volumes.set("v", { accessTimes: "noatime", quotaBytes: 7 });
  await vault.volumes.set("v", { compression: "zstd" });
  const [, listed] = await vault.volumes.list();
  assert.deepEqual(
    [listed.quotaBytes, listed.accessTimes, listed.readOnly, listed.compression],
    [7, "noatime", false, "zstd"],
  );
  const wrong = [
    { quotaBytes: -1 },
    { quotaBytes: 1.5 },
    { quotaBytes: 2 ** 53 },
    { blockBytes: 65537 },
    { blockBytes: 2048 },
    { blockBytes: 2 ** 21 },
    { accessTimes: "sometimes" as "noatime" },
    { compression: "lz4" as "zstd" },
  ];
  for (const properties of wrong) {
    await assert.rejects(vault.volumes.set("v", properties), { kind: "invalid" });
    await assert.rejects(vault.volumes.create("w", properties), { kind: "invalid" });
  }
  await assert.rejects(vault.volumes.set("w", {}), { kind: "missing" });
  assert.deepEqual((await vault.volumes.list()).length, 2);
});

Deno.test("what is closed while a transaction is open is closed after it", async () => {
  const vault = await fresh();
  await vault.volumes.create("other");
  const other = await vault.volumes.open("other");
  await other.files.writeFile("/file", "text");
  const begun = Promise.withResolvers<void>();
  const transaction = vault.transaction(async (files) => {
    await files.writeFile("/file", "main");
    await begun.promise;
  });
  const closing = other.close();
  begun.resolve();
  await transaction;
  await closing;
  await vault.volumes.delete("other");
  assert.equal(await vault.files.readText("/file"), "main");
});

Deno.test("a snapshot that is open is read-only and cannot be deleted", async () => {
  const vault = await fresh();
  await vault.files.writeFile("/file", "old");
  await vault.snapshots.create("main", "s");
  await vault.files.writeFile("/file", "new");
  const snapshot = await vault.snapshots.open("main", "s");
  assert.equal(await snapshot.files.readText("/file"), "old");
  await assert.rejects(snapshot.files.writeFile("/file", "x"), { errno: "EROFS" });
  await assert.rejects(vault.snapshots.delete("main", "s"), { kind: "conflict" });
  await snapshot.close();
  await vault.snapshots.delete("main", "s");
  assert.deepEqual(await vault.snapshots.list("main"), []);
});

Deno.test("a transaction of the vault leaves what other volumes hold in memory as it was", async () => {
  const vault = await fresh();
  await vault.volumes.create("other");
  await using other = await vault.volumes.open("other");
  await using file = await other.files.open("/file", { access: "write", create: "allow" });
  await file.write(0, new Uint8Array(100_000).fill(5));
  await assert.rejects(vault.transaction(() => Promise.reject(new Error("no"))), /no/);
  const content = await other.files.readFile("/file");
  assert.equal(content.length, 100_000);
  assert.ok(content.every((byte) => byte === 5));
});

Deno.test("prune says exactly what comes free, and deletes nothing when it is only asked", async () => {
  const vault = await fresh();
  for (let n = 0; n < 6; n++) {
    await vault.files.writeFile("/data", new Uint8Array(100_000 + n).fill(n));
    await vault.snapshots.create("main", `s${n}`);
  }
  const planned = await vault.snapshots.prune("main", { last: 2 }, { dryRun: true });
  assert.equal((await vault.snapshots.list("main")).length, 6);
  assert.deepEqual(planned.deleted.map(({ name }) => name), ["s0", "s1", "s2", "s3"]);
  assert.ok(planned.freedBytes >= 400_000);
  const done = await vault.snapshots.prune("main", { last: 2 });
  assert.equal(done.freedBytes, planned.freedBytes);
  assert.equal((await vault.snapshots.list("main")).length, 2);
  await assert.rejects(vault.snapshots.prune("main", {}), { kind: "invalid" });
});

Deno.test("a quota bounds what a volume takes, exactly enough, and deleting works at its end", async () => {
  const vault = await fresh();
  await vault.volumes.create("small", { quotaBytes: 2 * MIB });
  const small = await vault.volumes.open("small");
  const write = (name: string, bytes: number) =>
    small.files.writeFile(name, new Uint8Array(bytes).fill(1));
  await write("/one", MIB);
  await assert.rejects(write("/two", 2 * MIB), { kind: "unavailable", message: /quota/ });
  let files = 0;
  await assert.rejects(async () => {
    for (;; files++) await write(`/file${files}`, 20_000);
  }, { kind: "unavailable", message: /quota/ });
  const taken = async () => (await vault.volumes.list())[1].referencedBytes;
  await vault.commit();
  assert.ok(files > 20 && await taken() <= 2 * MIB && await taken() > 1.5 * MIB, `${files}`);
  await vault.files.writeFile("/elsewhere", new Uint8Array(3 * MIB));
  await small.files.remove("/one");
  await write("/two", MIB);
  await vault.volumes.set("small", { quotaBytes: 0 });
  await write("/three", 3 * MIB);
  await small.close();
  await requireClean(vault);
});

Deno.test("a quota counts compressed blocks as they are stored, with snapshots and clones beside", async () => {
  const vault = await fresh(undefined, 16384);
  await vault.volumes.create("small", { quotaBytes: 3 * MIB, compression: "zstd" });
  const small = await vault.volumes.open("small");
  await small.files.writeFile("/much", new Uint8Array(4 * MIB).fill(3));
  await vault.snapshots.create("small", "kept");
  await small.files.writeFile("/more", new Uint8Array(2 * MIB).fill(4));
  await vault.snapshots.clone("small", "kept", "copy");
  await small.files.remove("/much");
  {
    await using copy = await vault.volumes.open("copy");
    assert.deepEqual(await copy.files.readFile("/much"), new Uint8Array(4 * MIB).fill(3));
    await copy.files.writeFile("/much", new Uint8Array(MIB).fill(5));
  }
  const taken = (await vault.volumes.list()).map(({ referencedBytes }) => referencedBytes);
  assert.ok(taken[1] < 0.7 * MIB, `${taken}`);
  await requireClean(vault);
  await vault.snapshots.rollback("small", "kept");
  assert.deepEqual(await small.files.readFile("/much"), new Uint8Array(4 * MIB).fill(3));
  await small.close();
  await requireClean(vault);
});

Deno.test("a quota of files bounds inodes, exactly, through snapshots, rollback, transactions and openings", async () => {
  const medium = new MemoryStorage({});
  let vault = await fresh(medium);
  await vault.volumes.create("few", { quotaFiles: 5 });
  let few = await vault.volumes.open("few");
  const inodes = async () => (await vault.volumes.list())[1].inodes;
  await few.files.makeDirectory("/d");
  await few.files.writeFile("/d/one", "1");
  await few.files.symlink("one", "/d/link");
  assert.equal(await inodes(), 4);
  await vault.snapshots.create("few", "four");
  await few.files.writeFile("/last", "5");
  const full = { kind: "unavailable", message: /quota/ };
  await assert.rejects(few.files.makeDirectory("/more"), full);
  await assert.rejects(few.files.symlink("x", "/more"), full);
  await few.files.link("/last", "/second name");
  await few.files.remove("/last");
  await assert.rejects(few.files.writeFile("/more", "6"), full);
  await few.files.remove("/second name");
  await few.files.writeFile("/more", "6");
  await vault.snapshots.rollback("few", "four");
  assert.equal(await inodes(), 4);
  await few.files.writeFile("/again", "5");
  await assert.rejects(few.files.writeFile("/more", "6"), full);
  await vault.snapshots.clone("few", "four", "copy");
  assert.deepEqual((await vault.volumes.list()).map((volume) => volume.inodes), [1, 5, 4]);
  await assert.rejects(vault.transaction(async () => {
    await few.files.remove("/again");
    throw new Error("given up");
  }));
  assert.equal(await inodes(), 5);
  await few.close();
  await vault.fileSystem.fsync(1);

  arena.reset();
  vault = openKeyedVault({ medium, kernel: arena });
  few = await vault.volumes.open("few");
  assert.equal(await inodes(), 5);
  await assert.rejects(few.files.writeFile("/more", "6"), full);
  await vault.volumes.set("few", { quotaFiles: 0 });
  await few.files.writeFile("/more", "6");
  await few.close();
  await requireClean(vault);
});

Deno.test("a read-only volume takes no change, and another time it does", async () => {
  const vault = await fresh();
  await vault.files.writeFile("/file", "text");
  await vault.volumes.create("kept");
  {
    await using kept = await vault.volumes.open("kept");
    await kept.files.writeFile("/file", "text");
  }
  await vault.volumes.set("kept", { readOnly: true });
  {
    await using kept = await vault.volumes.open("kept");
    assert.equal(await kept.files.readText("/file"), "text");
    await assert.rejects(kept.files.writeFile("/file", "other"), { kind: "denied" });
    await assert.rejects(kept.files.remove("/file"), { kind: "denied" });
  }
  await vault.volumes.set("kept", { readOnly: false });
  await using kept = await vault.volumes.open("kept");
  await kept.files.writeFile("/file", "other");
  await kept.close();
  await requireClean(vault);
});
