import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import type { SparseBytes } from "../../backends/memory/sparse_bytes.ts";
import { VaultError } from "../../core/errors.ts";
import { CODEC } from "../../core/format/map_entry.ts";
import { decodeRootRecord } from "../../core/format/root_record.ts";
import { CELL_BYTES, MIB } from "../../core/limits.ts";
import { openFileSystem } from "../../core/fs/posix_file_system.ts";
import { checkVault } from "../../core/vault/check.ts";
import { MAIN_VOLUME } from "../../core/volume/volumes.ts";
import { FileActions } from "../support/file_actions.ts";
import { emptyAttributes, named } from "../support/open_memory_volume.ts";
import {
  GOLDEN_CLONE,
  GOLDEN_FILES,
  GOLDEN_LOCK_PASSPHRASE,
  GOLDEN_LOCKED,
  GOLDEN_OLD_FILE,
  GOLDEN_PASSPHRASE,
  GOLDEN_SNAPSHOT,
  GOLDEN_STREAM,
  GOLDEN_VAULTS,
  goldenArena,
  openGolden,
  unpack,
} from "./golden_vault.ts";

function golden(file = GOLDEN_VAULTS[0].file): Promise<SparseBytes> {
  return unpack(new Uint8Array(readFileSync(file)));
}

async function kindOf(opening: Promise<unknown>): Promise<string> {
  try {
    await opening;
    return "opened";
  } catch (error) {
    assert.ok(error instanceof VaultError, String(error));
    return error.kind;
  }
}

for (const { name, file } of GOLDEN_VAULTS) {
  Deno.test(`golden vault ${name}: it opens, is clean, and holds what it held`, async () => {
    const vault = await openGolden(await golden(file));
    assert.deepEqual((await checkVault(vault)).problems, []);
    const actions = new FileActions(vault.fileSystem, goldenArena);
    const names: string[] = [];
    vault.fileSystem.readdir(1, 2, ({ name }) => names.push(new TextDecoder().decode(name)) > 0);
    const files = { ...GOLDEN_FILES, ...GOLDEN_LOCKED };
    assert.deepEqual(names.sort(), Object.keys(files).sort());
    const out = emptyAttributes();
    for (const [name, { length, fill }] of Object.entries(GOLDEN_FILES)) {
      vault.fileSystem.lookup(1, named(name), out);
      assert.equal(out.size, length);
      assert.ok(actions.read(out.ino, 0, length + 1).every((byte) => byte === fill), name);
    }
    const codecs = new Set<number>();
    vault.opened.volume.store.blocks.entries((_, { codec }) => codecs.add(codec));
    assert.deepEqual([...codecs].sort(), [CODEC.raw, CODEC.zstd]);
  });
}

for (const { name, file } of GOLDEN_VAULTS) {
  Deno.test(`golden vault ${name}: locked files open with their passphrase, in the snapshot too`, async () => {
    const vault = await openGolden(await golden(file));
    for (const [name, { length, fill }] of Object.entries(GOLDEN_LOCKED)) {
      await assert.rejects(vault.files.readFile(name), { kind: "denied" });
      const passphrase = GOLDEN_LOCK_PASSPHRASE;
      await vault.files.unlock(name, { passphrase, until: "close" });
      await using kept = await vault.snapshots.open(MAIN_VOLUME, GOLDEN_SNAPSHOT);
      for (const files of [vault.files, kept.files]) {
        assert.deepEqual(await files.readFile(name), new Uint8Array(length).fill(fill));
      }
    }
  });
}

Deno.test("golden stream: the vault receives it as what its snapshot was", async () => {
  const vault = await openGolden(await golden(), GOLDEN_PASSPHRASE, false);
  const stream = new Blob([readFileSync(GOLDEN_STREAM)]).stream();
  const { snapshot, whole } = await vault.streams.receive("restored", stream);
  assert.deepEqual([snapshot, whole], [GOLDEN_SNAPSHOT, true]);
  await using restored = await vault.volumes.open("restored");
  const held = { ...GOLDEN_LOCKED, [GOLDEN_OLD_FILE.name]: GOLDEN_OLD_FILE };
  for (const [name, { length, fill }] of Object.entries(held)) {
    assert.deepEqual(await restored.files.readFile(`/${name}`), new Uint8Array(length).fill(fill));
  }
  assert.deepEqual((await checkVault(vault)).problems, []);
});

Deno.test("golden vault: its snapshot and the clone of it hold what was deleted since", async () => {
  const vault = await openGolden(await golden());
  const { volumes } = vault.opened;
  assert.deepEqual(volumes.listVolumes().map(({ name }) => name), [MAIN_VOLUME, GOLDEN_CLONE]);
  assert.deepEqual(volumes.listSnapshots(MAIN_VOLUME).map(({ name }) => name), [GOLDEN_SNAPSHOT]);
  for (
    const store of [
      volumes.openSnapshot(MAIN_VOLUME, GOLDEN_SNAPSHOT),
      volumes.openVolume(GOLDEN_CLONE),
    ]
  ) {
    const fs = openFileSystem(store, { blockMemoryBytes: MIB });
    const out = emptyAttributes();
    fs.lookup(1, named(GOLDEN_OLD_FILE.name), out);
    const { length, fill } = GOLDEN_OLD_FILE;
    assert.equal(out.size, length);
    const bytes = new FileActions(fs, goldenArena).read(out.ino, 0, length);
    assert.ok(bytes.every((byte) => byte === fill));
    assert.throws(() => fs.unlink(1, named(GOLDEN_OLD_FILE.name)), { name: "PosixError" });
  }
});

Deno.test("golden vault: another passphrase is denied, as bytes that are no vault are", async () => {
  const content = await golden();
  assert.equal(await kindOf(openGolden(content, "wrong")), "denied");
  const noise = content.fork();
  noise.clear(0, 8 * MIB);
  assert.equal(await kindOf(openGolden(noise)), "denied");
});

Deno.test("golden vault: cut short it is corrupt, not empty", async () => {
  const content = await golden();
  content.truncate(9 * MIB);
  assert.equal(await kindOf(openGolden(content)), "corrupt");
});

for (const { name, file } of GOLDEN_VAULTS) {
  Deno.test(`golden vault ${name}: a flipped bit in any stored cell is refused or found`, async () => {
    const content = await golden(file);
    const cell = new Uint8Array(CELL_BYTES);
    let harmed = 0;
    for (let i = 0; i * CELL_BYTES < content.length; i++) {
      content.read(i * CELL_BYTES, cell);
      if (cell.every((byte) => byte === 0)) continue;
      const bad = content.fork();
      // Of the salt, or of a ciphertext: the nonce that a node's cell repeats is not asked for.
      cell[28] ^= 1;
      bad.write(i * CELL_BYTES, cell);
      const kind = await kindOf(
        openGolden(bad).then(async (vault) => {
          assert.equal((await checkVault(vault)).ok, false, `cell ${i}`);
        }),
      );
      assert.ok(["opened", "corrupt", "denied"].includes(kind), kind);
      harmed++;
    }
    assert.ok(harmed > 5, String(harmed));
  });
}

Deno.test("golden vault: a root with a feature that is not known is refused as such", () => {
  const root = new Uint8Array(4096);
  new DataView(root.buffer).setUint32(0, 0x545256a3, true);
  new DataView(root.buffer).setUint32(4, 0x80000000, true);
  assert.throws(() => decodeRootRecord(root), { kind: "invalid", message: /features/ });
});
