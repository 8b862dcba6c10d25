import assert from "node:assert/strict";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { ArenaKernel } from "../../tests/support/arena_kernel.ts";
import { CrashMedium } from "../../tests/support/crash_medium.ts";
import { FileActions } from "../../tests/support/file_actions.ts";
import { slowRuntime } from "../../tests/support/fake_runtime.ts";
import { createKeyedVault, openKeyedVault } from "../../tests/support/keyed_vault.ts";
import { emptyAttributes, named } from "../../tests/support/open_memory_volume.ts";
import { ERRNO } from "../fs/errno.ts";
import { PosixError } from "../fs/file_system.ts";
import type { KernelCache, Outdated } from "../fs/kernel_cache.ts";
import { MIB } from "../limits.ts";
import { checkVault } from "./check.ts";
import type { UndoneVisitor } from "../volume/logged_tree.ts";
import type { KeyValueTree } from "../volume/volume_store.ts";
import { MAIN_VOLUME } from "../volume/volumes.ts";
import { MountTransaction } from "./mount_transaction.ts";
import type { Vault } from "./vault.ts";

const arena = new ArenaKernel(24 * MIB);

/** A kernel that has nothing but a page, perhaps, which it gives when it is asked to. */
class PageCache implements KernelCache {
  page: (() => void) | null = null;
  readonly dropped = Promise.withResolvers<Outdated>();

  takeIn(): Promise<void> {
    this.page?.();
    this.page = null;
    return Promise.resolve();
  }

  drop(outdated: Outdated): Promise<void> {
    this.dropped.resolve(outdated);
    return Promise.resolve();
  }

  dropContent(): Promise<void> {
    return Promise.resolve();
  }
}

async function mounted() {
  arena.reset();
  const vault = await createKeyedVault({ medium: new MemoryStorage({}), kernel: arena });
  const kernel = new PageCache();
  const transaction = new MountTransaction(vault, kernel);
  return { vault, kernel, transaction, actions: new FileActions(vault.fileSystem, arena) };
}

const text = (content: string) => new TextEncoder().encode(content);

async function namesOf(vault: Vault): Promise<string> {
  return (await vault.files.list("/")).map(({ name }) => name).join();
}

Deno.test("a transaction that takes too long is rolled back, and whoever ends it is told why", async () => {
  const { vault, kernel, transaction, actions } = await mounted();
  await transaction.begin(5);
  actions.create("made");
  const { names } = await kernel.dropped.promise;
  assert.deepEqual(names, [{ parent: 1, name: named("made") }]);
  assert.equal(await namesOf(vault), "");
  const late = { kind: "missing", message: /took longer than 5 ms: rolled back/ };
  await assert.rejects(transaction.commit(null), late);
  assert.equal(transaction.state, null);
  await transaction.begin(null);
  assert.throws(() => transaction.begin(0), { kind: "invalid" });
  await vault.close();
});

Deno.test("a rollback tells what is outdated, and what of it is open", async () => {
  const { vault, kernel, transaction, actions } = await mounted();
  const { fileSystem } = vault;
  const [same, read, written, unlinked] = ["same", "read", "written", "unlinked"].map((name) => {
    const ino = actions.create(name);
    actions.write(ino, 0, text(name));
    fileSystem.open(ino, 0);
    return ino;
  });
  await transaction.begin(null);
  const made = actions.create("made");
  fileSystem.open(made, 0);
  fileSystem.read(read, 0, 4, { total: 0, count: 0, addresses: [], lengths: [] });
  actions.write(written, 0, text("other"));
  fileSystem.unlink(1, named("unlinked"));
  await transaction.rollback(null);
  const { inodes, names, stale } = await kernel.dropped.promise;
  const byNumber = (a: number, b: number) => a - b;
  assert.deepEqual(
    stale.map(({ ino, opens }) => [ino, opens]).sort(),
    [written, unlinked, made].map((ino) => [ino, 1]).sort(),
  );
  for (const ino of [1, written, unlinked, made]) assert.ok(inodes.has(ino), `${ino}`);
  assert.equal(inodes.has(same), false);
  const shown = names.map(({ name }) => new TextDecoder().decode(name)).sort();
  assert.deepEqual(shown, ["made", "unlinked"]);
  for (const ino of [same, read, written, unlinked, made].sort(byNumber)) fileSystem.release(ino);
  assert.throws(() => fileSystem.getattr(made, emptyAttributes()), PosixError);
  assert.deepEqual((await checkVault(vault)).problems, []);
  await vault.close();
});

Deno.test("what only the kernel has when one begins is not taken back; what it has at a rollback is", async () => {
  const { vault, kernel, transaction, actions } = await mounted();
  const ino = actions.create("mapped");
  actions.write(ino, 0, text("none"));
  kernel.page = () => actions.write(ino, 0, text("kept"));
  await transaction.begin(null);
  kernel.page = () => actions.write(ino, 0, text("lost"));
  await transaction.rollback(null);
  assert.equal(await vault.files.readText("/mapped"), "kept");
  await transaction.begin(null);
  kernel.page = () => actions.write(ino, 0, text("last"));
  await transaction.commit(null);
  assert.equal(await vault.files.readText("/mapped"), "last");
  await vault.close();
});

/** Tells of every record that is not the same in two trees. */
function differences(before: KeyValueTree, after: KeyValueTree, differs: UndoneVisitor): void {
  const recordsOf = (tree: KeyValueTree) => {
    const records = new Map<string, Uint8Array[]>();
    tree.scan(new Uint8Array(0), (key, value) => {
      records.set(key.join(), [key.slice(), value.slice()]);
      return true;
    });
    return records;
  };
  const [old, now] = [recordsOf(before), recordsOf(after)];
  for (const name of new Set([...old.keys(), ...now.keys()])) {
    const [[key, inside], [, value]] = [old.get(name) ?? [], now.get(name) ?? []];
    if (inside?.join() !== value?.join()) {
      differs(key ?? now.get(name)![0], inside ?? null, value ?? null);
    }
  }
}

Deno.test("a rollback to a snapshot has what only the kernel had before, and tells what is outdated and stale", async () => {
  const { vault, kernel, transaction, actions } = await mounted();
  const { fileSystem, opened: { volumes } } = vault;
  const inos = ["same", "written", "unlinked"].map((name) => {
    const ino = actions.create(name);
    fileSystem.open(ino, 0);
    return ino;
  });
  const [same, written, unlinked] = inos;
  kernel.page = () => actions.write(same, 0, text("in"));
  await transaction.settled("keep a snapshot", () => volumes.snapshot(MAIN_VOLUME, "one"));
  actions.write(written, 0, text("other"));
  fileSystem.unlink(1, named("unlinked"));
  const made = actions.create("made");
  fileSystem.open(made, 0);
  kernel.page = () => actions.write(made, 0, text("late"));
  await transaction.replaced("roll back", (differs) => {
    const snapshot = volumes.openSnapshot(MAIN_VOLUME, "one");
    differences(vault.opened.volume.tree, snapshot.tree, differs);
    snapshot.close();
    volumes.rollback(MAIN_VOLUME, "one", "destroy");
  });
  const { inodes, names, stale } = await kernel.dropped.promise;
  assert.deepEqual(
    stale.map(({ ino, opens }) => [ino, opens]).sort(),
    [written, unlinked, made].map((ino) => [ino, 1]).sort(),
  );
  assert.equal(inodes.has(same), false);
  const shown = names.map(({ name }) => new TextDecoder().decode(name)).sort();
  assert.deepEqual(shown, ["made", "unlinked"]);
  assert.equal(await vault.files.readText("/same"), "in");
  for (const ino of [...inos, made]) fileSystem.release(ino);
  assert.equal(await namesOf(vault), "same,unlinked,written");
  await transaction.begin(null);
  const refused = { kind: "conflict", message: /^Cannot roll back: a transaction is open/ };
  await assert.rejects(transaction.replaced("roll back", () => {}), refused);
  await assert.rejects(transaction.settled("roll back", () => {}), refused);
  await transaction.rollback(null);
  while (volumes.destroyStep());
  assert.deepEqual((await checkVault(vault)).problems, []);
  await vault.close();
});

Deno.test("while a mount's transaction is open, the vault's own calls are refused, and closing rolls back", async () => {
  const { vault, transaction, actions } = await mounted();
  await transaction.begin(null);
  actions.create("lost");
  await assert.rejects(vault.commit(), { kind: "conflict" });
  await assert.rejects(vault.files.list("/"), { kind: "conflict" });
  await assert.rejects(vault.transaction(() => {}), { kind: "conflict" });
  await vault.fileSystem.syncAll();
  const medium = vault.medium as MemoryStorage;
  await vault.close();
  arena.reset();
  const again = openKeyedVault({
    medium: new MemoryStorage({ content: medium.content }),
    kernel: arena,
  });
  assert.equal(await namesOf(again), "");
  await again.close();
});

Deno.test("what is written while begin waits for a slow medium was before: a crash inside does not take it", async () => {
  arena.reset();
  const medium = new CrashMedium({ syncsAside: true });
  const vault = await createKeyedVault({ medium, kernel: arena, runtime: slowRuntime() });
  const actions = new FileActions(vault.fileSystem, arena);
  const transaction = new MountTransaction(vault, new PageCache());
  actions.create("early");
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  const begun = transaction.begin(null);
  await turn();
  assert.equal(transaction.state, null, "it waits");
  actions.create("meanwhile");
  while (transaction.state === null) {
    medium.finishSync();
    await turn();
  }
  await begun;
  const from = medium.log.length;
  actions.create("inside");
  await vault.fileSystem.syncAll();
  for (const image of medium.log.images(1, { points: [from, Infinity] })) {
    arena.reset();
    assert.equal(
      await namesOf(openKeyedVault({ medium: image.open(), kernel: arena })),
      "early,meanwhile",
    );
  }
});

Deno.test("a file without a name that was closed inside is freed after the rollback", async () => {
  const { vault, transaction, actions } = await mounted();
  const { fileSystem } = vault;
  const [closed, open] = ["closed", "open"].map((name) => {
    const ino = actions.create(name);
    actions.write(ino, 0, new Uint8Array(20_000).fill(1));
    fileSystem.open(ino, 0);
    fileSystem.unlink(1, named(name));
    return ino;
  });
  await transaction.begin(null);
  fileSystem.release(closed);
  await transaction.rollback(null);
  fileSystem.reclaim(100);
  assert.throws(() => fileSystem.getattr(closed, emptyAttributes()), PosixError);
  assert.equal(actions.read(open, 0, 10)[0], 1);
  fileSystem.release(open);
  assert.throws(() => fileSystem.getattr(open, emptyAttributes()), PosixError);
  assert.deepEqual((await checkVault(vault)).problems, []);
  await vault.close();
});

Deno.test("too much for one transaction is ENOSPC to the writer, and can be rolled back or committed", async () => {
  const { vault, transaction, actions } = await mounted();
  const { fileSystem } = vault;
  const { engine } = vault.opened.volume;
  actions.create("before");
  for (const end of ["rollback", "commit"] as const) {
    engine.transactionBytesMax = MIB / 4;
    await transaction.begin(null);
    let made = 0;
    const makeMany = () => {
      for (; made < 5000; made++) actions.create(`${end}${made}`);
    };
    assert.throws(makeMany, { name: "PosixError", errno: ERRNO.ENOSPC });
    assert.ok(made > 300, `${made} files`);
    assert.throws(() => fileSystem.unlink(1, named("before")), { errno: ERRNO.ENOSPC });
    await transaction[end](null);
    const names = (await namesOf(vault)).split(",");
    assert.equal(names.length, end === "commit" ? made + 1 : 1);
  }
  assert.deepEqual((await checkVault(vault)).problems, []);
  await vault.close();
});

Deno.test("after a power cut at any write, a mount's transaction is there as a whole or not at all", async () => {
  arena.reset();
  const medium = new CrashMedium();
  const vault = await createKeyedVault({ medium, kernel: arena });
  const actions = new FileActions(vault.fileSystem, arena);
  const transaction = new MountTransaction(vault, new PageCache());
  actions.write(actions.create("a"), 0, text("before"));
  const from = medium.log.length;
  await transaction.begin(null);
  medium.log.mark("begun");
  for (const name of ["b", "c", "d"]) {
    const ino = actions.create(name);
    actions.write(ino, 0, new Uint8Array(20_000).fill(1));
    await vault.fileSystem.fsync(ino);
  }
  vault.fileSystem.unlink(1, named("a"));
  await vault.fileSystem.fsync(1);
  medium.log.mark("synced");
  await transaction.commit(null);
  medium.log.mark("committed");
  const seen = new Set<string>();
  for (const image of medium.log.images(1, { points: [from, Infinity] })) {
    arena.reset();
    const opened = openKeyedVault({ medium: image.open(), kernel: arena });
    const names = await namesOf(opened);
    seen.add(names);
    if (image.mark === "begun" || image.mark === "synced") {
      assert.ok(names === "a" || names === "b,c,d", names);
    }
    if (image.mark === "committed") assert.equal(names, "b,c,d");
  }
  assert.deepEqual([...seen].sort(), ["", "a", "b,c,d"]);
});
