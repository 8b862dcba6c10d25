/** Where nothing more fits, what is there can be replaced: as large as it was, in requests of any size. */
import assert from "node:assert/strict";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { PosixError } from "../../core/fs/file_system.ts";
import { KIB, MIB } from "../../core/limits.ts";
import { checkVault } from "../../core/vault/check.ts";
import { MAIN_VOLUME } from "../../core/volume/volumes.ts";
import { ArenaKernel } from "../support/arena_kernel.ts";
import { FaultyMedium } from "../support/faulty_medium.ts";
import { FileActions } from "../support/file_actions.ts";
import { createKeyedVault } from "../support/keyed_vault.ts";
import { named } from "../support/open_memory_volume.ts";

const ENOSPC = 28;
const EDQUOT = 122;
const LARGE_BYTES = 2 * MIB;
const SMALL_BYTES = 1500;
const arena = new ArenaKernel(24 * MIB);

/** The number of the error that it fails with; 0 where it does not. */
function errnoOf(action: () => void): number {
  try {
    action();
    return 0;
  } catch (error) {
    if (error instanceof PosixError) return error.errno;
    throw error;
  }
}

/** Writes until that is refused, in ever smaller pieces; returns how. */
function fill(files: FileActions): number {
  const ino = files.create("filling");
  let [at, errno] = [0, 0];
  for (const step of [256 * KIB, 16 * KIB, 4 * KIB, 100]) {
    for (const piece = new Uint8Array(step).fill(1);; at += step) {
      errno = errnoOf(() => files.write(ino, at, piece));
      if (errno !== 0) break;
    }
  }
  return errno;
}

interface Case {
  readonly name: string;
  readonly quotaBytes: number;
}

const cases: readonly Case[] = [
  { name: "full", quotaBytes: 0 },
  { name: "quota used up", quotaBytes: 6 * MIB },
];

for (const { name, quotaBytes } of cases) {
  Deno.test(`overwriting, ${name}: files keep their size and get other bytes, in pieces of any size`, async () => {
    arena.reset();
    const medium = new FaultyMedium(new MemoryStorage({}));
    const vault = await createKeyedVault({ medium, kernel: arena }, { segments: 8 });
    vault.opened.volumes.setProperties(MAIN_VOLUME, { quotaBytes });
    const { fileSystem } = vault;
    const files = new FileActions(fileSystem, arena);
    const [large, small] = ["large", "small"].map((each) => files.create(each));
    files.write(large, 0, new Uint8Array(LARGE_BYTES).fill(1));
    files.write(small, 0, new Uint8Array(SMALL_BYTES).fill(1));
    await fileSystem.fsync(1);
    assert.equal(fill(files), quotaBytes > 0 ? EDQUOT : ENOSPC);
    await fileSystem.fsync(1);
    let value = 1;
    for (const piece of [4 * KIB, MIB, 16 * KIB, 300 * KIB, LARGE_BYTES]) {
      const bytes = new Uint8Array(piece).fill(++value);
      for (let at = 0; at < LARGE_BYTES; at += piece) {
        files.write(large, at, bytes.subarray(0, LARGE_BYTES - at));
      }
      const replaced = [[large, LARGE_BYTES]];
      if (quotaBytes === 0) {
        files.write(small, 0, new Uint8Array(SMALL_BYTES).fill(value));
        replaced.push([small, SMALL_BYTES]);
      }
      await fileSystem.fsync(large);
      for (const [ino, length] of replaced) {
        assert.equal(files.size(ino), length);
        assert.ok(files.read(ino, 0, length).every((byte) => byte === value), `${piece}: ${ino}`);
      }
    }
    const report = await checkVault(vault);
    assert.deepEqual(report.problems, []);
    await vault.close();
  });
}

for (const start of [1, 3000, 5000, 16384]) {
  for (const first of [1, 16384]) {
    Deno.test(`overwriting, quota used up: files of ${start} bytes do not grow, after ${first} were replaced`, async () => {
      arena.reset();
      const quotaBytes = 4 * MIB;
      const medium = new FaultyMedium(new MemoryStorage({}));
      const shape = { segments: 8, blockBytes: 64 * KIB };
      const vault = await createKeyedVault({ medium, kernel: arena }, shape);
      vault.opened.volumes.setProperties(MAIN_VOLUME, { quotaBytes });
      const { fileSystem } = vault;
      const files = new FileActions(fileSystem, arena);
      const inos = Array.from({ length: 50 }, (_, i) => files.create(`${i}`));
      for (const ino of inos) files.write(ino, 0, new Uint8Array(start).fill(1));
      const aside = files.create("aside");
      fileSystem.fallocate(aside, 0, 64 * KIB, 0);
      await fileSystem.fsync(1);
      assert.equal(fill(files), EDQUOT);
      await fileSystem.fsync(1);
      for (const ino of inos) {
        for (const end of [Math.min(first, start), 64 * KIB]) {
          try {
            files.write(ino, 0, new Uint8Array(end).fill(2));
          } catch (error) {
            assert.ok(error instanceof PosixError && error.errno === EDQUOT, `${error}`);
          }
        }
        files.truncate(ino, 60_000);
      }
      await fileSystem.fsync(1);
      const [{ referencedBytes: used }] = await vault.volumes.list();
      assert.ok(used <= quotaBytes, `${used} bytes of ${quotaBytes}`);
      assert.deepEqual((await checkVault(vault)).problems, []);
      await vault.close();
    });
  }
}

Deno.test("shortening, full: a file is cut inside a large block, or stays as it was, and the vault goes on", async () => {
  arena.reset();
  const medium = new FaultyMedium(new MemoryStorage({}));
  const shape = { segments: 8, blockBytes: 256 * KIB };
  const vault = await createKeyedVault({ medium, kernel: arena }, shape);
  const { fileSystem } = vault;
  const files = new FileActions(fileSystem, arena);
  const block = new Uint8Array(256 * KIB).fill(1);
  const inos = Array.from({ length: 10 }, (_, i) => files.create(`${i}`));
  for (const ino of inos) files.write(ino, 0, block);
  // The snapshot keeps what is cut from coming free; what stays free are single cells, without room for a block.
  vault.opened.volumes.snapshot(MAIN_VOLUME, "kept");
  const fillWith = (name: string, length: number) => {
    for (let i = 0;; i++) {
      if (errnoOf(() => files.write(files.create(name + i), 0, block.subarray(0, length)))) {
        return i;
      }
    }
  };
  const count = fillWith("small", 4 * KIB);
  for (let i = 0; i < count; i += 2) fileSystem.unlink(1, named(`small${i}`));
  fillWith("larger", 100 * KIB);
  await fileSystem.fsync(1);
  let refused = 0;
  for (const [i, ino] of inos.entries()) {
    const size = (250 - i) * KIB;
    const errno = errnoOf(() => files.truncate(ino, size));
    if (errno !== 0) refused++;
    assert.ok(errno === 0 || errno === ENOSPC, `${errno}`);
    assert.equal(files.size(ino), errno === 0 ? size : block.length);
    assert.ok(files.read(ino, 0, files.size(ino)).every((byte) => byte === 1));
  }
  assert.ok(refused > 0, "there was room for a block");
  await fileSystem.fsync(1);
  fileSystem.unlink(1, named("0"));
  await fileSystem.fsync(1);
  assert.deepEqual((await checkVault(vault)).problems, []);
  await vault.close();
});
