import assert from "node:assert/strict";
import { OpenHandles } from "./libfuse3/open_handles.ts";
import type { ForgetOrder } from "./mount_messages.ts";
import { PostedKernelCache } from "./posted_kernel_cache.ts";

const O_RDWR = 2;

function opened() {
  const handles = new OpenHandles();
  handles.opened(7, O_RDWR);
  const orders: ForgetOrder[] = [];
  const cache = new PostedKernelCache(handles, (order) => orders.push(order));
  const settled: string[] = [];
  return { handles, orders, cache, settled };
}

/** Lets promises settle. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

Deno.test("the barrier waits for the kernel, and then until what waited has been served", async () => {
  for (const last of ["empty", "many rounds", "end"] as const) {
    const { cache, orders, settled } = opened();
    void cache.takeIn().then(() => settled.push("taken in"));
    assert.deepEqual(orders, [{ id: 1, inodes: [7], names: [] }]);
    cache.served(true);
    await turn();
    assert.deepEqual(settled, []);
    cache.forgotten(1);
    for (let round = 0; round < 20; round++) cache.served(false);
    await turn();
    assert.deepEqual(settled, []);
    if (last === "empty") cache.served(true);
    else if (last === "end") cache.end();
    else for (let round = 0; round < 20; round++) cache.served(false);
    await turn();
    assert.deepEqual(settled, ["taken in"]);
  }
});

Deno.test("when nobody serves any more, nobody waits for it", async () => {
  const { cache } = opened();
  const waiting = cache.takeIn();
  cache.end();
  cache.forgotten(1);
  await waiting;
});

Deno.test("nothing is asked of the kernel where nothing may be mapped and nothing is outdated", async () => {
  const { cache, handles, orders } = opened();
  handles.released(7, O_RDWR, 0);
  await cache.takeIn();
  await cache.drop({ inodes: new Set(), names: [], stale: [] });
  assert.deepEqual(orders, []);
});

Deno.test("pages of before are refused until the kernel has forgotten them, handles of before for good", async () => {
  const { cache, handles } = opened();
  const dropping = cache.drop({ inodes: new Set([7]), names: [], stale: [{ ino: 7, opens: 1 }] });
  assert.equal(handles.hasPagesOfBefore(7), true);
  cache.forgotten(1);
  cache.served(true);
  await dropping;
  assert.equal(handles.hasPagesOfBefore(7), false);
  assert.equal(handles.isStale(7, 0), true);
});
