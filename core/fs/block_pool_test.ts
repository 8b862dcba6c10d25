import assert from "node:assert/strict";
import { createKernel } from "../../wasm/kernel.ts";
import { type BlockBuffer, BlockPool } from "./block_pool.ts";

const BLOCK_BYTES = 4096;
const BUFFERS = 16;

function pool(): BlockPool {
  const kernel = createKernel({ memoryBytes: 1024 * 1024 });
  return new BlockPool(kernel, BLOCK_BYTES, BUFFERS * BLOCK_BYTES);
}

function take(from: BlockPool): BlockBuffer {
  const buffer = from.take();
  assert.ok(buffer !== null);
  return buffer;
}

Deno.test("block pool: buffers come in order of address", () => {
  const blocks = pool();
  const first = take(blocks);
  first.state = "dirty";
  assert.equal(take(blocks).address, first.address + BLOCK_BYTES);
});

Deno.test("block pool: what a request has found stays until the next request", () => {
  const blocks = pool();
  for (let id = 1; id <= BUFFERS; id++) blocks.cache(take(blocks), id);
  blocks.unpin();
  const found = blocks.find(1);
  assert.ok(found !== undefined);
  for (let id = 100; id < 100 + BUFFERS - 1; id++) blocks.cache(take(blocks), id);
  assert.equal(blocks.take(), null);
  assert.equal(blocks.find(1), found);
  blocks.unpin();
  assert.ok(blocks.take() !== null);
});

Deno.test("block pool: dirty and flying buffers are not taken", () => {
  const blocks = pool();
  for (let i = 0; i < BUFFERS; i++) take(blocks).state = i % 2 === 0 ? "dirty" : "flying";
  assert.equal(blocks.take(), null);
});

Deno.test("block pool: a forgotten block is not found, whether few or many are", () => {
  const blocks = pool();
  for (let id = 1; id <= 4; id++) blocks.cache(take(blocks), id);
  blocks.forget(2, 1);
  assert.equal(blocks.find(2), undefined);
  blocks.forget(1, 1_000_000_000);
  assert.equal(blocks.find(1), undefined);
  assert.equal(blocks.find(4), undefined);
});
