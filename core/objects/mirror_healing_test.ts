import assert from "node:assert/strict";
import { mirrorWorld } from "../../tests/support/mirror_world.ts";
import type { FaultyStore } from "../../tests/support/faulty_store.ts";
import { read, text } from "./store_samples.ts";

/** The next put of the store waits until `meanwhile` is done. */
function beforePut(store: FaultyStore, meanwhile: () => Promise<void>): void {
  const { put } = store;
  store.put = async (...args) => {
    store.put = put;
    await meanwhile();
    return await put(...args);
  };
}

Deno.test("mirror: what was removed by all while somebody was bringing it does not come back", async () => {
  const { members, open, store } = mirrorWorld(3);
  await store.put("x", text("old"));
  await members[1].memory.delete("x");
  // One is about to bring it, another is faster, and a third removes it then.
  beforePut(members[1].faulty, async () => {
    assert.deepEqual((await open().reconcile("everything")).settled, ["x"]);
    await open().delete("x");
    for (const { memory } of members) assert.equal(await memory.head("x"), null);
  });
  await open().reconcile("everything");
  for (const { memory } of members) assert.equal(await memory.head("x"), null);
});

Deno.test("mirror: a removal that somebody was bringing does not outlive it, and takes nothing away", async () => {
  const { members, open, store } = mirrorWorld(3);
  const { etag } = await store.put("x", text("old"));
  const remover = open();
  const removed = Promise.withResolvers<void>();
  let healed: Promise<unknown> = Promise.resolve();
  // The first member has the removal, the third does not yet: somebody sees that, and is about to bring it.
  beforePut(members[2].faulty, async () => {
    const bringing = Promise.withResolvers<void>();
    beforePut(members[2].faulty, async () => {
      bringing.resolve();
      await removed.promise;
    });
    healed = open().reconcile("everything");
    await bringing.promise;
  });
  await remover.delete("x", { match: etag });
  for (const { memory } of members) assert.equal(await memory.head("x"), null);
  removed.resolve();
  await healed;
  for (const { memory } of members) assert.equal(await memory.head("x"), null);
  await remover.put("x", text("new"), { create: true });
  await open().reconcile("everything");
  assert.equal(await read(store, "x"), "new");
});
