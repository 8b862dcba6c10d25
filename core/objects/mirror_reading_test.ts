import assert from "node:assert/strict";
import { mirrorWorld } from "../../tests/support/mirror_world.ts";
import { bytesOf, everyPage, patternBytes, read, text } from "./store_samples.ts";

Deno.test("mirror: balanced reads spread over all members, and leave out one that failed or lacks the object", async () => {
  const { members, store } = mirrorWorld(3, { write: "all", read: "balanced" });
  await store.put("x", text("there"));
  await store.settled();
  const served = async (paths: readonly string[]) => {
    const before = members.map(({ faulty }) => faulty.calls);
    for (const path of paths) await read(store, path);
    return members.map(({ faulty }, i) => faulty.calls - before[i]);
  };
  const many = Array.from({ length: 30 }, () => "x");
  assert.deepEqual(await served(many), [10, 10, 10]);
  // One that is busy is spared: its bodies are not read yet.
  const open = [await store.get("x"), await store.get("x"), await store.get("x")];
  await bytesOf(open[1]);
  await bytesOf(open[2]);
  const [busy, ...others] = [...await served(many)].sort((a, b) => a - b);
  assert.deepEqual([busy, ...others], [0, 15, 15]);
  await open[0].body.cancel();
  members[1].faulty.isAway = true;
  const [first, away, third] = await served(many);
  // It is asked once.
  assert.equal(away, 1);
  assert.equal(first + third, 30);
  assert.ok(Math.abs(first - third) <= 2, `${first} and ${third}`);
});

Deno.test("mirror: first reads from the first member that can be read from", async () => {
  const { members, store } = mirrorWorld(3, { write: "all", read: "first" });
  await store.put("x", text("there"));
  await store.settled();
  const before = members.map(({ faulty }) => faulty.calls);
  for (let i = 0; i < 10; i++) await read(store, "x");
  assert.deepEqual(members.map(({ faulty }, i) => faulty.calls - before[i]), [10, 0, 0]);
  members[0].faulty.isAway = true;
  for (let i = 0; i < 10; i++) assert.equal(await read(store, "x"), "there");
  assert.deepEqual(members.map(({ faulty }, i) => faulty.calls - before[i]), [11, 10, 0]);
});

Deno.test("mirror: no body comes from a member that lacks the newest state, whoever noted that", async () => {
  const { members, store, open } = mirrorWorld(3, { write: "quorum", read: "balanced" });
  await store.put("x", text("old"));
  members[2].faulty.isAway = true;
  await store.put("x", text("new"));
  members[2].faulty.isAway = false;
  const bodies: number[] = [];
  members.forEach(({ memory }, i) => {
    const get = memory.get.bind(memory);
    memory.get = (path, ...rest) => {
      if (path === "x") bodies.push(i);
      return get(path, ...rest);
    };
  });
  for (let i = 0; i < 12; i++) assert.equal(await read(store, "x"), "new");
  const noted = open();
  await noted.head("x");
  await noted.settled();
  for (let i = 0; i < 12; i++) assert.equal(await read(noted, "x"), "new");
});

Deno.test("mirror: etags, times and descriptions are the same, whichever member answers", async () => {
  const { members, store } = mirrorWorld(3);
  const said = { contentType: "a/b", metadata: { m: "1" }, tags: { t: "2" } };
  const put = await store.put("x", text("state"), said);
  const changed = await store.put("x", text("state 2"), { ...said, match: put.etag });
  for (const { faulty } of members) {
    faulty.isAway = true;
    assert.deepEqual(await store.head("x"), changed);
    assert.deepEqual((await store.get("x", { match: changed.etag })).info, changed);
    assert.deepEqual((await store.list()).objects.map(({ etag }) => etag), [changed.etag]);
    await assert.rejects(store.get("x", { match: put.etag }), { kind: "conflict" });
    faulty.isAway = false;
  }
  assert.deepEqual(await store.describe("x", {}), { ...await store.head("x") });
});

Deno.test("mirror: a read whose member dies in the middle goes on at another, with the same bytes", async () => {
  const { members, store } = mirrorWorld(3, { write: "all" });
  const bytes = patternBytes(300_000);
  await store.put("x", bytes);
  members[0].faulty.cutBodiesAt(100_000);
  members[1].faulty.cutBodiesAt(50_000);
  assert.deepEqual(await bytesOf(await store.get("x")), bytes);
  const part = await store.get("x", { offset: 10, length: 200_000 });
  assert.deepEqual(await bytesOf(part), bytes.slice(10, 200_010));
  // Another state is not gone on with.
  for (const { faulty } of members) faulty.cutBodiesAt(100_000);
  const { body } = await store.get("x");
  await store.put("x", patternBytes(300_000, 7));
  const rest = new Response(body as ReadableStream<Uint8Array<ArrayBuffer>>).bytes();
  await assert.rejects(rest, { kind: "unavailable", provider: "mirror" });
});

Deno.test("mirror: a fresh member in place of an old one hides nothing, and is filled", async () => {
  for (const write of ["all", "quorum"] as const) {
    const { members, store, open } = mirrorWorld(3, { write });
    for (const path of ["a", "b/c", "d"]) await store.put(path, text(path));
    await store.delete("d");
    for (const path of ["a", "b/c"]) await members[0].memory.delete(path);
    const later = open();
    assert.equal(await read(later, "a"), "a");
    assert.deepEqual((await everyPage(later, {})).objects, ["a", "b/c"]);
    assert.deepEqual((await everyPage(later, { delimited: true })).prefixes, ["b/"]);
    await later.settled();
    assert.deepEqual((await open().reconcile("everything")).left, []);
    for (const { memory } of members) assert.equal(await read(memory, "b/c"), "b/c");
  }
});

Deno.test("mirror: with too few members nothing is read, and nothing is changed", async () => {
  const { members, store } = mirrorWorld(3);
  await store.put("x", text("there"));
  members[0].faulty.isAway = true;
  members[2].faulty.isAway = true;
  for (
    const call of [
      () => store.head("x"),
      () => store.get("x"),
      () => store.list(),
      () => store.put("x", text("y")),
      () => store.delete("x"),
    ]
  ) await assert.rejects(call, { kind: "unavailable", provider: "mirror" });
  assert.equal(await read(members[1].memory, "x"), "there");
});

for (const [write, count] of [["all", 2], ["all", 3], ["quorum", 3]] as const) {
  Deno.test(`mirror: one that failed once is asked for what an emptied one lacks (${write} of ${count})`, async () => {
    const { members: [first, emptied, third], store } = mirrorWorld(count, { write });
    if (write === "quorum") third.faulty.isAway = true;
    for (const path of ["a", "b"]) await store.put(path, text(path));
    if (write === "quorum") third.faulty.isAway = false;
    await store.settled();
    for (const path of ["a", "b"]) await emptied.memory.delete(path);
    for (const use of ["get", "head", "list"] as const) {
      first.faulty.failNext(1, "before");
      if (use === "get") assert.equal(await read(store, "a"), "a");
      if (use === "head") assert.notEqual(await store.head("b"), null);
      assert.deepEqual((await everyPage(store, {})).objects, ["a", "b"], use);
    }
  });
}
