/** What was acknowledged stays, where stores fail in the middle, answer late, or several processes meet. */
import assert from "node:assert/strict";
import { MemoryObjectStore } from "../../backends/memory/object_store.ts";
import { failoverWorld as world } from "../../tests/support/failover_world.ts";
import { VaultError } from "../errors.ts";
import type { ObjectStore } from "../storage/object_store.ts";
import { FailoverStore } from "./failover_store.ts";
import { everyPage, piecesOf, read, text } from "./store_samples.ts";

/** The next object that is put at `a` fails before it comes there. */
function refusePut(memory: MemoryObjectStore): void {
  const put = memory.put.bind(memory);
  memory.put = (path, ...rest) => {
    if (path !== "a") return put(path, ...rest);
    memory.put = put;
    return Promise.reject(new VaultError("unavailable", "Cannot put: refused once"));
  };
}

/** What is at `a`, for these. */
function statesOf(...stores: Pick<ObjectStore, "get">[]): Promise<string[]> {
  return Promise.all(stores.map((store) => {
    return read(store as ObjectStore, "a").catch(({ kind }) => kind);
  }));
}

for (const fails of ["the fallback", "its sender"] as const) {
  Deno.test(`failover: what was deleted stays so when ${fails} fails to put it anew`, async () => {
    const { primary, others: [other], store, open, pass } = world();
    await store.put("a", text("1"));
    primary.faulty.isAway = true;
    await store.delete("a");
    if (fails === "the fallback") {
      refusePut(other.memory);
      await assert.rejects(store.put("a", text("2")), { kind: "unavailable" });
    } else {
      const broken = new ReadableStream({
        start: (controller) => controller.error(new Error("cut")),
      });
      await assert.rejects(store.put("a", broken), /cut/);
    }
    primary.faulty.isAway = false;
    pass(20_000);
    assert.deepEqual(await statesOf(store, open()), ["missing", "missing"]);
    assert.deepEqual((await everyPage(store, {})).objects, []);
    await store.reconcile();
    assert.deepEqual(await statesOf(store, primary.memory), ["missing", "missing"]);
  });
}

Deno.test("failover: what was deleted there and put anew comes home", async () => {
  const { primary, store, open } = world();
  await store.put("a", text("1"));
  primary.faulty.isAway = true;
  await store.delete("a");
  await store.put("a", piecesOf(text("2"), 1));
  assert.deepEqual(await statesOf(store, open()), ["2", "2"]);
  primary.faulty.isAway = false;
  assert.deepEqual((await store.reconcile()).left, []);
  assert.deepEqual(await statesOf(primary.memory), ["2"]);
});

Deno.test("failover: what a fallback could not let go of does not come back", async () => {
  const { primary, others: [other], store, open } = world();
  primary.faulty.isAway = true;
  await store.put("a", text("1"));
  primary.faulty.isAway = false;
  const remove = other.memory.delete.bind(other.memory);
  other.memory.delete = (path, options) => {
    if (path !== "a") return remove(path, options);
    return Promise.reject(new VaultError("unavailable", "Cannot delete"));
  };
  await store.reconcile();
  other.memory.delete = remove;
  await store.put("a", text("2"));
  primary.faulty.isAway = true;
  refusePut(other.memory);
  await assert.rejects(store.put("a", text("3")), { kind: "unavailable" });
  primary.faulty.isAway = false;
  assert.deepEqual(await statesOf(store, open()), ["2", "2"]);
  await store.reconcile();
  assert.deepEqual(await statesOf(store, primary.memory), ["2", "2"]);
});

for (const last of ["put", "delete"] as const) {
  Deno.test(`failover: a change that the primary makes late does not undo a later one (${last})`, async () => {
    const { primary, open, pass } = world();
    const store = open(1);
    await store.head("opened");
    const late: (() => Promise<unknown>)[] = [];
    const put = primary.memory.put.bind(primary.memory);
    primary.memory.put = (path, body, options) => {
      late.push(() => put(path, body, { ...options, signal: undefined }));
      return new Promise(() => {});
    };
    await store.put("a", new Uint8Array());
    primary.memory.put = put;
    if (last === "put") await store.put("a", text("2"));
    else await store.delete("a");
    for (const each of late) await each();
    pass(20_000);
    const wanted = last === "put" ? "2" : "missing";
    assert.deepEqual(await statesOf(store, open()), [wanted, wanted]);
    await store.settled();
    await store.reconcile();
    assert.deepEqual(await statesOf(store, primary.memory), [wanted, wanted]);
    assert.equal(late.length, 1);
  });
}

for (const verb of ["put", "describe"] as const) {
  Deno.test(`failover: a ${verb} by another process while the path is carried home is not lost`, async () => {
    const { primary, store, open } = world();
    primary.faulty.isAway = true;
    await store.put("a", text("1"));
    const other = open();
    const { etag } = (await other.head("a"))!;
    await other.settled();
    primary.faulty.isAway = false;
    const put = primary.memory.put.bind(primary.memory);
    primary.memory.put = async (...args) => {
      primary.memory.put = put;
      const done = await put(...args);
      if (verb === "put") await other.put("a", text("2"), { match: etag });
      else await other.describe("a", { tags: { t: "2" } });
      return done;
    };
    await store.reconcile();
    await store.reconcile();
    for (const each of [store, open(), primary.memory]) {
      if (verb === "put") assert.deepEqual(await statesOf(each), ["2"]);
      else assert.deepEqual({ ...(await each.head("a"))!.tags }, { t: "2" });
    }
  });
}

Deno.test("failover: a long upload to a fallback is not forgotten when another process reconciles meanwhile", async () => {
  const { primary, others: [other], store, open } = world();
  primary.faulty.isAway = true;
  const put = other.memory.put.bind(other.memory);
  other.memory.put = async (path, ...rest) => {
    if (path === "a") {
      other.memory.put = put;
      await open().reconcile();
    }
    return await put(path, ...rest);
  };
  await store.put("a", text("1"));
  assert.deepEqual(await statesOf(store, open()), ["1", "1"]);
  primary.faulty.isAway = false;
  await store.reconcile();
  assert.deepEqual(await statesOf(store, primary.memory), ["1", "1"]);
});

for (const last of ["put", "delete"] as const) {
  Deno.test(`failover: a fallback that tells whole seconds has the later state of one second (${last})`, async () => {
    let now = 1_700_000_000_600;
    const primary = new MemoryObjectStore({ now: () => now });
    const other = new MemoryObjectStore({ now: () => Math.floor(now / 1000) * 1000 });
    const store = new FailoverStore(primary, [other], { now: () => now });
    await store.put("a", text("1"));
    now += 300;
    const { put, delete: remove } = primary;
    const refuse = () => Promise.reject(new VaultError("unavailable", "Cannot reach it"));
    primary.put = primary.delete = refuse;
    if (last === "put") await store.put("a", text("2"));
    else await store.delete("a");
    [primary.put, primary.delete] = [put, remove];
    now += 20_000;
    const wanted = last === "put" ? "2" : "missing";
    assert.deepEqual(await statesOf(store), [wanted]);
    await store.reconcile();
    assert.deepEqual(await statesOf(store, primary), [wanted, wanted]);
  });
}
