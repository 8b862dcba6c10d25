import assert from "node:assert/strict";
import { FaultyMedium } from "../../tests/support/faulty_medium.ts";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { createKernel } from "../../wasm/kernel.ts";
import { MIB } from "../limits.ts";
import type { StorageBackend } from "../storage/storage_backend.ts";
import { systemRuntime } from "../runtime.ts";
import { vaultKeys } from "../crypto/vault_keys.ts";
import { createVolume, openVolume, type VolumeOptions } from "./open_volume.ts";

const text = new TextEncoder();

function keys() {
  return vaultKeys({
    vaultId: new Uint8Array(16).fill(7),
    layoutKey: new Uint8Array(32).fill(8),
    epochs: [{ epoch: 1, masterKey: new Uint8Array(32).fill(9) }],
    featureBits: 0,
  });
}

function options(medium: StorageBackend): VolumeOptions {
  const kernel = createKernel({ memoryBytes: 16 * MIB });
  return { medium, kernel, runtime: systemRuntime, keys: keys() };
}

async function fresh(): Promise<MemoryStorage> {
  const medium = new MemoryStorage({});
  await medium.truncate(8 * 4 * MIB);
  return medium;
}

const SHAPE = { members: [{ number: 0, segments: 8, segmentsMax: 16 }], blockBytes: 16384 };

Deno.test("what was committed is there after opening", async () => {
  const medium = await fresh();
  const { volume } = createVolume(options(medium), SHAPE);
  const address = volume.kernel.reserve(65536);
  for (let i = 0; i < 3000; i++) {
    volume.tree.put(text.encode(`key ${i * 7919 % 3000}`), text.encode(`value ${i}`));
  }
  volume.kernel.bytes.fill(42, address, address + 40000);
  const id = volume.blocks.allocateIds(3);
  volume.blocks.put({ firstId: id, count: 3, address, lastLength: 40000 - 32768 });
  volume.endGroup();
  await volume.commit();

  const again = openVolume(options(medium), "write");
  assert.equal(again.replayed, 0);
  assert.equal(again.volume.tree.get(text.encode("key 0"))?.length, 7);
  const to = again.volume.kernel.reserve(65536);
  again.volume.kernel.bytes.fill(1, to, to + 65536);
  again.volume.blocks.get(id, 3, to);
  const { bytes } = again.volume.kernel;
  assert(bytes.subarray(to, to + 40000).every((byte) => byte === 42));
  assert(bytes.subarray(to + 40000, to + 49152).every((byte) => byte === 0));
});

Deno.test("what was synced is there after opening, what was not is gone", async () => {
  const medium = await fresh();
  const { volume } = createVolume(options(medium), SHAPE);
  const address = volume.kernel.reserve(16384);
  for (let round = 0; round < 50; round++) {
    for (let i = 0; i < 40; i++) {
      volume.tree.put(text.encode(`key ${round} ${i}`), new Uint8Array(900));
    }
    const id = volume.blocks.allocateIds(1);
    volume.kernel.bytes.fill(round, address, address + 16384);
    volume.blocks.put({ firstId: id, count: 1, address, lastLength: 16384 });
    volume.tree.put(text.encode(`id ${round}`), text.encode(String(id)));
    volume.endGroup();
    volume.sync();
  }
  volume.tree.put(text.encode("late"), new Uint8Array(1));
  volume.endGroup();

  const again = openVolume(options(medium), "write");
  assert.equal(again.replayed, 50);
  assert.equal(again.volume.tree.get(text.encode("late")), null);
  const to = again.volume.kernel.reserve(16384);
  for (let round = 0; round < 50; round++) {
    assert.equal(again.volume.tree.get(text.encode(`key ${round} 39`))?.length, 900);
    const id = Number(new TextDecoder().decode(again.volume.tree.get(text.encode(`id ${round}`))!));
    again.volume.blocks.get(id, 1, to);
    assert(again.volume.kernel.bytes.subarray(to, to + 16384).every((byte) => byte === round));
  }
});

Deno.test("space comes back: overwriting for ever does not fill the vault", async () => {
  const medium = await fresh();
  const { volume } = createVolume(options(medium), SHAPE);
  const address = volume.kernel.reserve(65536);
  let last = 0;
  const free: number[] = [];
  for (let round = 0; round < 200; round++) {
    volume.admit(16 * 4 * 4, "write");
    for (let i = 0; i < 16; i++) {
      if (last !== 0) volume.blocks.drop(last, 4);
      last = volume.blocks.allocateIds(4);
      volume.blocks.put({ firstId: last, count: 4, address, lastLength: 16384 });
    }
    volume.tree.put(text.encode("last"), text.encode(String(last)));
    volume.endGroup();
    await volume.commit();
    free.push(volume.space().freeCells);
  }
  assert.equal(Math.min(...free.slice(5)) > free[3] - 2000, true, free.join());
  assert.equal(volume.store.space.segments <= 16, true);
});

Deno.test("a rolled back transaction leaves everything as it was", async () => {
  const medium = await fresh();
  const { volume } = createVolume(options(medium), SHAPE);
  volume.tree.put(text.encode("a"), text.encode("1"));
  volume.tree.put(text.encode("b"), text.encode("2"));
  volume.endGroup();
  volume.beginTransaction();
  volume.tree.put(text.encode("a"), text.encode("changed"));
  volume.tree.delete(text.encode("b"));
  volume.tree.put(text.encode("c"), text.encode("3"));
  volume.rollbackTransaction();
  const get = (key: string) => {
    const value = volume.tree.get(text.encode(key));
    return value === null ? null : new TextDecoder().decode(value);
  };
  assert.deepEqual([get("a"), get("b"), get("c")], ["1", "2", null]);
});

Deno.test("what was synced into segments that the medium grew by is there after opening", async () => {
  const medium = new MemoryStorage({});
  await medium.truncate(3 * 4 * MIB);
  const { volume } = createVolume(options(medium), {
    ...SHAPE,
    members: [{ number: 0, segments: 3, segmentsMax: 16 }],
  });
  const address = volume.kernel.reserve(16384);
  const ids: number[] = [];
  while (volume.store.space.segments === 3) {
    const id = volume.blocks.allocateIds(1);
    volume.kernel.bytes.fill(id % 251, address, address + 16384);
    volume.blocks.put({ firstId: id, count: 1, address, lastLength: 16384 });
    volume.tree.put(text.encode(`id ${id}`), text.encode(String(id)));
    volume.endGroup();
    volume.sync();
    ids.push(id);
  }

  const again = openVolume(options(medium), "write");
  assert.equal(again.replayed, ids.length);
  const to = again.volume.kernel.reserve(16384);
  for (const id of ids) {
    again.volume.blocks.get(id, 1, to);
    assert.equal(again.volume.kernel.bytes[to + 16383], id % 251);
  }
});

Deno.test("a sparse vault refuses data before the storage below is full, and takes it when room comes back", async () => {
  const inner = await fresh();
  let freeBytes = 40 * MIB;
  const room = () => ({ freeBytes, totalBytes: 1024 * MIB });
  const direct = { ...inner.direct, room };
  const medium = new Proxy(inner, {
    get: (target, name) => {
      if (name === "direct") return direct;
      const value = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  const { volume } = createVolume(options(medium), SHAPE);
  volume.admit(256, "write");
  freeBytes = 33 * MIB;
  for (let i = 0; i < 300; i++) volume.space();
  assert.throws(() => volume.admit(2048, "write"), { name: "VaultError", errno: "ENOSPC" });
  volume.admit(2, "delete");
  freeBytes = 400 * MIB;
  volume.admit(2048, "write");
});

Deno.test("sync ends the open group; inside a transaction it makes nothing durable", async () => {
  const medium = await fresh();
  const { volume } = createVolume(options(medium), SHAPE);
  const durable = () => {
    const again = openVolume(
      options(new MemoryStorage({ content: medium.content.fork() })),
      "read",
    );
    return ["a", "b", "c"].filter((key) => again.volume.tree.get(text.encode(key)) !== null).join();
  };
  volume.tree.put(text.encode("a"), text.encode("1"));
  assert.equal(durable(), "");
  volume.sync();
  assert.equal(durable(), "a");
  volume.beginTransaction();
  volume.tree.put(text.encode("b"), text.encode("2"));
  volume.sync();
  volume.tree.put(text.encode("c"), text.encode("3"));
  assert.equal(durable(), "a");
  volume.keepTransaction();
  volume.sync();
  assert.equal(durable(), "a,b,c");
});

Deno.test("a sync that failed does not succeed the second time", async () => {
  const medium = new FaultyMedium(await fresh());
  const { volume } = createVolume(options(medium), SHAPE);
  volume.tree.put(text.encode("a"), text.encode("1"));
  medium.fail("sync", 1, "EIO");
  assert.throws(() => volume.sync(), { errno: "EIO" });
  assert.throws(() => volume.sync(), { kind: "unavailable", errno: "EIO" });
});
