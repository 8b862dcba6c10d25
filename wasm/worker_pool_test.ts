import assert from "node:assert/strict";
import { AssertionError } from "../core/assert.ts";
import { DESCRIPTOR_BYTES } from "../core/crypto/kernel.ts";
import { VaultError } from "../core/errors.ts";
import {
  copyOf,
  patternBytes,
  statusAt,
  tagAt,
  writeDescriptor,
} from "../tests/support/kernel_memory.ts";
import type { CryptoLane } from "./job_runner.ts";
import { JOBS } from "./job_ring.ts";
import { createKernel, type WasmKernel } from "./kernel.ts";
import { type SpawnedWorker, spawnWorker } from "./spawn_worker.ts";
import type { WorkerOrder } from "./worker.ts";
import { startWorkerPool, type WorkerPool } from "./worker_pool.ts";

const BLOCK_BYTES = 16384;
const linux = Deno.build.os === "linux";

/** Blocks with descriptors in kernel memory, and a pool over a file. */
interface Bench {
  readonly kernel: WasmKernel;
  readonly pool: WorkerPool;
  readonly file: Deno.FsFile;
  readonly path: string;
  readonly key: number;
  readonly descriptors: number;
  readonly data: number;
}

/** The descriptor of an open file: /proc shows which one leads to `path`. */
function descriptorOf(path: string): number {
  for (const { name } of Deno.readDirSync("/proc/self/fd")) {
    try {
      if (Deno.readLinkSync(`/proc/self/fd/${name}`) === path) return Number(name);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error; // the listing's own descriptor
    }
  }
  throw new Error(`no descriptor of ${path}`);
}

async function withPool(
  shape: { workers: number; lane: CryptoLane; blocks: number; readOnly?: boolean },
  use: (bench: Bench) => void | Promise<void>,
): Promise<void> {
  const path = await Deno.makeTempFile();
  try {
    using file = await Deno.open(path, { read: true, write: shape.readOnly !== true });
    const kernel = createKernel({ memoryBytes: (shape.blocks + 64) * BLOCK_BYTES + (4 << 20) });
    const key = kernel.reserve(32);
    kernel.bytes.set(patternBytes(32, 99), key);
    const descriptors = kernel.reserve(shape.blocks * DESCRIPTOR_BYTES);
    const data = kernel.reserve(shape.blocks * BLOCK_BYTES);
    const { workers, lane } = shape, descriptor = descriptorOf(path);
    await using pool = await startWorkerPool({ kernel, workers, lane, descriptor });
    await use({ kernel, pool, file, path, key, descriptors, data });
  } finally {
    await Deno.remove(path);
  }
}

/** Fills block `i` with its pattern and describes it; returns the extent of it. */
function prepare({ kernel, key, descriptors, data }: Bench, i: number) {
  const address = data + i * BLOCK_BYTES, length = BLOCK_BYTES;
  kernel.bytes.set(patternBytes(length, i + 1), address);
  const seal = {
    at: address,
    length,
    key,
    nonce: patternBytes(24, i + 500),
    aad: patternBytes(48),
  };
  writeDescriptor(kernel, descriptors + i * DESCRIPTOR_BYTES, seal);
  return { address, length, offset: i * BLOCK_BYTES };
}

const shapes = [
  { workers: 0, lane: "wasm" },
  { workers: 1, lane: "wasm" },
  { workers: 3, lane: "wasm" },
  { workers: 0, lane: "native" },
  { workers: 2, lane: "native" },
] as const;

for (const { workers, lane } of shapes) {
  const name = `pool of ${workers} workers, ${lane} lane`;

  Deno.test({
    name: `${name}: more jobs than the ring holds are sealed, written, read and opened`,
    ignore: !linux,
    async fn() {
      const blocks = JOBS + 50;
      await withPool({ workers, lane, blocks }, async (bench) => {
        const { kernel, pool, path, descriptors, data } = bench;
        let last = 0;
        for (let i = 0; i < blocks; i++) {
          const extents = [prepare(bench, i)], at = descriptors + i * DESCRIPTOR_BYTES;
          last = pool.submit({ kind: "seal-and-write", descriptors: at, count: 1, extents });
        }
        pool.settle();
        assert.ok(pool.settled(last) && pool.settled(1));
        assert.equal(pool.result(last), 0);
        assert.equal(pool.helpOne(), false, "nothing is left");
        const sealed = copyOf(kernel, data, blocks * BLOCK_BYTES);
        assert.equal(Buffer.compare(await Deno.readFile(path), sealed), 0);
        kernel.bytes.fill(0, data, data + blocks * BLOCK_BYTES);
        for (let i = 0; i < blocks; i += 8) {
          const count = Math.min(8, blocks - i), at = descriptors + i * DESCRIPTOR_BYTES;
          const extents = [{
            address: data + i * BLOCK_BYTES,
            length: count * BLOCK_BYTES,
            offset: i * BLOCK_BYTES,
          }];
          assert.equal(pool.read({ kind: "read-and-open", descriptors: at, count, extents }), 0);
        }
        for (let i = 0; i < blocks; i++) {
          const block = copyOf(kernel, data + i * BLOCK_BYTES, BLOCK_BYTES);
          assert.equal(Buffer.compare(block, patternBytes(BLOCK_BYTES, i + 1)), 0, `block ${i}`);
        }
      });
    },
  });

  Deno.test({
    name: `${name}: bad tags are counted and their blocks zeroed; the rest opens`,
    ignore: !linux,
    async fn() {
      await withPool({ workers, lane, blocks: 16 }, ({ ...bench }) => {
        const { kernel, pool, descriptors, data } = bench;
        for (let i = 0; i < 16; i++) prepare(bench, i);
        const job = { descriptors, count: 16, extents: [] };
        pool.settle(pool.submit({ kind: "seal", ...job }));
        for (const i of [0, 7, 15]) kernel.bytes[data + i * BLOCK_BYTES + 5] ^= 1;
        const ticket = pool.submit({ kind: "open", ...job });
        pool.settle(ticket);
        assert.equal(pool.result(ticket), 3);
        for (let i = 0; i < 16; i++) {
          const bad = [0, 7, 15].includes(i);
          assert.equal(statusAt(kernel, descriptors + i * DESCRIPTOR_BYTES), bad ? 1 : 0);
          const block = copyOf(kernel, data + i * BLOCK_BYTES, BLOCK_BYTES);
          const expected = bad ? new Uint8Array(BLOCK_BYTES) : patternBytes(BLOCK_BYTES, i + 1);
          assert.equal(Buffer.compare(block, expected), 0);
        }
        for (let i = 0; i < 16; i++) prepare(bench, i);
        kernel.sealMany(descriptors, 16);
        kernel.bytes[data + 9 * BLOCK_BYTES] ^= 1;
        assert.equal(pool.read({ kind: "read-and-open", ...job }), 1, "in a shared read too");
      });
    },
  });

  Deno.test({
    name: `${name}: the outcome of a read can be asked for when its slot has long been taken again`,
    ignore: !linux,
    async fn() {
      await withPool({ workers, lane, blocks: 3 }, (bench) => {
        const { kernel, pool, descriptors, data } = bench;
        const extents = [prepare(bench, 0)], second = descriptors + DESCRIPTOR_BYTES;
        prepare(bench, 1);
        pool.settle(pool.submit({ kind: "seal-and-write", descriptors, count: 2, extents }));
        kernel.bytes[data + BLOCK_BYTES] ^= 1;
        const read = { kind: "read-and-open", count: 1 } as const;
        const good = pool.submit({ ...read, descriptors, extents });
        const bad = pool.submit({ ...read, descriptors: second, extents: [] });
        prepare(bench, 2);
        const third = second + DESCRIPTOR_BYTES;
        const other = { kind: "seal", descriptors: third, count: 1, extents: [] } as const;
        for (let i = 0; i < 2 * JOBS; i++) pool.settle(pool.submit(other));
        assert.ok(pool.settled(good) && pool.settled(bad));
        assert.deepEqual([pool.outcome(good), pool.outcome(bad)], [0, 1]);
        assert.throws(() => pool.outcome(good), AssertionError, "once");
      });
    },
  });

  Deno.test({
    name: `${name}: failures of the medium and of ours come out when settling, once`,
    ignore: !linux,
    async fn() {
      await withPool({ workers, lane, blocks: 4, readOnly: true }, (bench) => {
        const { kernel, pool, descriptors } = bench;
        const extents = [prepare(bench, 0)];
        const ticket = pool.submit({ kind: "seal-and-write", descriptors, count: 1, extents });
        const refused = (error: unknown) => error instanceof VaultError && error.errno === "EBADF";
        assert.throws(() => pool.settle(ticket), refused);
        assert.ok(pool.result(ticket) < 0);
        pool.settle();
        const beyond = (error: unknown) => error instanceof VaultError && error.errno === "EIO";
        const read = { kind: "read-and-open", descriptors, count: 1, extents } as const;
        assert.throws(() => pool.read(read), beyond);
        const nowhere = kernel.bytes.length - 64;
        const wrong = { kind: "seal", descriptors: nowhere, count: 1, extents: [] } as const;
        const broken = pool.submit(wrong);
        assert.throws(() => pool.settle(broken), AssertionError);
        pool.settle();
      });
    },
  });
}

Deno.test({
  name: "native lane: the same ciphertexts, tags and verdicts as the kernel, any length",
  ignore: !linux,
  async fn() {
    await withPool({ workers: 0, lane: "native", blocks: 2 }, (bench) => {
      const { kernel, pool, key, descriptors, data } = bench;
      for (const length of [0, 1, 15, 16, 17, 64, 255, 256, 300, 4096, 16000]) {
        const plaintext = patternBytes(length, length + 1), to = data + BLOCK_BYTES;
        const nonce = patternBytes(24, length + 2), aad = patternBytes(length % 65, 3);
        kernel.bytes.set(plaintext, data);
        writeDescriptor(kernel, descriptors, { at: data, to, length, key, nonce, aad });
        kernel.sealMany(descriptors, 1);
        const expected = [copyOf(kernel, to, length), tagAt(kernel, descriptors)];
        writeDescriptor(kernel, descriptors, { at: data, length, key, nonce, aad });
        pool.settle(pool.submit({ kind: "seal", descriptors, count: 1, extents: [] }));
        assert.deepEqual([copyOf(kernel, data, length), tagAt(kernel, descriptors)], expected);
        const open = { kind: "open", descriptors, count: 1, extents: [] } as const;
        assert.equal(pool.read(open), 0, `length ${length}`);
        assert.deepEqual(copyOf(kernel, data, length), plaintext);
        kernel.bytes[descriptors + 48] ^= 4;
        assert.equal(pool.read(open), 1);
        assert.deepEqual(copyOf(kernel, data, length), new Uint8Array(length));
      }
    });
  },
});

Deno.test("pool: workers that never had a job end when the pool does", async () => {
  const kernel = createKernel({ memoryBytes: 1 << 20 });
  await using pool = await startWorkerPool({ kernel, workers: 4, lane: "wasm" });
  assert.equal(pool.workers, 4);
  pool.settle();
});

Deno.test("pool: the job of a worker that breaks off fails, and the pool goes on without it", async () => {
  const kernel = createKernel({ memoryBytes: 1 << 20 });
  const url = new URL("../tests/support/failing_worker.ts?after=1&how=throw", import.meta.url);
  const spawned: SpawnedWorker[] = [];
  const spawn = (order: WorkerOrder) => {
    spawned.push(spawnWorker(order, url));
    return spawned[0];
  };
  await using pool = await startWorkerPool({ kernel, workers: 1, lane: "wasm", spawn });
  const key = kernel.reserve(32);
  const descriptors = kernel.reserve(DESCRIPTOR_BYTES);
  const address = kernel.reserve(4096);
  const seal = {
    at: address,
    length: 4096,
    key,
    nonce: new Uint8Array(24),
    aad: new Uint8Array(48),
  };
  writeDescriptor(kernel, descriptors, seal);
  const job = { kind: "seal", descriptors, count: 1, extents: [] } as const;
  const lost = pool.submit(job);
  const failure = await spawned[0].ended;
  assert.match(failure?.message ?? "", /tests end this worker/);
  assert.throws(
    () => pool.settle(lost),
    (error) => error instanceof VaultError && error.errno === "EIO",
  );
  pool.settle(pool.submit(job));
});
