/**
 * A read of the medium that fails once, or gives one wrong bit, in transactions, in background work and while a vault is opened: each
 * of these lost or damaged something once.
 */
import assert from "node:assert/strict";
import { FreeUnits } from "../../core/block/free_units.ts";
import { MIB } from "../../core/limits.ts";
import { rescatterVault } from "../../core/vault/rescatter.ts";
import { TransactionManager } from "../../core/vault/transaction_manager.ts";
import { fill } from "../support/member_world.ts";
import { emptyAttributes, named } from "../support/open_memory_volume.ts";
import {
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
} from "../support/flaky_vault.ts";

Deno.test("failing reads: a deleted volume is freed to its end although one read failed", async () => {
  const content = await filled(async (vault, area) => {
    await vault.volumes.create("v");
    {
      await using v = await vault.volumes.open("v");
      for (let i = 0; i < 3; i++) await v.files.writeFile(`/${i}`, fill(i, 330 * K4));
    }
    large(vault, area, { to: 1600 });
    await vault.commit();
    await using v = await vault.volumes.open("v");
    await v.files.chmod("/0", 0o600);
  });
  for (let n = 1; n < 300; n++) {
    const copy = content.fork();
    const { vault, fail } = open(copy, 32 * 1024);
    await vault.volumes.delete("v");
    fail(n);
    let failed = false;
    try {
      while (vault.opened.volumes.destroyStep(256));
    } catch {
      failed = true;
    }
    fail(Infinity);
    await vault.commit().catch(() => {});
    await vault.abandon();
    if (!failed) return;
    const again = open(copy, 4 * MIB).vault;
    while (again.opened.volumes.destroyStep(256)); // "Cannot find block 966 in the block map"
    assert.deepEqual(await problems(again), [], `read ${n}`);
  }
});

Deno.test("failing reads: a managed transaction whose commit fails leaves no record twice", async () => {
  const content = await filled(async (vault, area) => {
    const i = large(vault, area, { to: 1600 });
    for (let f = 0; f < 900; f++) make(vault, `x${f}`);
    await vault.commit();
    large(vault, area, { from: 1600, to: 4000, of: i });
    for (let f = 150; f < 900; f += 10) {
      if (Math.floor(f / 150) % 2 === 1) chmod(vault, ino(vault, `x${f}`), 0o600); // nodes of these get later ids
    }
    await vault.commit();
    large(vault, area, { from: 4000, of: i });
  });
  for (let n = 1; n < 100; n++) {
    const copy = content.fork();
    const { vault, fs, fail } = open(copy, 256 * 1024);
    await vault.files.list("/");
    const transaction = await new TransactionManager(vault).begin();
    for (let f = 0; f < 900; f++) {
      const goes = Math.floor(f / 150) % 2 === 0 && f % 40 !== 0;
      if (goes) await transaction.files.remove(`/x${f}`);
    }
    for (let k = 0; k < 24; k++) {
      for (let f = 150; f < 900; f += 30) {
        if (Math.floor(f / 150) % 2 === 1) fs.getattr(3 + f, emptyAttributes());
      }
      byteAt(vault, ino(vault, "large"), (100 + k * 250) * K4);
      vault.opened.volume.store.trim();
    }
    fail(n);
    let failed = false;
    await transaction.commit().catch(() => failed = true);
    fail(Infinity);
    if (!failed) return;
    await vault.commit().catch(() => {});
    await vault.abandon();
    assert.deepEqual((await problems(open(copy, 4 * MIB).vault)).slice(0, 3), [], `read ${n}`);
  }
});

Deno.test("failing reads: shredding that fails behind its root does not forget which files are open", async () => {
  const content = await filled(async (vault) => {
    await vault.files.makeDirectory("/s");
    await vault.files.setShreddable("/s", true);
    await vault.files.writeFile("/s/a", fill(1, 9000));
    for (let i = 0; i < 1000; i++) {
      await vault.files.writeFile(`/b${i}`, i < 20 ? fill(i, 9000) : "");
    }
  });
  for (let n = 1; n < 200; n++) {
    const { vault, fs, fail } = open(content.fork(), 8 * 1024);
    const inos = Array.from({ length: 100 }, (_, i) => ino(vault, `b${i < 20 ? i : i * 9}`));
    for (const i of inos) fs.open(i, 0);
    fail(n);
    let failed = false;
    await vault.files.shred("/s/a").catch(() => failed = true);
    fail(Infinity);
    if (!failed) return;
    const gone: number[] = [];
    for (let i = 0; i < 20; i++) {
      try {
        fs.unlink(1, named(`b${i}`));
      } catch {
        continue; // no more changes: right
      }
      try {
        byteAt(vault, inos[i], 0);
      } catch {
        gone.push(i);
      }
    }
    assert.deepEqual(gone, [], `read ${n}: files that are open are gone`);
    await vault.abandon();
  }
});

for (const what of ["root record", "log"]) {
  Deno.test(`failing reads: opening that reads one wrong bit in a ${what} loses nothing acknowledged`, async () => {
    const content = await filled(async () => {});
    const { vault } = open(content, MIB);
    await vault.files.writeFile("/a", "a");
    await vault.commit();
    for (const name of what === "log" ? ["b", "c", "d"] : []) {
      await vault.files.writeFile(`/${name}`, name);
      await vault.fileSystem.fsync(ino(vault, name));
    }
    const image = content.fork();
    await vault.abandon();
    const lost: string[] = [];
    for (let n = 1; n < 200; n++) {
      const copy = image.fork();
      let first: ReturnType<typeof open> | null = null;
      try {
        first = open(copy, MIB, n, "flip");
        if (first.plan.reads < n) break;
        first.plan.at = Infinity;
        await first.vault.commit();
        const { skippedRoots, unfinished } = first.vault.opened;
        await first.vault.abandon();
        const again = open(copy, MIB).vault;
        for (const name of what === "log" ? ["b", "c", "d"] : ["a"]) {
          if (!await again.files.exists(`/${name}`)) {
            lost.push(`read ${n}: /${name}; told: ${unfinished}, ${skippedRoots}`);
          }
        }
      } catch { /* refused: right as well */ }
    }
    assert.deepEqual(lost, []);
  });
}

Deno.test("failing reads: re-scattering that meets one failing read does not end the use of the vault", async () => {
  const content = await filled(async (vault) =>
    await vault.files.writeFile("/t", fill(2, 900_000))
  );
  const { vault, fail } = open(content, 16 * 1024);
  fail(20);
  await assert.rejects(rescatterVault(vault));
  fail(Infinity);
  await vault.files.writeFile("/after", "x");
  await vault.commit();
});

Deno.test("failing reads: free runs of a segment whose bitmap could not be read once are counted later", () => {
  let fails = true;
  const bitmap = () => {
    if (!fails) return new Uint16Array(256);
    fails = false;
    throw new Error("EIO");
  };
  const units = new FreeUnits({ cells: 4, segments: () => 2, freeCells: () => 4096, bitmap });
  assert.throws(() => units.count(1e9));
  assert.equal(units.count(1e9), 512);
});

Deno.test("failing reads: a block that could not be given up is not counted as given up", async () => {
  const content = await filled(async (vault) => {
    for (let i = 0; i < 60; i++) await vault.files.writeFile(`/${i}`, fill(i, 9000));
    for (let i = 0; i < 700; i++) await vault.files.writeFile(`/x${i}`, fill(i, 300));
    for (let s = 0; s < 30; s++) {
      await vault.snapshots.create("main", `s${s}`);
      for (let i = s % 7; i < 60; i += 7) await vault.files.writeFile(`/${i}`, fill(i + s, 9000));
    }
    await vault.snapshots.create("main", "last");
    await vault.snapshots.clone("main", "last", "c"); // its dead runs lie behind those of "main"
    await using c = await vault.volumes.open("c");
    for (let s = 0; s < 40; s++) {
      await vault.snapshots.create("c", `c${s}`);
      for (let i = s % 3; i < 60; i += 3) await c.files.writeFile(`/${i}`, fill(i + s, 5000));
    }
  });
  for (let n = 1; n < 30; n++) {
    const copy = content.fork();
    const { vault, fail, area } = open(copy, 8 * 1024);
    const f = ino(vault, "17");
    for (let t = 0; t < 4; t++) vault.opened.volume.store.trim();
    fail(n);
    let failed = false;
    try {
      put(vault, f, [0, 2, 5], { address: area, whole: true });
    } catch {
      failed = true;
    }
    fail(Infinity);
    if (!failed) return;
    await vault.commit().catch(() => {});
    await vault.abandon();
    assert.deepEqual(await problems(open(copy, 4 * MIB).vault), [], `read ${n}`);
  }
});
