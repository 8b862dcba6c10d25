import assert from "node:assert/strict";
import fc from "fast-check";
import { type MirrorWorld, mirrorWorld } from "../../tests/support/mirror_world.ts";
import { FaultyStore } from "../../tests/support/faulty_store.ts";
import { VaultError } from "../errors.ts";
import { systemRuntime } from "../runtime.ts";
import type { ObjectStore } from "../storage/object_store.ts";
import { MirrorStore } from "./mirror_store.ts";
import { everyPage, patternBytes, piecesOf, read, text } from "./store_samples.ts";

const NOTES = ".sigmavault-mirror/";

/** What lies at members, but for what they say of themselves. */
async function leftAt({ members }: Pick<MirrorWorld, "members">, prefix = ""): Promise<string[][]> {
  return await Promise.all(members.map(async ({ memory }) => {
    const { objects } = await everyPage(memory, { prefix });
    return objects.filter((path) => path !== `${NOTES}whole`);
  }));
}

async function notesAt(world: MirrorWorld): Promise<number[]> {
  return (await leftAt(world, NOTES)).map(({ length }) => length);
}

/** From now on, a put of it takes some chunks of its body and then nothing, whatever its signal says. */
function stalling(store: ObjectStore, chunks: number): void {
  store.put = async (_path, body) => {
    const reader = body instanceof ReadableStream ? body.getReader() : null;
    for (let i = 0; i < chunks; i++) await reader?.read();
    return await new Promise<never>(() => {});
  };
}

Deno.test("mirror: a member that takes no more of a stream is left behind, noted, and gets it later", async () => {
  const world = mirrorWorld(3, { write: "quorum" }, 50);
  const { members, store } = world;
  const { put } = members[1].faulty;
  stalling(members[1].faulty, 3);
  const bytes = patternBytes(500_000);
  await store.put("x", piecesOf(bytes, 20_000));
  assert.deepEqual(await notesAt(world), [1, 0, 1]);
  assert.equal(await members[1].memory.head("x"), null);
  members[1].faulty.put = put;
  assert.deepEqual(await store.reconcile(), { settled: ["x"], left: [] });
  assert.deepEqual(await notesAt(world), [0, 0, 0]);
  for (const { memory } of members) assert.equal((await memory.head("x"))!.size, bytes.length);
});

Deno.test("mirror: a stream that too few take is refused, and its source let go", async () => {
  const { members, store } = mirrorWorld(3, { write: "all" }, 50);
  await store.put("x", text("older"));
  stalling(members[1].faulty, 3);
  let isCancelled = false;
  const endless = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new Uint8Array(10_000)),
    cancel: () => void (isCancelled = true),
  });
  await assert.rejects(store.put("x", endless), { kind: "unavailable", provider: "mirror" });
  assert.ok(isCancelled);
  for (const { memory } of members) assert.equal(await read(memory, "x"), "older");
});

Deno.test("mirror: bytes do not wait for ever either", async () => {
  const world = mirrorWorld(3, { write: "quorum" }, 20);
  stalling(world.members[2].faulty, 0);
  await world.store.put("x", new Uint8Array());
  assert.deepEqual(await notesAt(world), [1, 1, 0]);
  assert.equal((await world.store.head("x"))!.size, 0);
  await world.store.settled();
});

Deno.test("mirror: what the first member refuses nobody stores, streams too", async () => {
  const { members, store, open } = mirrorWorld(3);
  const { etag } = await store.put("x", text("old"));
  // Another process is faster, when all but the end has come.
  const other = open();
  let pulled = 0;
  const late = new ReadableStream<Uint8Array>({
    async pull(controller) {
      if (++pulled === 5) await other.put("x", text("newer"));
      if (pulled > 5) controller.close();
      else controller.enqueue(new Uint8Array(1000));
    },
  });
  const states: string[] = [];
  for (const { memory } of members) {
    const put = memory.put.bind(memory);
    memory.put = async (path, ...rest) => {
      const info = await put(path, ...rest);
      if (path === "x") states.push(`${info.size}`);
      return info;
    };
  }
  await assert.rejects(store.put("x", late, { match: etag }), { kind: "conflict" });
  assert.deepEqual(states, ["5", "5", "5"]);
  for (const { memory } of members) assert.equal(await read(memory, "x"), "newer");
});

Deno.test("mirror: conditions need the first member; everything else goes on without it", async () => {
  const { members, store } = mirrorWorld(3);
  const { etag } = await store.put("x", text("1"));
  members[0].faulty.isAway = true;
  for (
    const call of [
      () => store.put("x", text("2"), { match: etag }),
      () => store.put("y", text("2"), { create: true }),
      () => store.delete("x", { match: etag }),
      () => store.describe("x", { tags: { a: "b" } }),
    ]
  ) await assert.rejects(call, { kind: "unavailable" });
  const { etag: second } = await store.put("x", text("2"));
  members[0].faulty.isAway = false;
  // It is brought up to date before it decides.
  await assert.rejects(store.put("x", text("3"), { match: etag }), { kind: "conflict" });
  await store.put("x", text("3"), { match: second });
  for (const { memory } of members) assert.equal(await read(memory, "x"), "3");
});

Deno.test("mirror: all means all: without one nothing is changed, and reading goes on", async () => {
  const world = mirrorWorld(2, { write: "all" });
  await world.store.put("x", text("there"));
  world.members[1].faulty.isAway = true;
  await assert.rejects(world.store.put("x", text("y")), { kind: "unavailable" });
  await assert.rejects(world.store.delete("x"), { kind: "unavailable" });
  assert.equal(await read(world.store, "x"), "there");
  assert.deepEqual(await notesAt(world), [0, 0]);
});

Deno.test("mirror: what was deleted while a member was away stays deleted, for everybody", async () => {
  const { members, open, store, pass } = mirrorWorld(3);
  await store.put("a/x", text("x"));
  await store.put("b", text("x"));
  members[2].faulty.isAway = true;
  await store.delete("a/x");
  members[0].faulty.isAway = true;
  members[2].faulty.isAway = false;
  for (const each of [store, open()]) {
    assert.equal(await each.head("a/x"), null);
    assert.deepEqual((await everyPage(each, {})).objects, ["b"]);
    assert.deepEqual((await everyPage(each, { delimited: true })).prefixes, []);
  }
  members[0].faulty.isAway = false;
  await store.reconcile();
  // Nothing is left of it when nobody can bring it back any more.
  pass(3_600_000);
  assert.deepEqual((await open().reconcile()).left, []);
  for (const left of await leftAt({ members })) assert.deepEqual(left, ["b"]);
});

Deno.test("mirror: a deletion that all have leaves nothing", async () => {
  const { members, store } = mirrorWorld(3);
  await store.put("x", text("x"));
  await store.deleteMany(["x", "y"]);
  for (const left of await leftAt({ members })) assert.deepEqual(left, []);
});

Deno.test("mirror: a change without a condition is not lost to one with, that did not see it", async () => {
  const { members, store, pass } = mirrorWorld(3);
  const [first, ...others] = members;
  const { etag } = await store.put("x", text("base"));
  // Another process, whose clock is late and to whom the first member is away.
  const away = new FaultyStore(first.memory);
  away.isAway = true;
  const stores = [away, ...others.map(({ faulty }) => faulty)];
  const other = new MirrorStore(stores, { write: "quorum", read: "first", runtime: systemRuntime });
  pass(60_000);
  const put = first.memory.put.bind(first.memory);
  first.memory.put = async (...args) => {
    first.memory.put = put;
    await other.put("x", text("blind"));
    return await put(...args);
  };
  await store.put("x", text("looked"), { match: etag });
  assert.equal(await read(store, "x"), "blind");
  assert.deepEqual((await store.reconcile()).left, []);
  for (const { memory } of members) assert.equal(await read(memory, "x"), "blind");
});

Deno.test("mirror: a deletion that somebody overtakes takes nothing away from him", async () => {
  const { members, store, open } = mirrorWorld(3);
  await store.put("x", text("old"));
  const other = open();
  const { memory } = members[1];
  const put = memory.put.bind(memory);
  memory.put = async (...args) => {
    memory.put = put;
    await other.put("x", text("newer"));
    return await put(...args);
  };
  await store.delete("x");
  for (const each of members) assert.equal(await read(each.memory, "x"), "newer");
});

/** Each call to a member takes some turns of the event loop. */
function dawdle({ members }: MirrorWorld, turns: readonly number[]): void {
  let call = 0;
  for (const { faulty } of members) {
    faulty.around = {
      async before() {
        for (let i = turns[call++ % turns.length]; i > 0; i--) await Promise.resolve();
      },
      after() {},
    };
  }
}

const turns = fc.array(fc.nat({ max: 30 }), { minLength: 1, maxLength: 40 });

Deno.test("mirror: of several processes that create at once one succeeds, and no step is lost", async () => {
  await fc.assert(
    fc.asyncProperty(turns, fc.integer({ min: 2, max: 4 }), async (times, count) => {
      const world = mirrorWorld(3);
      dawdle(world, times);
      const stores = Array.from({ length: count }, () => world.open());
      const created = await Promise.allSettled(
        stores.map((store) => store.put("n", text("0"), { create: true })),
      );
      assert.equal(created.filter(({ status }) => status === "fulfilled").length, 1);
      let done = 0;
      const step = async (store: ObjectStore) => {
        for (let tries = 0; tries < 4; tries++) {
          const { info, body } = await store.get("n");
          const number = Number(
            await new Response(body as ReadableStream<Uint8Array<ArrayBuffer>>).text(),
          );
          try {
            await store.put("n", text(`${number + 1}`), { match: info.etag });
            done++;
          } catch (error) {
            assert.ok(error instanceof VaultError && error.kind === "conflict", `${error}`);
          }
        }
      };
      await Promise.all(stores.map(step));
      for (const store of stores) await store.settled();
      assert.deepEqual((await world.store.reconcile("everything")).left, []);
      for (const { memory } of world.members) assert.equal(await read(memory, "n"), `${done}`);
    }),
    { numRuns: 200 },
  );
});

Deno.test("mirror: whatever several processes do at once, all members become the same, and it is what one of them did", async () => {
  const verb = fc.constantFrom("put", "put", "delete", "create", "replace", "drop");
  const work = fc.array(fc.tuple(verb, fc.nat({ max: 2 })), { minLength: 1, maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(turns, work, async (times, steps) => {
      const world = mirrorWorld(3);
      dawdle(world, times);
      const stores = [world.open(), world.open(), world.open()];
      const tried = new Set<string | null>([null]);
      await Promise.all(steps.map(async ([how, by], i) => {
        const store = stores[by];
        const known = async () => (await store.head("x"))?.etag ?? "none";
        tried.add(`${i}`);
        try {
          if (how === "put") await store.put("x", text(`${i}`));
          if (how === "create") await store.put("x", text(`${i}`), { create: true });
          if (how === "replace") await store.put("x", text(`${i}`), { match: await known() });
          if (how === "delete") await store.delete("x");
          if (how === "drop") await store.delete("x", { match: await known() });
        } catch (error) {
          assert.ok(error instanceof VaultError, `${error}`);
          assert.ok(["conflict", "unavailable"].includes(error.kind), error.message);
        }
      }));
      for (const store of stores) await store.settled();
      assert.deepEqual((await world.store.reconcile("everything")).left, []);
      const info = await world.store.head("x");
      const value = info === null ? null : await read(world.store, "x");
      assert.ok(tried.has(value), `${value}`);
      for (const { memory } of world.members) {
        const held = await memory.head("x");
        const isGone = held === null || held.metadata["sigmavault-mirror"].endsWith(" removed");
        assert.equal(isGone ? null : await read(memory, "x"), value);
      }
    }),
    { numRuns: 200 },
  );
});
