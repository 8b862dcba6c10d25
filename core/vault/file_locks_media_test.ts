import assert from "node:assert/strict";
import { MemoryObjects } from "../../backends/memory/objects.ts";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { ArenaKernel } from "../../tests/support/arena_kernel.ts";
import { FakeRuntime } from "../../tests/support/fake_runtime.ts";
import { FAST_KDF } from "../../tests/support/header_world.ts";
import { createKeyedVault, openKeyedVault } from "../../tests/support/keyed_vault.ts";
import { copies, fill, fresh, made, opened } from "../../tests/support/member_world.ts";
import { KIB, MIB } from "../limits.ts";
import { WriteOnceMedium } from "../storage/write_once/write_once_medium.ts";
import { checkVault } from "./check.ts";

const LOCK = { passphrase: "extra", kdf: FAST_KDF } as const;
const arena = new ArenaKernel(24 * MIB);

Deno.test("locks on several media: a file is locked on all, and one that is missing is in the way", async () => {
  const media = fresh(2);
  const vault = await made(media);
  for (const name of ["a", "b"]) await vault.files.writeFile(name, fill(1, 60_000));
  await vault.files.lock("a", LOCK);
  assert.deepEqual((await checkVault(vault)).problems, []);
  await vault.close();
  const alone = await opened([copies(media)[0]], { acceptMissing: true });
  await assert.rejects(alone.files.readFile("a"), { kind: "denied" });
  await assert.rejects(alone.files.lock("b", LOCK), { kind: "unavailable", message: /is missing/ });
  assert.equal(await alone.files.lockState("b"), "none");
  await alone.files.unlock("a", LOCK);
  assert.deepEqual(await alone.files.readFile("a"), fill(1, 60_000));
  await alone.close();
});

Deno.test("locks on write-once media: locked and unlocked as elsewhere, shredded for good", async () => {
  const content = new Map<string, Uint8Array>();
  let seed = 1;
  const parts = () => {
    arena.reset();
    const objects = new MemoryObjects({ content });
    const medium = new WriteOnceMedium(objects, { graceSyncs: 0, objectBytesMax: 64 * KIB });
    return { medium, kernel: arena, runtime: new FakeRuntime(seed++) };
  };
  const vault = await createKeyedVault(parts(), { segments: 8 });
  for (const [name, size] of [["large", 50_000], ["small", 300], ["gone", 20_000]] as const) {
    await vault.files.writeFile(name, fill(size, size));
  }
  for (const name of ["large", "small"]) await vault.files.lock(name, LOCK);
  await vault.files.shred("gone");
  assert.deepEqual((await checkVault(vault)).problems, []);
  await vault.close();
  const again = openKeyedVault(parts());
  assert.equal(await again.files.exists("gone"), false);
  for (const [name, size] of [["large", 50_000], ["small", 300]] as const) {
    await assert.rejects(again.files.readFile(name), { kind: "denied" });
    await again.files.unlock(name, LOCK);
    assert.deepEqual(await again.files.readFile(name), fill(size, size));
  }
  assert.deepEqual((await checkVault(again)).problems, []);
  await again.close();
});

Deno.test("lock: what was cut short is denied, is finished by the next one, and keeps its passphrase", async () => {
  arena.reset();
  const vault = await createKeyedVault({ medium: new MemoryStorage({}), kernel: arena }, {
    segments: 8,
  });
  const { files } = vault;
  await files.writeFile("large", fill(3, 200_000));
  const stopping = new AbortController();
  const progress = () => stopping.abort(new Error("stopped"));
  const { signal } = stopping;
  await assert.rejects(files.lock("large", { ...LOCK, progress, signal }), { message: "stopped" });
  assert.equal(await files.lockState("large"), "locking");
  await assert.rejects(files.readFile("large"), { kind: "denied" });
  const other = { ...LOCK, passphrase: "another" };
  await assert.rejects(files.lock("large", other), { message: /wrong passphrase/ });
  assert.equal(await files.lockState("large"), "locked");
  await assert.rejects(files.lock("large", LOCK), { kind: "conflict" });
  await files.unlock("large", LOCK);
  assert.deepEqual(await files.readFile("large"), fill(3, 200_000));
  assert.deepEqual((await checkVault(vault)).problems, []);
  await vault.close();
});

Deno.test("unlock: an attempt is counted before its passphrase is tried, so that a crash does not forget it", async () => {
  arena.reset();
  const medium = new MemoryStorage({});
  const vault = await createKeyedVault({ medium, kernel: arena }, { segments: 8 });
  await vault.files.writeFile("f", "content");
  await vault.files.lock("f", LOCK);
  for (let i = 0; i < 3; i++) {
    await assert.rejects(vault.files.unlock("f", { passphrase: "guess" }), { kind: "denied" });
  }
  // As the medium is at this moment: nothing was closed.
  const content = medium.content.fork();
  arena.reset();
  const again = openKeyedVault({ medium: new MemoryStorage({ content }), kernel: arena });
  await assert.rejects(again.files.unlock("f", LOCK), { message: /3 wrong passphrases/ });
  await again.close();
});
