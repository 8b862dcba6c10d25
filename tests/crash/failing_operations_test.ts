/**
 * A read of the medium that fails once, or gives one wrong bit, in the middle of single operations of files and of opening: each of
 * these lost or damaged something once.
 */
import assert from "node:assert/strict";
import type { SparseBytes } from "../../backends/memory/sparse_bytes.ts";
import { MIB } from "../../core/limits.ts";
import { fill } from "../support/member_world.ts";
import { emptyAttributes, named, ROOT } from "../support/open_memory_volume.ts";
import {
  arena,
  byteAt,
  chmod,
  filled,
  ino,
  K4,
  large,
  make,
  open,
  problems,
  put,
  wander,
} from "../support/flaky_vault.ts";

async function twoFiles(): Promise<SparseBytes> {
  return await filled(async (vault, area) => {
    const f = make(vault, "f");
    put(vault, f, [0, 10, 7], { address: area });
    put(vault, make(vault, "one"), [10, 1, 7], { address: area });
    large(vault, area);
    await vault.fileSystem.syncAll();
    chmod(vault, f, 0o600);
    put(vault, ino(vault, "large"), [6390, 1, 3], { address: area });
  });
}

Deno.test("failing reads: a write of whole blocks that fails leaves what was there", async () => {
  const content = await twoFiles();
  for (let n = 1; n < 30; n++) {
    const copy = content.fork();
    const { vault, fs, fail, area } = open(copy, 32 * 1024);
    const f = ino(vault, "f");
    fs.open(f, 2);
    fs.lseek(f, 0, 3);
    wander(vault);
    fail(n);
    let failed = false;
    try {
      put(vault, f, [0, 10, 9], { address: area, whole: true });
    } catch {
      failed = true;
    }
    fail(Infinity);
    if (!failed) return;
    const live = byteAt(vault, f, 5 * K4);
    try {
      chmod(vault, f, 0o640);
      await fs.fsync(f);
    } catch { /* right as well */ }
    await vault.abandon();
    const again = open(copy, 4 * MIB).vault;
    const durable = byteAt(again, ino(again, "f"), 5 * K4);
    assert.deepEqual([live, durable, await problems(again)], [7, 7, []], `read ${n}`);
  }
});

Deno.test("failing reads: an fsync that failed and is repeated counts nothing twice", async () => {
  const content = await twoFiles();
  for (let n = 1; n < 30; n++) {
    const copy = content.fork();
    const { vault, fs, fail, area } = open(copy, 32 * 1024);
    const f = ino(vault, "f");
    fs.open(f, 2);
    fs.lseek(f, 0, 3);
    put(vault, f, [100, 3, 9], { address: area });
    wander(vault);
    fail(n);
    let failed = false;
    try {
      await fs.fsync(f);
    } catch {
      failed = true;
    }
    fail(Infinity);
    if (!failed) return;
    try {
      await fs.fsync(f);
    } catch { /* right as well */ }
    await vault.abandon();
    assert.deepEqual(await problems(open(copy, 4 * MIB).vault), [], `read ${n}`);
  }
});

Deno.test("failing reads: a truncation that fails takes nothing back that making room has put", async () => {
  const content = await twoFiles();
  for (let n = 1; n < 30; n++) {
    const copy = content.fork();
    const { vault, fs, fail, area } = open(copy, 32 * 1024);
    const f = ino(vault, "one");
    fs.open(f, 2);
    for (let b = 64; b < 80; b++) put(vault, f, [b, 1, 9], { address: area }); // half of the pool
    wander(vault);
    fail(n);
    let failed = false;
    try {
      fs.setattr(ROOT, f, { size: 10 * K4 + 100 }, emptyAttributes());
    } catch {
      failed = true;
    }
    fail(Infinity);
    if (!failed) return;
    let acknowledged = false;
    let live = 9;
    try {
      await fs.fsync(f);
      fs.fallocate(f, 10 * K4, K4, 3);
      live = byteAt(vault, f, 70 * K4);
      await fs.fsync(f);
      acknowledged = true;
    } catch { /* right as well */ }
    await vault.abandon();
    const again = open(copy, 4 * MIB).vault;
    if (!acknowledged) continue;
    const durable = byteAt(again, ino(again, "one"), 70 * K4);
    assert.deepEqual([live, durable, await problems(again)], [9, 9, []], `read ${n}`);
  }
});

Deno.test("failing reads: a write that fails takes no earlier write along that fsync then acknowledges", async () => {
  const content = await filled(async (vault, area) => {
    put(vault, make(vault, "f"), [0, 10, 7], { address: area });
    for (let i = 0; i < 1500; i++) await vault.files.writeFile(`/x${i}`, "");
  });
  for (let n = 1; n < 30; n++) {
    const copy = content.fork();
    const { vault, fs, fail, area } = open(copy, 16 * 1024);
    const f = ino(vault, "f");
    put(vault, f, [5, 1, 8], { address: area });
    fail(n);
    let failed = false;
    try {
      put(vault, f, [5, 2, 9], { address: area, whole: true });
    } catch {
      failed = true;
    }
    fail(Infinity);
    if (!failed) return;
    let acknowledged = false;
    try {
      await fs.fsync(f);
      acknowledged = true;
    } catch { /* right as well */ }
    await vault.abandon();
    const again = open(copy, 4 * MIB).vault;
    const durable = byteAt(again, ino(again, "f"), 5 * K4);
    if (acknowledged) assert.ok([8, 9].includes(durable), `read ${n}: durable ${durable}`);
  }
});

Deno.test("failing reads: who commits is told of data that was given up", async () => {
  const content = await filled(async (vault) => {
    await vault.files.writeFile("/t", fill(3, 50_000));
    for (let i = 0; i < 1500; i++) await vault.files.writeFile(`/x${i}`, "");
  });
  const { vault, fs, fail, area } = open(content, 16 * 1024);
  const i = ino(vault, "t");
  arena.bytes.fill(0x5a, area, area + 50);
  fs.write(i, { offset: 8292, length: 50, address: area, buffer: null, killSetId: false });
  fail(1);
  let told = false;
  for (
    const ask of [
      () => vault.commit(),
      () => fs.syncAll(),
      () => vault.files.sync(),
      () => vault.close(),
    ]
  ) {
    await ask().catch(() => told = true);
  }
  const again = open(content, 4 * MIB).vault;
  const durable = byteAt(again, ino(again, "t"), 8292);
  assert.ok(
    told || durable === 0x5a,
    `commit, syncAll, sync and close said nothing; it is ${durable}`,
  );
});

Deno.test("failing reads: what opening could not finish is not made durable half", async () => {
  const content = await filled(async (vault, area) => {
    const g = make(vault, "g");
    for (let b = 0; b < 2400; b += 2) put(vault, g, [b, 1, 1], { address: area });
    await vault.commit();
    large(vault, area, { to: 1600 });
  });
  let image = content;
  {
    const { vault, fs } = open(content, 64 * 1024);
    const { volume } = vault.opened;
    const endGroup = volume.endGroup.bind(volume);
    let groups = 0;
    volume.endGroup = () => { // a root in the middle of the truncation, as `relieve` writes them
      endGroup();
      if (++groups !== 2) return;
      volume.commitNow();
      image = content.fork();
    };
    fs.setattr(ROOT, ino(vault, "g"), { size: K4 }, emptyAttributes());
    await vault.abandon();
  }
  for (let n = 1; n < 400; n++) {
    const copy = image.fork();
    try {
      const { vault, plan } = open(copy, 16 * 1024, n, "flip");
      if (plan.reads < n) return;
      plan.at = Infinity;
      await vault.commit();
      await vault.abandon();
    } catch { /* refused: right as well */ }
    assert.deepEqual(await problems(open(copy, 4 * MIB).vault), [], `read ${n}`);
  }
});

Deno.test("failing reads: an unlinked file whose last close failed is freed", async () => {
  const content = await filled((vault, area) => {
    put(vault, make(vault, "f"), [0, 100, 7], { address: area });
    large(vault, area);
    return Promise.resolve();
  });
  const { vault, fs, fail } = open(content, 16 * 1024);
  const f = ino(vault, "f");
  fs.open(f, 2);
  fs.unlink(1, named("f"));
  await vault.commit();
  wander(vault);
  fail(1);
  assert.throws(() => fs.release(f));
  fail(Infinity);
  while (fs.reclaim(1000));
  assert.throws(() => fs.getattr(f, emptyAttributes()), "the inode and its blocks are still there");
});

Deno.test("failing reads: forgetting that fails once leaves nothing for as long as the vault is open", async () => {
  const content = await filled(async (vault, area) => {
    for (let i = 0; i < 30; i++) await vault.files.makeDirectory(`/w${i}`);
    large(vault, area);
  });
  const { vault, fs, fail } = open(content, 16 * 1024);
  fs.holdRemoved();
  const inos = Array.from({ length: 30 }, (_, i) => ino(vault, `w${i}`));
  for (let i = 0; i < 30; i++) fs.rmdir(1, named(`w${i}`));
  await vault.commit();
  wander(vault);
  fail(1);
  assert.throws(() => fs.forget(inos[0]));
  fail(Infinity);
  while (fs.reclaim(1000));
  assert.throws(() => fs.getattr(inos[0], emptyAttributes()), "the directory is still there");
});
