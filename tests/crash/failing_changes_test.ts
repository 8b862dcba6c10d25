/**
 * Reads of the medium that fail once, at every point of a change, where the change has altered memory, a transaction's view or the
 * catalog before it reads on: what was acknowledged is there, nothing is a mixture, and nobody reads what never was.
 */
import assert from "node:assert/strict";
import { SparseBytes } from "../../backends/memory/sparse_bytes.ts";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { MIB } from "../../core/limits.ts";
import { checkVault } from "../../core/vault/check.ts";
import { TransactionManager } from "../../core/vault/transaction_manager.ts";
import type { Vault } from "../../core/vault/vault.ts";
import { ArenaKernel } from "../support/arena_kernel.ts";
import { FakeRuntime } from "../support/fake_runtime.ts";
import { FaultyMedium } from "../support/faulty_medium.ts";
import { createKeyedVault, openKeyedVault } from "../support/keyed_vault.ts";
import { fill } from "../support/member_world.ts";
import { emptyAttributes, named, ROOT } from "../support/open_memory_volume.ts";

const arena = new ArenaKernel(48 * MIB);
let seed = 1;

/** What a vault holds that `work` has filled. */
async function filled(work: (vault: Vault) => Promise<void>): Promise<SparseBytes> {
  arena.reset();
  const content = new SparseBytes();
  const medium = new MemoryStorage({ content });
  const vault = await createKeyedVault({ medium, kernel: arena }, { segments: 16 });
  await work(vault);
  await vault.close();
  return content;
}

function open(
  content: SparseBytes,
  cacheBytes = 16 * 1024,
): { medium: FaultyMedium; vault: Vault } {
  arena.reset();
  const medium = new FaultyMedium(new MemoryStorage({ content }));
  const runtime = new FakeRuntime(++seed);
  return { medium, vault: openKeyedVault({ medium, kernel: arena, runtime, cacheBytes }) };
}

async function problems(vault: Vault): Promise<string[]> {
  return (await checkVault(vault)).problems.map(({ what }) => what);
}

async function manyFiles(vault: Vault): Promise<void> {
  await vault.files.makeDirectory("/d");
  for (let i = 0; i < 400; i++) await vault.files.writeFile(`/d/${i}`, fill(i, 100 + i % 7 * 900));
  await vault.files.writeFile("/t", fill(9, 50_000));
  for (let i = 0; i < 1500; i++) await vault.files.writeFile(`/d/x${i}`, "");
}

Deno.test("failing reads: a rollback whose root is durable when a read fails takes no acknowledged write away", async () => {
  const content = await filled(async (vault) => {
    await manyFiles(vault);
    await vault.snapshots.create("main", "s");
    for (let i = 0; i < 400; i++) await vault.files.writeFile(`/d/${i}`, fill(i + 1, 3000));
  });
  const { medium, vault } = open(content);
  medium.fail("read", 1, "EIO");
  await assert.rejects(vault.snapshots.rollback("main", "s"), /input\/output error/);
  let acknowledged = false;
  try {
    await vault.files.writeFile("/after", "acknowledged");
    await vault.files.sync();
    await vault.commit();
    acknowledged = true;
  } catch { /* refusing it would be right as well */ }
  await vault.abandon();
  const again = open(content).vault;
  assert.deepEqual(await problems(again), []);
  if (acknowledged) assert.equal(await again.files.readText("/after"), "acknowledged");
});

Deno.test("failing reads: half of a change in a managed transaction is not committed", async () => {
  const content = await filled(manyFiles);
  for (let n = 1; n < 30; n++) {
    const copy = content.fork();
    const { medium, vault } = open(copy, 64 * 1024);
    const transaction = await new TransactionManager(vault).begin();
    medium.fail("read", n, "EIO");
    let failed = false;
    try {
      await transaction.files.writeFile("/t", fill(77, 60_000));
    } catch {
      failed = true;
    }
    medium.fail("read", Infinity, "EIO");
    await transaction.commit().catch(() => {});
    await vault.abandon();
    const again = open(copy, 4 * MIB).vault;
    assert.deepEqual(await problems(again), [], `read ${n}`);
    const now = await again.files.readFile("/t");
    assert.ok([50_000, 60_000].includes(now.length), `read ${n}: ${now.length}`);
    await again.abandon();
    if (!failed) return;
  }
});

Deno.test("failing reads: half of a record of a stream is not made durable", async () => {
  let difference = new Uint8Array(0);
  const content = await filled(async (vault) => {
    await manyFiles(vault);
    await vault.snapshots.create("main", "a");
    const bytes = vault.streams.send("main", "a");
    await vault.streams.receive("copy", bytes);
    for (let i = 0; i < 400; i += 3) await vault.files.writeFile(`/d/${i}`, fill(i + 5, 6000));
    for (let i = 1; i < 400; i += 3) await vault.files.truncate(`/d/${i}`, 50);
    await vault.files.truncate("/t", 9000);
    await vault.snapshots.create("main", "b");
    const stream = vault.streams.send("main", "b", { from: "a" });
    difference = new Uint8Array(await new Response(stream).arrayBuffer());
  });
  for (let n = 1; n < 200; n++) {
    const copy = content.fork();
    const { medium, vault } = open(copy, 12 * 1024);
    medium.fail("read", n, "EIO");
    let failed = false;
    try {
      await vault.streams.receive("copy", new Response(difference).body!);
    } catch {
      failed = true;
    }
    medium.fail("read", Infinity, "EIO");
    await vault.abandon();
    if (!failed) return;
    const again = open(copy, 4 * MIB).vault;
    const resume = await again.streams.resumeToken("copy") ?? undefined;
    await again.streams.receive("copy", again.streams.send("main", "b", { from: "a", resume }));
    for (const volume of ["main", "copy"]) {
      for (const { name } of await again.snapshots.list(volume)) {
        await again.snapshots.delete(volume, name);
      }
    }
    await again.volumes.free();
    assert.deepEqual(await problems(again), [], `read ${n}`);
    await again.abandon();
  }
});

Deno.test("failing reads: what was written is there after fsync, whatever failed in between", async () => {
  const content = await filled(manyFiles);
  for (let n = 1; n < 30; n++) {
    const copy = content.fork();
    const { medium, vault } = open(copy);
    const out = emptyAttributes();
    vault.fileSystem.lookup(1, named("t"), out);
    const { ino } = out;
    const area = arena.reserve(8192);
    arena.bytes.fill(0x5a, area, area + 4096);
    vault.fileSystem.write(ino, {
      offset: 40960,
      length: 4096,
      address: area,
      buffer: null,
      killSetId: false,
    });
    medium.fail("read", n, "EIO");
    let failed = false;
    try {
      vault.fileSystem.setattr(ROOT, ino, { size: 8192 }, out);
    } catch {
      failed = true;
    }
    medium.fail("read", Infinity, "EIO");
    let acknowledged = false;
    try {
      await vault.fileSystem.fsync(ino);
      acknowledged = true;
    } catch { /* right as well */ }
    await vault.abandon();
    if (!failed) return;
    const again = open(copy, 4 * MIB).vault;
    assert.deepEqual(await problems(again), [], `read ${n}`);
    const now = await again.files.readFile("/t");
    if (acknowledged) {
      assert.ok(
        now.length === 8192 || now[40960] === 0x5a,
        `read ${n}: ${now.length} ${now[40960]}`,
      );
    }
    await again.abandon();
  }
});

Deno.test("failing reads: a superblock's cell that cannot be read is not the end of a vault", async () => {
  const content = await filled(manyFiles);
  const failing: string[] = [];
  for (let cell = 0; cell < 2048; cell++) {
    const { vault, hit } = withBadCell(content.fork(), cell);
    if (vault === null) failing.push(`${cell}`);
    if (hit && vault !== null) await vault.abandon();
  }
  assert.deepEqual(failing, []);
});

function withBadCell(content: SparseBytes, cell: number): { vault: Vault | null; hit: boolean } {
  arena.reset();
  const inner = new FaultyMedium(new MemoryStorage({ content }));
  const { direct } = inner;
  let hit = false;
  const read = (offset: number, into: Uint8Array) => {
    if (offset < (cell + 1) * 4096 && offset + into.length > cell * 4096) {
      hit = true;
      inner.fail("read", 1, "EIO");
    }
    direct.read(offset, into);
  };
  const close = () => inner.close();
  const medium = Object.assign(Object.create(inner), { direct: { ...direct, read }, close });
  try {
    return {
      vault: openKeyedVault({ medium, kernel: arena, runtime: new FakeRuntime(++seed) }),
      hit,
    };
  } catch {
    return { vault: null, hit };
  }
}

Deno.test("failing reads: a difference that arrives in an open volume takes no acknowledged write away when a read fails", async () => {
  let difference = new Uint8Array(0);
  const content = await filled(async (vault) => {
    await manyFiles(vault);
    await vault.snapshots.create("main", "a");
    await vault.streams.receive("copy", vault.streams.send("main", "a"));
    for (let i = 0; i < 400; i += 3) await vault.files.writeFile(`/d/${i}`, fill(i + 5, 6000));
    await vault.snapshots.create("main", "b");
    const stream = vault.streams.send("main", "b", { from: "a" });
    difference = new Uint8Array(await new Response(stream).arrayBuffer());
  });
  for (let n = 1; n < 200; n++) {
    const copy = content.fork();
    const { medium, vault } = open(copy, 12 * 1024);
    const volume = await vault.volumes.open("copy");
    medium.fail("read", n, "EIO");
    let failed = false;
    try {
      await vault.streams.receive("copy", new Response(difference).body!);
    } catch {
      failed = true;
    }
    medium.fail("read", Infinity, "EIO");
    if (!failed) return;
    const isDone = (await vault.snapshots.list("copy").catch(() => [])).length === 2;
    let acknowledged = false;
    try {
      await volume.files.writeFile("/after", "acknowledged");
      await volume.files.sync();
      acknowledged = true;
    } catch { /* right as well */ }
    await vault.abandon();
    const again = open(copy, 4 * MIB).vault;
    const found = await problems(again);
    const seen = await again.volumes.open("copy");
    if (acknowledged) {
      assert.ok(await seen.files.exists("/after"), `read ${n}: lost; done ${isDone}; ${found}`);
    }
    await again.abandon();
  }
});

Deno.test("failing reads: a volume that was made has a root directory", async () => {
  const content = await filled(manyFiles);
  for (let n = 1; n < 20; n++) {
    const copy = content.fork();
    const { medium, vault } = open(copy);
    medium.fail("read", n, "EIO");
    let failed = false;
    try {
      await vault.volumes.create("fresh");
    } catch {
      failed = true;
    }
    medium.fail("read", Infinity, "EIO");
    await vault.abandon();
    const again = open(copy, 4 * MIB).vault;
    assert.deepEqual(await problems(again), [], `read ${n}`);
    await again.abandon();
    if (!failed) return;
  }
});

Deno.test("failing reads: a write is there after fsync although punching a hole around it failed", async () => {
  const content = await filled(manyFiles);
  for (let n = 1; n < 30; n++) {
    const copy = content.fork();
    const { medium, vault } = open(copy);
    const out = emptyAttributes();
    vault.fileSystem.lookup(1, named("t"), out);
    const { ino } = out;
    const area = arena.reserve(4096);
    arena.bytes.fill(0x5a, area, area + 4096);
    const write = { offset: 40960, length: 4096, address: area, buffer: null, killSetId: false };
    vault.fileSystem.write(ino, write);
    medium.fail("read", n, "EIO");
    let failed = false;
    try {
      vault.fileSystem.fallocate(ino, 32768, 16384, 3); // FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
    } catch {
      failed = true;
    }
    medium.fail("read", Infinity, "EIO");
    let acknowledged = false;
    try {
      await vault.fileSystem.fsync(ino);
      acknowledged = true;
    } catch { /* right as well */ }
    await vault.abandon();
    if (!failed) return;
    const again = open(copy, 4 * MIB).vault;
    const now = (await again.files.readFile("/t")).subarray(40960, 40960 + 4096);
    const found = await problems(again);
    if (acknowledged) {
      const isOneOf = now.every((byte) => byte === 0x5a) || now.every((byte) => byte === 0);
      assert.ok(isOneOf, `read ${n}: block 10 holds what it held before the write; ${found}`);
    }
    assert.deepEqual(found, [], `read ${n}`);
    await again.abandon();
  }
});

Deno.test("failing reads: a hole whose end cannot be read is not remembered as endless", async () => {
  const BLOCKS = 1200;
  const BLOCK = 4096;
  const content = await filled(async (vault) => {
    const out = emptyAttributes();
    vault.fileSystem.mknod(ROOT, { parent: 1, name: named("s") }, { mode: 0o100644, rdev: 0 }, out);
    const address = arena.reserve(BLOCK);
    arena.bytes.fill(0x5a, address, address + BLOCK);
    for (let block = 1; block < BLOCKS; block += 2) {
      const at = { offset: block * BLOCK, length: BLOCK };
      vault.fileSystem.write(out.ino, { ...at, address, buffer: null, killSetId: false });
    }
    await manyFiles(vault);
  });
  const { medium, vault } = open(content);
  const wrong: string[] = [];
  const out = emptyAttributes();
  vault.fileSystem.lookup(1, named("s"), out);
  vault.fileSystem.open(out.ino, 2); // O_RDWR
  const address = arena.reserve(64);
  for (let hole = 0; hole + 1 < BLOCKS; hole += 2) {
    medium.fail("read", 1, "EIO");
    let failed = false;
    await vault.files.readFile("/s", { offset: hole * BLOCK, length: BLOCK }).catch(() =>
      failed = true
    );
    medium.fail("read", Infinity, "EIO");
    if (!failed) continue;
    const [first] = await vault.files.readFile("/s", { offset: (hole + 1) * BLOCK, length: BLOCK });
    if (first === 0x5a) continue;
    // One byte in its middle is changed, and acknowledged.
    const at = { offset: (hole + 1) * BLOCK + 2000, length: 1 };
    vault.fileSystem.write(out.ino, { ...at, address, buffer: null, killSetId: false });
    await vault.fileSystem.fsync(out.ino);
    wrong.push(`block ${hole + 1} reads as ${first}`);
  }
  await vault.abandon();
  const again = open(content, 4 * MIB).vault;
  for (const line of [...wrong]) {
    const block = Number(line.split(" ")[1]);
    const [first] = await again.files.readFile("/s", { offset: block * BLOCK, length: BLOCK });
    wrong.push(`block ${block} is durable as ${first}`);
  }
  wrong.push(...await problems(again));
  assert.deepEqual(wrong, []);
});
