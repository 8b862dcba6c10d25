import assert from "node:assert/strict";
import { failsWith } from "../../tests/support/posix_failure.ts";
import { checkConsistency } from "../../tests/support/consistency.ts";
import { FileActions } from "../../tests/support/file_actions.ts";
import { noiseByte } from "../../tests/support/noise_byte.ts";
import { named } from "../../tests/support/open_memory_volume.ts";
import {
  createRealVolume,
  type RealVolume,
  reopenRealVolume,
} from "../../tests/support/open_real_volume.ts";
import { ERRNO } from "../fs/errno.ts";
import { PosixError } from "../fs/file_system.ts";
import { MIB } from "../limits.ts";

const PUNCH = 3;
const BLOCK_BYTES = 16384;
const KEPT_BYTES = 20 * MIB;

function bytesAt(offset: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => noiseByte(offset, i));
}

/** Writes until the vault is full; returns how much there is. */
async function fill({ fs }: RealVolume, files: FileActions, name: string): Promise<number> {
  const ino = files.create(name);
  let size = 0;
  for (const step of [64 * 1024, 4096]) {
    const data = bytesAt(1, step);
    for (;;) {
      try {
        files.write(ino, size, data);
        size += step;
      } catch (error) {
        if (!(error instanceof PosixError) || error.errno !== ERRNO.ENOSPC) throw error;
        break;
      }
    }
    await fs.syncAll();
  }
  return size;
}

/** Writes all of a file in pieces, small ones and large ones, from its end to its start. */
async function writeAll({ fs }: RealVolume, files: FileActions, ino: number): Promise<void> {
  const pieces = [4096, 300, BLOCK_BYTES, 128 * 1024];
  for (let end = KEPT_BYTES, i = 0; end > 0; i++) {
    const start = Math.max(0, end - pieces[i % pieces.length]);
    files.write(ino, start, bytesAt(start, end - start));
    if (i % 50 === 0) await fs.fsync(ino);
    end = start;
  }
  await fs.syncAll();
}

function requireAll(files: FileActions, ino: number): void {
  const pieces = [4096, 300, BLOCK_BYTES, 128 * 1024];
  for (let end = KEPT_BYTES, i = 0; end > 0; i++) {
    const start = Math.max(0, end - pieces[i % pieces.length]);
    assert.deepEqual(files.read(ino, start, end - start), bytesAt(start, end - start));
    end = start;
  }
}

Deno.test("space that was set aside is there when the vault is full for everybody else, also after it was opened again", async () => {
  for (const isReopened of [false, true]) {
    let opened = await createRealVolume();
    let files = new FileActions(opened.fs, opened.volume.kernel);
    const kept = files.create("kept");
    opened.fs.fallocate(kept, 0, KEPT_BYTES, 0);
    await opened.fs.syncAll();
    if (isReopened) {
      opened = reopenRealVolume(opened.medium);
      files = new FileActions(opened.fs, opened.volume.kernel);
    }
    const others = await fill(opened, files, "others");
    assert.ok(others > 10 * MIB, `${others} bytes were left to others`);
    assert.ok(opened.fs.statfs().freeBlocks * 4096 < MIB);
    failsWith("ENOSPC", () => opened.fs.fallocate(files.create("more"), 0, MIB, 0));
    await writeAll(opened, files, kept);
    requireAll(files, kept);
    assert.equal(opened.volume.setAside, 0);
    assert.deepEqual(checkConsistency(opened.volume).problems, []);
    const again = reopenRealVolume(opened.medium);
    requireAll(new FileActions(again.fs, again.volume.kernel), kept);
  }
});

Deno.test("space that was set aside comes free by truncating, punching and removing, and is counted at every step", async () => {
  const { fs, volume } = await createRealVolume();
  const files = new FileActions(fs, volume.kernel);
  const free = () => volume.space().freeCells;
  const before = free();
  const ino = files.create("kept");
  const blocks = (count: number) => {
    assert.equal(volume.setAside, count);
    assert.deepEqual(checkConsistency(volume).problems, []);
  };
  fs.fallocate(ino, 0, 100 * BLOCK_BYTES, 0);
  blocks(100);
  assert.ok(before - free() >= 400);
  fs.fallocate(ino, 10 * BLOCK_BYTES, 10 * BLOCK_BYTES, PUNCH);
  blocks(90);
  files.truncate(ino, 50 * BLOCK_BYTES);
  blocks(40);
  files.write(ino, 0, bytesAt(0, 3 * BLOCK_BYTES));
  await fs.syncAll();
  blocks(37);
  volume.beginTransaction();
  files.write(ino, 5 * BLOCK_BYTES, bytesAt(0, 2 * BLOCK_BYTES + 5));
  fs.flush();
  blocks(34);
  volume.rollbackTransaction();
  blocks(37);
  files.write(ino, 5 * BLOCK_BYTES, bytesAt(0, 7));
  fs.unlink(1, named("kept"));
  await fs.syncAll();
  while (fs.reclaim(1000));
  blocks(0);
  await fs.syncAll();
  assert.ok(before - free() < 40, `${before - free()} cells are still taken`);
});

Deno.test("a quota counts what is set aside", async () => {
  const { fs, volume } = await createRealVolume({}, { quotaBytes: 4 * MIB });
  const files = new FileActions(fs, volume.kernel);
  const kept = files.create("kept");
  failsWith("EDQUOT", () => fs.fallocate(kept, 0, 5 * MIB, 0));
  assert.equal(volume.setAside, 0);
  fs.fallocate(kept, 0, 3 * MIB, 0);
  const other = files.create("other");
  failsWith("EDQUOT", () => files.write(other, 0, bytesAt(0, 2 * MIB)));
  files.write(kept, 0, bytesAt(0, 3 * MIB));
  await fs.syncAll();
  assert.deepEqual(files.read(kept, MIB, 5), bytesAt(0, 3 * MIB).subarray(MIB, MIB + 5));
});
