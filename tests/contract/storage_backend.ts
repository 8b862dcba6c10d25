import assert from "node:assert/strict";
import type { DirectAccess, StorageBackend } from "../../core/storage/storage_backend.ts";
import type { MediumUnderTest } from "./media_under_test.ts";

/** A property that every medium must have. Gets a fresh, empty or zeroed, writable medium. */
export type StorageProperty = (medium: StorageBackend, under: MediumUnderTest) => Promise<void>;

const KIB = 1024;

/** Bytes that tell their position, so that a misplaced read is seen. */
function pattern(seed: number, size: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(size);
  for (let i = 0; i < size; i++) bytes[i] = (seed * 31 + i * 7 + (i >> 8) * 13) & 255;
  return bytes;
}

function shared(bytes: Uint8Array): Uint8Array<SharedArrayBuffer> {
  // Away from the start, so that a view's own offset counts.
  const view = new Uint8Array(new SharedArrayBuffer(bytes.length + 100), 50, bytes.length);
  view.set(bytes);
  return view;
}

/** Direct access, which every medium of this contract has: none of them waits for a network. */
function directOf(medium: StorageBackend): DirectAccess {
  assert.ok(medium.direct, "the medium has direct access");
  return medium.direct;
}

/** Properties of media of any kind and size. */
export const storageContract: Record<string, StorageProperty> = {
  async "reads exactly what was written, anywhere"(medium) {
    for (const [offset, size] of [[0, 1], [4095, 2], [70000, 4096], [123457, 200000], [9, 0]]) {
      const data = pattern(offset, size);
      await medium.write(offset, data);
      assert.deepEqual(await medium.read(offset, size), data);
    }
    await medium.write(123460, pattern(5, 10));
    const joined = pattern(123457, 200000);
    joined.set(pattern(5, 10), 3);
    assert.deepEqual(await medium.read(123457, 200000), joined);
  },

  async "direct access and promises see the same bytes"(medium) {
    const direct = directOf(medium);
    const data = pattern(1, 10000);
    direct.write(777, data);
    assert.deepEqual(await medium.read(777, data.length), data);
    await medium.write(777, pattern(2, 5000));
    const into = new Uint8Array(5000);
    direct.read(777, into);
    assert.deepEqual(into, pattern(2, 5000));
    assert.equal(direct.size(), await medium.size());
    direct.sync();
  },

  async "direct access takes views of shared memory"(medium) {
    const direct = directOf(medium);
    const data = pattern(3, 8 * KIB);
    direct.write(4096, shared(data));
    assert.deepEqual(await medium.read(4096, data.length), data);
    const into = shared(new Uint8Array(data.length));
    direct.read(4096, into);
    assert.deepEqual(Uint8Array.from(into), data);
    await medium.write(0, shared(data));
    assert.deepEqual(await medium.read(0, data.length), data);
  },

  async "writes of disjoint ranges may overlap in time"(medium) {
    const size = 3000;
    const parts = Array.from({ length: 64 }, (_, i) => pattern(i, size));
    await Promise.all(parts.map((part, i) => medium.write(((i * 37) % 64) * size, part)));
    const read = await Promise.all(parts.map((_, i) => medium.read(((i * 37) % 64) * size, size)));
    assert.deepEqual(read, parts);
  },

  async "refuses to read beyond the end"(medium) {
    await medium.write(0, pattern(1, 100));
    const end = await medium.size();
    for (const [offset, size] of [[end, 1], [end - 1, 2], [end + 5000, 1]]) {
      await assert.rejects(medium.read(offset, size), { name: "VaultError", kind: "invalid" });
      const into = new Uint8Array(size);
      assert.throws(() => directOf(medium).read(offset, into), { kind: "invalid" });
    }
    assert.equal((await medium.read(end, 0)).length, 0);
  },

  async "refuses offsets and sizes that are not positive integers"(medium) {
    for (const bad of [-1, 0.5, NaN, Infinity, 2 ** 53]) {
      await assert.rejects(medium.read(bad, 1), { kind: "invalid" });
      await assert.rejects(medium.read(0, bad), { kind: "invalid" });
      await assert.rejects(medium.write(bad, new Uint8Array(1)), { kind: "invalid" });
      await assert.rejects(medium.discard(bad, 1), { kind: "invalid" });
      await assert.rejects(medium.truncate(bad), { kind: "invalid" });
    }
  },

  async "sync resolves, also in parallel with writes and other syncs"(medium) {
    const work: Promise<void>[] = [];
    for (let i = 0; i < 8; i++) work.push(medium.write(i * 512, pattern(i, 512)), medium.sync());
    await Promise.all(work);
    assert.deepEqual(await medium.read(3 * 512, 512), pattern(3, 512));
  },

  async "discard leaves the size and the neighbours alone, and the range can be written again"(
    medium,
  ) {
    await medium.write(0, pattern(1, 300 * KIB));
    const end = await medium.size();
    await medium.discard(64 * KIB, 128 * KIB);
    assert.equal(await medium.size(), end);
    assert.deepEqual(await medium.read(0, 64 * KIB), pattern(1, 300 * KIB).subarray(0, 64 * KIB));
    const after = await medium.read(192 * KIB, 108 * KIB);
    assert.deepEqual(after, pattern(1, 300 * KIB).slice(192 * KIB));
    await medium.write(64 * KIB, pattern(9, 128 * KIB));
    assert.deepEqual(await medium.read(64 * KIB, 128 * KIB), pattern(9, 128 * KIB));
    await medium.discard(end - 10, 1000000);
    assert.equal(await medium.size(), end);
  },

  async "after close every call is refused, and a second close is not"(medium) {
    await medium.write(0, pattern(1, 10));
    await medium.close();
    await medium.close();
    await assert.rejects(medium.read(0, 1), { kind: "invalid", errno: "EBADF" });
    await assert.rejects(medium.write(0, new Uint8Array(1)), { errno: "EBADF" });
    await assert.rejects(medium.sync(), { errno: "EBADF" });
    await assert.rejects(medium.size(), { errno: "EBADF" });
    assert.throws(() => directOf(medium).sync(), { errno: "EBADF" });
  },

  async "close waits for a running sync"(medium) {
    await medium.write(0, pattern(1, 100 * KIB));
    const syncing = medium.sync();
    await medium.close();
    await syncing;
  },

  async "what was written is there when opened again"(medium, under) {
    await medium.write(1000, pattern(4, 100000));
    await medium.sync();
    await medium.close();
    const again = await under.openAgain({ readOnly: false });
    try {
      assert.deepEqual(await again.read(1000, 100000), pattern(4, 100000));
    } finally {
      await again.close();
    }
  },

  async "opened for reading only, it reads and refuses every change"(medium, under) {
    await medium.write(0, pattern(4, 5000));
    await medium.close();
    const reader = await under.openAgain({ readOnly: true });
    try {
      assert.equal(reader.capabilities.writable, false);
      assert.deepEqual(await reader.read(0, 5000), pattern(4, 5000));
      const refused = { name: "VaultError", kind: "denied", errno: "EROFS" };
      await assert.rejects(reader.write(0, new Uint8Array(1)), refused);
      await assert.rejects(reader.truncate(0), refused);
      await assert.rejects(reader.discard(0, 1), refused);
      assert.throws(() => directOf(reader).write(0, new Uint8Array(1)), refused);
      await reader.sync();
      assert.deepEqual(await reader.read(0, 5000), pattern(4, 5000));
    } finally {
      await reader.close();
    }
  },
};

/** Properties of media that can grow and shrink. */
export const resizeContract: Record<string, StorageProperty> = {
  async "starts empty and grows by writing"(medium) {
    assert.equal(await medium.size(), 0);
    await medium.write(10000, pattern(1, 5));
    assert.equal(await medium.size(), 10005);
    assert.deepEqual(await medium.read(0, 10000), new Uint8Array(10000));
  },

  async "truncate grows and shrinks, and what comes back is zeros"(medium) {
    await medium.write(0, pattern(1, 200000).fill(255));
    await medium.truncate(70001);
    assert.equal(await medium.size(), 70001);
    await assert.rejects(medium.read(70001, 1), { kind: "invalid" });
    await medium.truncate(300000);
    assert.equal(await medium.size(), 300000);
    assert.deepEqual(await medium.read(70001, 229999), new Uint8Array(229999));
    assert.deepEqual(await medium.read(0, 70001), new Uint8Array(70001).fill(255));
    await medium.truncate(0);
    assert.equal(await medium.size(), 0);
  },

  async "takes offsets beyond 4 GiB"(medium) {
    const far = 90 * 1024 * KIB * KIB + 12345;
    await medium.write(far, pattern(6, 5000));
    assert.equal(await medium.size(), far + 5000);
    assert.deepEqual(await medium.read(far, 5000), pattern(6, 5000));
    assert.deepEqual(await medium.read(5 * 1024 * KIB * KIB, 10), new Uint8Array(10));
  },
};

/** Properties of media that hold holes; `under.allocatedBytes` tells what they take. */
export const sparseContract: Record<string, StorageProperty> = {
  async "holes take no space"(medium, under) {
    await medium.write(1024 * KIB * KIB, pattern(1, 4096));
    await medium.sync();
    assert.ok(await under.allocatedBytes() <= 256 * KIB, "one page is allocated, not a GiB");
  },

  async "discard gives space back where the capability says so"(medium, under) {
    if (!medium.capabilities.discard) return;
    await medium.write(0, pattern(1, 4 * KIB * KIB));
    await medium.sync();
    const before = await under.allocatedBytes();
    assert.ok(before >= 4 * KIB * KIB);
    await medium.discard(1024 * KIB, 2 * KIB * KIB);
    assert.ok(before - await under.allocatedBytes() >= 1920 * KIB, "2 MiB came back");
  },
};

/** Properties of media that other processes can open. */
export const lockContract: Record<string, StorageProperty> = {
  async "a second opener is refused while a writer has it"(medium, under) {
    for (const readOnly of [false, true]) {
      await assert.rejects(under.openAgain({ readOnly }), {
        name: "VaultError",
        kind: "conflict",
        message: `Cannot open "${medium.name}": in use by another process; ` +
          "if it is mounted, unmount it or name its mount point",
      });
    }
    await medium.write(0, pattern(1, 10));
    assert.deepEqual(await medium.read(0, 10), pattern(1, 10));
    await medium.close();
    await (await under.openAgain({ readOnly: false })).close();
  },

  async "readers share it and keep writers out"(medium, under) {
    await medium.close();
    const first = await under.openAgain({ readOnly: true });
    const second = await under.openAgain({ readOnly: true });
    await assert.rejects(under.openAgain({ readOnly: false }), { kind: "conflict" });
    await first.close();
    await second.close();
    await (await under.openAgain({ readOnly: false })).close();
  },
};
