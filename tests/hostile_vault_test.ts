/** Vaults made by somebody who has the key and wants whoever opens them to hang, run out of memory or read wrongly. */
import assert from "node:assert/strict";
import { MemoryStorage } from "../backends/memory/store.ts";
import { copyTree } from "../core/command/copy_tree.ts";
import { bytesBelow, removeTree } from "../core/command/tree_walks.ts";
import { vaultTree } from "../core/command/vault_tree.ts";
import { systemRuntime } from "../core/runtime.ts";
import { VaultError } from "../core/errors.ts";
import { encodeDirent } from "../core/format/dirent.ts";
import { encodeEntryKey, ENTRY_KEY_BYTES } from "../core/format/volume_key.ts";
import { S_IFDIR } from "../core/fs/mode.ts";
import { MIB } from "../core/limits.ts";
import { checkVault } from "../core/vault/check.ts";
import type { Vault } from "../core/vault/vault.ts";
import { LOCAL_FILES } from "../ffi/host/local_files.ts";
import { ArenaKernel } from "./support/arena_kernel.ts";
import { createKeyedVault } from "./support/keyed_vault.ts";
import { named } from "./support/open_memory_volume.ts";

const arena = new ArenaKernel(24 * MIB);
const DIRECTORY_TYPE = S_IFDIR >> 12;

/** Puts an entry where no filesystem would: a directory's second name. */
async function nameAgain(vault: Vault, parent: string, name: string, target: string) {
  const { volume } = vault.opened;
  const directory = (await vault.files.stat(parent)).ino;
  const { ino } = await vault.files.stat(target);
  const cookie = volume.hashName(named(name)) * 256 + 3;
  const key = encodeEntryKey(new Uint8Array(ENTRY_KEY_BYTES), directory, cookie);
  const value = encodeDirent(new Uint8Array(300), named(name), { ino, type: DIRECTORY_TYPE });
  volume.tree.put(key, value);
}

/** `/a/b/c` where `/a/b/again` is `/a`. */
async function loopedVault(): Promise<Vault> {
  arena.reset();
  const medium = new MemoryStorage({});
  const vault = await createKeyedVault({ medium, kernel: arena });
  await vault.files.makeDirectory("/a/b/c", { recursive: true });
  await nameAgain(vault, "/a/b", "again", "/a");
  assert.equal(
    (await vault.files.list("/a/b/again/b/again")).length,
    1,
    "it can be entered for ever",
  );
  return vault;
}

const isCorrupt = (error: unknown) => error instanceof VaultError && error.kind === "corrupt";

Deno.test("hostile vault: a directory inside itself ends every walk with corrupt", async () => {
  await using vault = await loopedVault();
  const files = vaultTree(vault);
  const path = await Deno.makeTempDir({ prefix: "sv-hostile-" });
  try {
    const to = { tree: LOCAL_FILES, path: `${path}/out` };
    const options = { keepOwners: false, runtime: systemRuntime };
    await assert.rejects(copyTree({ tree: files, path: "/a" }, to, options), isCorrupt);
    assert.equal(await bytesBelow(files, "/a"), 0); // of what can be read
    await assert.rejects(Array.fromAsync(vault.files.walk("/")), isCorrupt);
    await assert.rejects(vault.files.remove("/a", { recursive: true }), isCorrupt);
    await assert.rejects(removeTree(files, "/a"), isCorrupt);
  } finally {
    await Deno.remove(path, { recursive: true });
  }
});

Deno.test("hostile vault: check names the directory that has two names", async () => {
  await using vault = await loopedVault();
  const { ok, problems } = await checkVault(vault);
  assert.equal(ok, false);
  assert.ok(
    problems.some(({ what }) => what.includes("not just one name")),
    JSON.stringify(problems),
  );
});
