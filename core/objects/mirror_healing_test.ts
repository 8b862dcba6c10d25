import assert from "node:assert/strict";
import { mirrorWorld } from "../../tests/support/mirror_world.ts";
import type { FaultyStore } from "../../tests/support/faulty_store.ts";
import { read, text } from "./store_samples.ts";

/**
 * The next put of the store waits until `meanwhile` is done. Its condition is looked at when its body has come, as stores on a
 * network do it.
 */
function beforePut(store: FaultyStore, meanwhile: () => Promise<void>): void {
  const { put } = store;
  store.put = async (path, body, options) => {
    store.put = put;
    const bytes = await new Response(body as BodyInit).bytes();
    await meanwhile();
    return await put(path, bytes, options);
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

Deno.test("mirror: healing takes nothing away that somebody else puts meanwhile", async () => {
  const { members, open, store } = mirrorWorld(3, { write: "all" });
  await store.put("x", text("old"));
  await members[0].memory.delete("x");
  const healed = Promise.withResolvers<void>();
  let creating: Promise<unknown> = Promise.resolve();
  beforePut(members[0].faulty, async () => {
    assert.deepEqual((await open().reconcile("everything")).settled, ["x"]);
    await open().delete("x");
    for (const { memory } of members) assert.equal(await memory.head("x"), null);
    const reached = Promise.withResolvers<void>();
    beforePut(members[1].faulty, async () => {
      reached.resolve();
      await healed.promise;
    });
    creating = open().put("x", text("new"));
    await reached.promise;
    for (;;) if (await members[0].memory.head("x") !== null) break;
  });
  await open().reconcile("everything");
  healed.resolve();
  await creating;
  for (const { memory } of members) assert.notEqual(await memory.head("x"), null);
  assert.equal(await read(open(), "x"), "new");
});

Deno.test("mirror: what is being removed while somebody brings it does not come back", async () => {
  const { members, open, store } = mirrorWorld(3);
  await store.put("x", text("old"));
  await members[2].memory.delete("x");
  const confirmed = Promise.withResolvers<void>();
  let deleting: Promise<unknown> = Promise.resolve();
  beforePut(members[2].faulty, async () => {
    assert.deepEqual((await open().reconcile("everything")).settled, ["x"]);
    const reached = Promise.withResolvers<void>();
    const { delete: del } = members[0].faulty;
    members[0].faulty.delete = async (...args) => {
      members[0].faulty.delete = del;
      reached.resolve();
      await confirmed.promise;
      return await del.apply(members[0].faulty, args);
    };
    deleting = open().delete("x");
    await reached.promise;
    assert.equal(await members[2].memory.head("x"), null);
  });
  await open().reconcile("everything");
  confirmed.resolve();
  await deleting;
  await open().reconcile("everything");
  for (const { memory } of members) assert.equal(await memory.head("x"), null);
});

for (const late of [0, 1]) {
  Deno.test(`mirror: a change that a member makes late does not undo that it was removed (member ${late})`, async () => {
    const { members, open, store, pass } = mirrorWorld(2, { write: "all" }, 1);
    const { memory } = members[late];
    const put = memory.put.bind(memory);
    const landing: (() => Promise<unknown>)[] = [];
    memory.put = (path, body, options) => {
      if (path !== "x") return put(path, body, options);
      memory.put = put;
      landing.push(() => put(path, body, { ...options, signal: undefined }));
      return new Promise(() => {});
    };
    await assert.rejects(store.put("x", text("old")), { kind: "unavailable" });
    await store.reconcile();
    await store.delete("x");
    for (const land of landing) await land().catch(({ kind }) => assert.equal(kind, "conflict"));
    assert.equal(landing.length, 1);
    pass(20_000);
    await open().reconcile("everything");
    for (const each of [store, open()]) assert.equal(await each.head("x"), null);
    pass(700_000);
    await open().reconcile("everything");
    for (const { memory } of members) assert.equal(await memory.head("x"), null);
  });
}
