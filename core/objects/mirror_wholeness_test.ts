import assert from "node:assert/strict";
import { type MirroredMember, mirrorWorld } from "../../tests/support/mirror_world.ts";
import { everyPage, read, text } from "./store_samples.ts";

const PATHS = ["a", "b", "c"];

/** Its disk was replaced. */
async function empty({ memory }: MirroredMember): Promise<void> {
  for (const path of (await everyPage(memory, {})).objects) await memory.delete(path);
}

Deno.test("mirror: one that was emptied makes nothing seem gone while others are away", async () => {
  const { members, members: [first, second], store, open, pass } = mirrorWorld(2, { write: "all" });
  for (const path of PATHS) await store.put(path, text(path));
  await store.settled();
  await empty(second);
  // Some of it comes back meanwhile.
  pass(20_000);
  await store.put("a", text("a"));
  await store.settled();
  first.faulty.isAway = true;
  for (const each of [store, open()]) {
    assert.equal(await read(each, "a"), "a");
    await assert.rejects(each.head("b"), { kind: "unavailable" });
    await assert.rejects(each.get("b"), { kind: "unavailable" });
    await assert.rejects(each.list(), { kind: "unavailable" });
  }
  first.faulty.isAway = false;
  assert.deepEqual((await open().reconcile("everything")).left, []);
  for (const { faulty } of members) {
    faulty.isAway = true;
    const later = open();
    assert.equal(await read(later, "b"), "b");
    assert.equal(await later.head("never"), null);
    assert.deepEqual((await everyPage(later, {})).objects, PATHS);
    faulty.isAway = false;
  }
});

Deno.test("mirror: what never was is missing while one is away, also in a mirror that has no marks yet", async () => {
  const { members: [first, second], store, open, pass } = mirrorWorld(2, { write: "all" });
  second.faulty.isAway = true;
  assert.equal(await store.head("x"), null);
  second.faulty.isAway = false;
  pass(20_000);
  await store.put("x", text("x"));
  await store.settled();
  first.faulty.isAway = true;
  const later = open();
  assert.equal(await read(later, "x"), "x");
  assert.equal(await later.head("y"), null);
  assert.deepEqual((await everyPage(later, {})).objects, ["x"]);
});

Deno.test("mirror: a member that is added later is filled before it is believed", async () => {
  const { members: [first, second], store, open, pass } = mirrorWorld(2, { write: "all" });
  await store.put("x", text("x"));
  await store.settled();
  await empty(second);
  pass(20_000);
  const later = open();
  await later.head("x");
  await later.settled();
  first.faulty.isAway = true;
  await assert.rejects(open().head("y"), { kind: "unavailable" });
  first.faulty.isAway = false;
  assert.deepEqual((await later.reconcile("everything")).left, []);
  first.faulty.isAway = true;
  assert.equal(await open().head("y"), null);
  assert.equal(await read(open(), "x"), "x");
});
