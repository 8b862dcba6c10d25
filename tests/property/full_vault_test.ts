/** Vaults and media that run full or fail: nothing promised is lost, and deleting then works. */
import assert from "node:assert/strict";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { VaultError } from "../../core/errors.ts";
import { PosixError } from "../../core/fs/file_system.ts";
import { MIB } from "../../core/limits.ts";
import { checkVault } from "../../core/vault/check.ts";
import type { Vault } from "../../core/vault/vault.ts";
import { ArenaKernel } from "../support/arena_kernel.ts";
import { FaultyMedium } from "../support/faulty_medium.ts";
import { FileActions } from "../support/file_actions.ts";
import { createKeyedVault, openKeyedVault } from "../support/keyed_vault.ts";
import { emptyAttributes, named } from "../support/open_memory_volume.ts";
import { RandomStream } from "../support/random_stream.ts";

const ENOSPC = 28;
const EIO = 5;
const arena = new ArenaKernel(24 * MIB);

/** What every file should hold: its length and the byte that fills it. */
type Model = Map<string, { length: number; fill: number }>;

interface World {
  readonly medium: FaultyMedium;
  vault: Vault;
  actions: FileActions;
  readonly model: Model;
}

async function world(segments: number): Promise<World> {
  arena.reset();
  const medium = new FaultyMedium(new MemoryStorage({}));
  const vault = await createKeyedVault({ medium, kernel: arena }, { segments });
  const actions = new FileActions(vault.fileSystem, arena);
  return { medium, vault, actions, model: new Map() };
}

function reopen(world: World): void {
  arena.reset();
  world.vault = openKeyedVault({ medium: world.medium, kernel: arena });
  world.actions = new FileActions(world.vault.fileSystem, arena);
}

function errnoOf(run: () => void): number {
  try {
    run();
    return 0;
  } catch (error) {
    if (error instanceof PosixError) return error.errno;
    throw error;
  }
}

/** Makes a file of one byte value; where space runs out, what was written of it stays. */
function put(
  { actions, model }: World,
  name: string,
  file: { length: number; fill: number },
): number {
  let ino = 0;
  const failed = errnoOf(() => {
    ino = actions.create(name);
  });
  if (failed !== 0) return failed;
  const { length, fill } = file;
  for (let at = 0; at < length; at += 65536) {
    const piece = new Uint8Array(Math.min(65536, length - at)).fill(fill);
    const errno = errnoOf(() => actions.write(ino, at, piece));
    model.set(name, { length: errno === 0 ? at + piece.length : at, fill });
    assert.equal(actions.size(ino), model.get(name)!.length, "a refused write changes nothing");
    if (errno !== 0) return errno;
  }
  return 0;
}

function compare({ actions, vault, model }: World): void {
  const out = emptyAttributes();
  for (const [name, { length, fill }] of model) {
    vault.fileSystem.lookup(1, named(name), out);
    assert.equal(out.size, length, name);
    const bytes = actions.read(out.ino, 0, length);
    assert.ok(bytes.every((byte) => byte === fill), `content of "${name}"`);
  }
}

async function fill(world: World, length: () => number): Promise<void> {
  for (let i = 0; i < 100_000; i++) {
    const errno = put(world, `file ${i}`, { length: length(), fill: i % 250 + 1 });
    if (errno !== 0) return assert.equal(errno, ENOSPC);
    if (i % 16 === 0) await world.vault.fileSystem.fsync(1);
  }
  assert.fail("the vault never ran full");
}

function removeAll({ vault, model }: World): void {
  for (const name of model.keys()) vault.fileSystem.unlink(1, named(name));
  model.clear();
}

const patterns: Record<string, (stream: RandomStream) => number> = {
  "tiny files": () => 10,
  "inline files": (stream) => 1 + stream.below(2048),
  "files of one cell": () => 4096,
  "files of odd lengths": (stream) => 1 + stream.below(60_000),
  "one large file": () => 64 * MIB,
};

for (const [pattern, length] of Object.entries(patterns)) {
  for (const segments of pattern === "tiny files" ? [6] : [4, 6]) {
    Deno.test(`full vault of ${segments * 4} MiB: ${pattern} until ENOSPC, then deleting works`, async () => {
      const filled = await world(segments);
      const { free } = spaceOf(filled.vault);
      const stream = new RandomStream(segments);
      await fill(filled, () => length(stream));
      compare(filled);
      await filled.vault.fileSystem.syncAll();
      reopen(filled);
      compare(filled);
      assert.deepEqual((await checkVault(filled.vault)).problems, []);
      const files = filled.model.size;
      const { sequence } = filled.vault.opened.volume.store;
      removeAll(filled);
      const commits = filled.vault.opened.volume.store.sequence - sequence;
      assert.ok(commits <= 10 + files / 4, `${commits} commits for ${files} deletes`);
      await filled.vault.fileSystem.syncAll();
      // A large file is freed in many groups; opening does what is left of it.
      reopen(filled);
      const { fileSystem } = filled.vault;
      for (let i = 0; i < 4; i++) await fileSystem.syncAll();
      // The blocks of a large file are freed when they are needed: then this is not all that came back.
      const after = spaceOf(filled.vault).free;
      if (files > 1) assert.ok(after > free * 0.97 - 40, `${after} of ${free} cells came back`);
      assert.equal(put(filled, "again", { length: 2 * MIB, fill: 9 }), 0);
      await fileSystem.syncAll();
      assert.deepEqual((await checkVault(filled.vault)).problems, []);
    });
  }
}

function spaceOf(vault: Vault): { free: number } {
  return { free: vault.fileSystem.statfs().freeBlocks };
}

Deno.test("full vault: it opens and takes deletes after a power cut at its fullest", async () => {
  const filled = await world(4);
  const stream = new RandomStream(8);
  await fill(filled, () => 1 + stream.below(20_000));
  await filled.vault.fileSystem.syncAll();
  for (let i = 0; i < 5; i++) {
    const [name] = filled.model.keys();
    filled.vault.fileSystem.unlink(1, named(name));
    filled.model.delete(name);
    await filled.vault.fileSystem.fsync(1);
    reopen(filled);
    compare(filled);
  }
  assert.deepEqual((await checkVault(filled.vault)).problems, []);
});

for (
  const [operation, name, errno] of [
    ["write", "ENOSPC", ENOSPC],
    ["write", "EIO", EIO],
    ["sync", "EIO", EIO],
  ] as const
) {
  Deno.test(`failing medium: fsync answers the ${name} of a ${operation}, and EIO from then on`, async () => {
    const faulty = await world(4);
    const { medium, vault: { fileSystem }, actions } = faulty;
    const ino = actions.create("file");
    await fileSystem.fsync(ino);
    actions.write(ino, 0, new Uint8Array(1000).fill(1));
    medium.fail(operation, 1, name);
    assert.equal(errnoOf(() => void fileSystem.fsync(ino)), errno);
    assert.equal(errnoOf(() => void fileSystem.fsync(ino)), EIO);
    await assert.rejects(fileSystem.syncAll(), (error) => (error as PosixError).errno === EIO);
    reopen(faulty);
    assert.deepEqual((await checkVault(faulty.vault)).problems, []);
  });
}

/** Changes, with what was promised kept apart; returns whether a write failed. */
async function workUntilFailure(world: World, promised: Model): Promise<boolean> {
  for (let i = 0; i < 40; i++) {
    const length = 1 + (i * 7919) % 30_000;
    try {
      if (put(world, `file ${i}`, { length, fill: i + 1 }) !== 0) return true;
      if (i % 3 === 2) await world.vault.fileSystem.fsync(1);
      else if (i % 5 === 4) await world.vault.fileSystem.syncAll();
      else continue;
      for (const [name, file] of world.model) promised.set(name, { ...file });
    } catch (error) {
      assert.ok(error instanceof PosixError || error instanceof VaultError, String(error));
      return true;
    }
  }
  return false;
}

for (
  const [operation, errno] of [["write", "ENOSPC"], ["write", "EIO"], ["sync", "EIO"]] as const
) {
  Deno.test(`failing medium: ${operation} number n fails with ${errno}, and nothing promised is lost`, async () => {
    let failures = 0;
    for (let nth = 1; nth < 260; nth += 1 + Math.floor(nth / 12)) {
      const faulty = await world(4);
      faulty.medium.fail(operation, nth, errno);
      const promised: Model = new Map();
      if (await workUntilFailure(faulty, promised)) failures++;
      else faulty.medium.fail(operation, 1e9, errno);
      const { medium } = faulty;
      const again: World = { ...faulty, medium, model: promised };
      reopen(again);
      compare(again);
      assert.deepEqual((await checkVault(again.vault)).problems, [], `number ${nth}`);
    }
    assert.ok(failures >= 10, `${failures} failures`);
  });
}
