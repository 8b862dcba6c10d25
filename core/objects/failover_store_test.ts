import assert from "node:assert/strict";
import fc from "fast-check";
import { bytesOf, everyPage, piecesOf, read, text } from "./store_samples.ts";
import { storeContract } from "./store_contract.ts";
import { failoverWorld as world } from "../../tests/support/failover_world.ts";
import type { FailoverStore } from "./failover_store.ts";

for (const [property, holds] of Object.entries(storeContract)) {
  Deno.test(`failover: ${property}`, async () => await holds(world().store));
  // All that is changed is displaced; what needs the primary itself is told in the tests below.
  if (/create|match|listing|deleting|odd paths|copying|closed|signed/.test(property)) continue;
  Deno.test(`failover, all displaced: ${property}`, async () => {
    const { primary, others: [other], store } = world();
    const put = store.put.bind(store);
    store.put = async (path, body, options) => {
      primary.faulty.isAway = true;
      try {
        return await put(path, body, options);
      } finally {
        primary.faulty.isAway = false;
      }
    };
    await holds(store);
    assert.ok(other.faulty.calls > 0);
  });
}

Deno.test("failover: a fallback steps in, is read from, and gives back", async () => {
  const { primary, others: [other], store, open } = world();
  await store.put("a", text("old"), { tags: { t: "1" } });
  primary.faulty.isAway = true;
  await store.put("a", text("new"), { tags: { t: "2" } });
  await store.put("streamed", piecesOf(text("in pieces"), 2));
  await store.delete("gone-later");
  assert.equal(await read(store, "a"), "new");
  await assert.rejects(store.get("elsewhere"), { kind: "unavailable" });
  await assert.rejects(store.put("b", text("x"), { create: true }), { kind: "unavailable" });
  assert.deepEqual(await store.reconcile(), {
    settled: [],
    left: ["a", "gone-later", "streamed"],
  });
  primary.faulty.isAway = false;
  // The newest state, also for who comes later.
  const later = open();
  for (const each of [store, later]) {
    assert.equal(await read(each, "a"), "new");
    assert.deepEqual({ ...(await each.head("a"))!.tags }, { t: "2" });
    assert.deepEqual((await everyPage(each, {})).objects, ["a", "streamed"]);
  }
  assert.deepEqual((await later.reconcile()).left, []);
  assert.equal(await read(primary.memory, "a"), "new");
  assert.deepEqual({ ...(await primary.memory.head("a"))!.tags }, { t: "2" });
  assert.equal(await read(primary.memory, "streamed"), "in pieces");
  assert.deepEqual((await everyPage(other.memory, {})).objects, []);
});

Deno.test("failover: what was deleted while the primary was away stays deleted", async () => {
  const { primary, store, open } = world();
  await store.put("a", text("x"));
  primary.faulty.isAway = true;
  await store.delete("a");
  assert.equal(await store.head("a"), null);
  primary.faulty.isAway = false;
  assert.equal(await open().head("a"), null);
  assert.deepEqual((await everyPage(store, {})).objects, []);
  await store.reconcile();
  assert.equal(await primary.memory.head("a"), null);
});

Deno.test("failover: by itself it reconciles when time has passed", async () => {
  const { primary, others: [other], store, pass } = world();
  primary.faulty.isAway = true;
  await store.put("a", text("x"));
  primary.faulty.isAway = false;
  pass(20_000);
  await store.head("a");
  await store.reconcile();
  assert.deepEqual((await everyPage(other.memory, {})).objects, []);
});

for (const moment of ["before", "after"] as const) {
  Deno.test(`failover: a state that comes ${moment} another is put home is not lost`, async () => {
    const { primary, store, open } = world();
    primary.faulty.isAway = true;
    await store.put("a", text("first"), { metadata: { m: "1" } });
    primary.faulty.isAway = false;
    // Another process.
    const other = open();
    const put = primary.memory.put.bind(primary.memory);
    primary.memory.put = async (...args) => {
      primary.memory.put = put;
      if (moment === "before") await other.put("a", text("second"));
      const info = await put(...args);
      if (moment === "after") await other.put("a", text("second"));
      return info;
    };
    await store.reconcile();
    assert.equal(await read(store, "a"), "second");
    await other.settled(); // it carries it home as well
    assert.deepEqual((await store.reconcile()).left, []);
    assert.equal(await read(primary.memory, "a"), "second");
    assert.deepEqual({ ...(await store.head("a"))!.metadata }, {});
  });
}

Deno.test("failover: a newer state that comes into sight while an older one is put home is not lost", async () => {
  const { primary, others: [first, second], open } = world(2);
  primary.faulty.isAway = first.faulty.isAway = true;
  await open().put("a", text("older"));
  first.faulty.isAway = false;
  second.faulty.isAway = true;
  await open().put("a", text("newer"));
  primary.faulty.isAway = second.faulty.isAway = false;
  first.faulty.isAway = true;
  const put = primary.memory.put.bind(primary.memory);
  primary.memory.put = (...args) => {
    first.faulty.isAway = false;
    return put(...args);
  };
  const store = open();
  assert.deepEqual((await store.reconcile()).left, ["a"]);
  assert.equal(await read(store, "a"), "newer");
  assert.deepEqual((await store.reconcile()).left, []);
  assert.equal(await read(primary.memory, "a"), "newer");
});

Deno.test("failover: what is said of an object while it is put home is not lost", async () => {
  const { primary, store } = world();
  primary.faulty.isAway = true;
  await store.put("a", text("x"), { tags: { t: "1" } });
  primary.faulty.isAway = false;
  const put = primary.memory.put.bind(primary.memory);
  let described: Promise<unknown> | undefined;
  primary.memory.put = (...args) => {
    described ??= store.describe("a", { tags: { t: "2" } });
    return put(...args);
  };
  await store.reconcile();
  await described;
  await store.reconcile();
  assert.deepEqual({ ...(await primary.memory.head("a"))!.tags }, { t: "2" });
});

Deno.test("failover: of many that are deleted, one that fails does not keep the others", async () => {
  const { primary, store } = world();
  for (const path of ["a", "b", "c"]) await store.put(path, text("x"));
  const { delete: remove } = primary.memory;
  primary.memory.delete = (path, options) =>
    path === "b"
      ? Promise.reject(new RangeError("not this one"))
      : remove.call(primary.memory, path, options);
  await assert.rejects(store.deleteMany(["a", "b", "c"]), /not this one/);
  assert.deepEqual((await everyPage(store, {})).objects, ["b"]);
});

Deno.test("failover: of equals the one steps in that has least to do; one that is away is left out", async () => {
  const { primary, others, store } = world(3, "balanced");
  primary.faulty.isAway = true;
  const taken = async (prefix: string) => {
    return await Promise.all(others.map(async ({ memory }) => {
      return (await everyPage(memory, { prefix })).objects.length;
    }));
  };
  await Promise.all(Array.from({ length: 30 }, (_, i) => store.put(`a/${i}`, text(`${i}`))));
  assert.deepEqual(await taken("a/"), [10, 10, 10]);
  others[1].faulty.isAway = true;
  for (let i = 0; i < 20; i++) await store.put(`b/${i}`, text(`${i}`));
  const [first, away, third] = await taken("b/");
  assert.deepEqual([away, first + third], [0, 20]);
  assert.ok(Math.abs(first - third) <= 4, `${first} and ${third}`);
  others[1].faulty.isAway = false;
  for (let i = 0; i < 30; i++) assert.equal(await read(store, `a/${i}`), `${i}`);
  primary.faulty.isAway = false;
  assert.deepEqual((await store.reconcile()).left, []);
});

interface Step {
  readonly do: "put" | "delete" | "copy" | "reconcile" | "reopen";
  readonly path: string;
  readonly away: readonly boolean[];
}

Deno.test("failover: whatever is away, what was acknowledged is read, listed and comes home", async () => {
  const path = fc.constantFrom("a", "b/c", "b/d", "e");
  const away = fc.tuple(fc.boolean(), fc.boolean(), fc.boolean());
  const verb = fc.constantFrom("put", "put", "delete", "copy", "reconcile", "reopen");
  const step: fc.Arbitrary<Step> = fc.record({ do: verb, path, away });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const { primary, others, open } = world(2);
      const all = [primary, ...others];
      let store = open();
      // What each path may hold: one state, or several after a change that was not acknowledged.
      const model = new Map<string, (string | null)[]>();
      let count = 0;
      for (const each of steps) {
        all.forEach(({ faulty }, i) => faulty.isAway = each.away[i]);
        const value = `${++count}`;
        try {
          if (each.do === "reopen") {
            await store.settled();
            store = open();
          } else if (each.do === "reconcile") await store.reconcile();
          else if (each.do === "delete") await store.delete(each.path);
          else if (each.do === "put") await store.put(each.path, text(value));
          else {
            const copied = await read(store, "a");
            await store.copy("a", each.path);
            model.set(each.path, [copied]);
          }
          if (each.do === "put") model.set(each.path, [value]);
          if (each.do === "delete") model.set(each.path, [null]);
        } catch (error) {
          assert.ok(/unavailable|missing/.test((error as { kind: string }).kind), `${error}`);
          if (each.do === "put") {
            model.get(each.path)?.push(value) ?? model.set(each.path, [null, value]);
          }
          if (each.do === "delete") model.get(each.path)?.push(null);
          if (each.do === "copy") {
            const possible = model.get("a") ?? [null];
            model.set(each.path, [...model.get(each.path) ?? [null], ...possible]);
          }
        }
      }
      for (const { faulty } of all) faulty.isAway = false;
      await store.settled();
      store = open();
      const check = async (from: Pick<FailoverStore, "head" | "get" | "list">) => {
        const listed = (await from.list()).objects.map((object) => object.path);
        for (const [path, states] of model) {
          const isThere = await from.head(path) !== null;
          const now = isThere
            ? new TextDecoder().decode(await bytesOf(await from.get(path)))
            : null;
          assert.ok(states.includes(now), `${path}: ${now} of ${states}`);
          assert.equal(listed.includes(path), isThere, path);
        }
      };
      await check(store);
      assert.deepEqual((await store.reconcile()).left, []);
      await check(store);
      await check(primary.memory);
    }),
    { numRuns: 1000 },
  );
});

Deno.test("failover: a primary that stalls is left alone for a while, then asked again", async () => {
  const { primary, others: [other], open, pass } = world();
  const store = open(1);
  await store.head("opened");
  const empty = new Uint8Array();
  const stalled: AbortSignal[] = [];
  const put = primary.memory.put.bind(primary.memory);
  primary.memory.put = (_path, _body, { signal } = {}) => {
    stalled.push(signal!);
    return new Promise(() => {});
  };
  await store.put("a", empty, { tags: { by: "fallback" } });
  // What was given up must not happen later.
  assert.deepEqual(stalled.map(({ aborted }) => aborted), [true]);
  await store.put("b", empty);
  await store.put("c", piecesOf(text("in pieces"), 2));
  assert.equal(stalled.length, 1);
  assert.deepEqual({ ...(await store.head("a"))!.tags }, { by: "fallback" });
  assert.equal(await read(store, "c"), "in pieces");
  primary.memory.put = put;
  pass(10_000);
  await store.put("d", empty);
  assert.notEqual(await primary.memory.head("d"), null);
  await store.settled();
  await store.reconcile();
  for (const path of ["a", "b", "c"]) {
    assert.notEqual(await primary.memory.head(path), null);
    assert.equal(await other.memory.head(path), null);
  }
});
