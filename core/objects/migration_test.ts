import assert from "node:assert/strict";
import { MemoryObjectStore } from "../../backends/memory/object_store.ts";
import { bytesOf, patternBytes, read, text } from "./store_samples.ts";
import { FaultyStore } from "../../tests/support/faulty_store.ts";
import { MemoryJournal } from "../../tests/support/memory_journal.ts";
import { listObjects, type ObjectStore } from "../storage/object_store.ts";
import { streamOf } from "../storage/object_body.ts";
import { migrate, type MigrationOptions } from "./migration.ts";
import type { TransferReport } from "./transfer_run.ts";

const memory = () => new MemoryObjectStore({ now: () => 1_800_000_000_000 });
const named = (name: string, store: ObjectStore) => ({
  name,
  publicUrl: null,
  store: () => Promise.resolve(store),
  close: () => store.close(),
});

async function move(from: ObjectStore, to: ObjectStore, options?: MigrationOptions) {
  return await migrate({ from: named("old", from), to: named("fresh", to) }, options);
}

const paths = async (store: ObjectStore) =>
  (await Array.fromAsync(listObjects(store, ""))).map(({ path }) => path);

function counts({ copied, compared, skipped, deleted, failures }: TransferReport) {
  return { copied, compared, skipped, deleted, failures };
}

Deno.test("migrate: objects are copied with all that was said of them, and only those that match", async () => {
  const [from, to] = [memory(), memory()];
  const large = patternBytes(3_000_000);
  await from.put("docs/a", text("one"), {
    contentType: "text/plain",
    metadata: { author: "Ada" },
    tags: { t: "1" },
  });
  await from.put("docs/b", large);
  await from.put("docs/deep/c", text("three"));
  await from.put("other", text("four"));
  const told: string[] = [];
  const seen: number[] = [];
  const report = await move(from, to, {
    pattern: "docs/*",
    onAction: (path, action) => told.push(`${action} ${path}`),
    onProgress: ({ bytes }) => seen.push(bytes),
  });
  assert.deepEqual(counts(report), { copied: 2, compared: 0, skipped: 0, deleted: 0, failures: 0 });
  assert.equal(report.bytes, large.length + 3);
  assert.equal(seen.at(-1), report.bytes);
  assert.deepEqual(told.sort(), ["copy docs/a", "copy docs/b"]);
  assert.deepEqual(await paths(to), ["docs/a", "docs/b"]);
  const { contentType, metadata, tags } = (await to.head("docs/a"))!;
  assert.deepEqual([contentType, metadata, tags], ["text/plain", { author: "Ada" }, { t: "1" }]);
  assert.deepEqual(
    Buffer.compare(await bytesOf(await to.get("docs/b")), large),
    0,
  );
  assert.deepEqual((await paths(from)).length, 4);
});

Deno.test("migrate: what is there already is compared, not copied; what differs is not replaced unasked", async () => {
  const [from, to] = [memory(), memory()];
  for (const path of ["same", "said", "differs", "longer"]) await from.put(path, text(path));
  await from.describe("said", { tags: { of: "it" } });
  await to.put("same", text("same"));
  await to.put("said", text("said"));
  await to.put("differs", text("DIFFERS"));
  await to.put("longer", text("much longer"));
  const report = await move(from, to, { deleteSource: true });
  assert.deepEqual(counts(report), { copied: 0, compared: 2, skipped: 2, deleted: 2, failures: 2 });
  assert.deepEqual(report.failed.map(({ path, kind }) => [path, kind]), [
    ["differs", "conflict"],
    ["longer", "conflict"],
  ]);
  assert.match(report.failed[0].reason, /something else is at the target/);
  assert.deepEqual((await to.head("said"))!.tags, { of: "it" });
  assert.equal(await read(to, "differs"), "DIFFERS");
  assert.deepEqual(await paths(from), ["differs", "longer"]);
  const again = await move(from, to, { deleteSource: true, overwrite: true });
  assert.deepEqual(counts(again), { copied: 2, compared: 0, skipped: 0, deleted: 2, failures: 0 });
  assert.equal(await read(to, "differs"), "differs");
});

Deno.test("migrate: with a journal nothing that was verified is read again", async () => {
  const [from, to] = [new FaultyStore(memory()), new FaultyStore(memory())];
  for (const path of ["a", "b", "c"]) await from.put(path, text(path));
  const journal = new MemoryJournal();
  await move(from, to, { journal });
  // Changed at the source: our earlier copy is replaced. At the target: what somebody wrote there stays.
  await from.put("b", text("changed"));
  await to.put("c", text("work"));
  const before = [from.calls, to.calls];
  const report = await move(from, to, { journal, dryRun: false });
  assert.deepEqual(counts(report), { copied: 1, compared: 0, skipped: 1, deleted: 0, failures: 1 });
  assert.equal(report.failed[0].path, "c");
  // A listing on each side; a get here; a put and a get there.
  assert.deepEqual([from.calls - before[0], to.calls - before[1]], [2, 3]);
  assert.equal(await read(to, "c"), "work");
  const gone = await move(from, to, { journal, deleteSource: true });
  assert.deepEqual(counts(gone), { copied: 0, compared: 0, skipped: 2, deleted: 2, failures: 1 });
});

Deno.test("migrate: a dry run says what would be done, and does nothing", async () => {
  const [from, to] = [memory(), memory()];
  await from.put("a", text("a"));
  await from.put("b", text("b"));
  await from.put("c", text("longer"));
  await to.put("b", text("?"));
  await to.put("c", text("c"));
  const journal = new MemoryJournal();
  const report = await move(from, to, { dryRun: true, deleteSource: true, journal });
  assert.deepEqual(counts(report), { copied: 1, compared: 1, skipped: 0, deleted: 2, failures: 1 });
  assert.deepEqual([report.bytes, report.dryRun], [1, true]);
  assert.deepEqual([await paths(from), await paths(to)], [["a", "b", "c"], ["b", "c"]]);
  assert.equal(await read(to, "b"), "?");
});

Deno.test("migrate: a copy that comes back with other bytes does not count, and the source stays", async () => {
  const [from, to] = [memory(), memory()];
  for (const path of ["bad", "good"]) await from.put(path, text(path));
  const lying = new FaultyStore(to);
  lying.get = async (path, options) => {
    const content = await to.get(path, options);
    return path === "good" ? content : { ...content, body: streamOf([text("BAD")]) };
  };
  const report = await move(from, lying, { deleteSource: true });
  assert.deepEqual(counts(report), { copied: 1, compared: 0, skipped: 0, deleted: 1, failures: 1 });
  assert.deepEqual([report.failed[0].path, report.failed[0].kind], ["bad", "corrupt"]);
  assert.deepEqual([await paths(from), await paths(to)], [["bad"], ["good"]]);
});

Deno.test("migrate: what is changed while it is copied stays at the source", async () => {
  const [from, to] = [memory(), memory()];
  await from.put("a", text("one"));
  const changing = new FaultyStore(to);
  changing.put = async (...args) => {
    const info = await to.put(...args);
    await from.put("a", text("two"));
    return info;
  };
  const report = await move(from, changing, { deleteSource: true });
  assert.deepEqual([report.failures, report.failed[0].kind], [1, "conflict"]);
  assert.equal(await read(from, "a"), "two");
  const journal = new MemoryJournal();
  await move(from, to, { deleteSource: true, overwrite: true, journal });
  assert.deepEqual([await paths(from), await read(to, "a")], [[], "two"]);
});

Deno.test("migrate: so many at once as allowed, and aborting ends it with the reason", async () => {
  const [from, to] = [memory(), memory()];
  for (let i = 0; i < 40; i++) await from.put(`${i}`, text(`${i}`));
  let [running, most, stored] = [0, 0, 0];
  const slow = new FaultyStore(to);
  const giving = new AbortController();
  slow.put = async (...args) => {
    most = Math.max(most, ++running);
    for (let i = 0; i < 20; i++) await Promise.resolve();
    running--;
    if (++stored === 20) giving.abort(new RangeError("enough"));
    return await to.put(...args);
  };
  await assert.rejects(move(from, slow, { parallel: 3, signal: giving.signal }), /enough/);
  assert.equal(most, 3);
  const report = await move(from, slow, { parallel: 3 });
  assert.equal(report.copied + report.skipped, 40);
  assert.ok(report.copied > 10);
  await assert.rejects(move(from, to, { parallel: 0 }), { kind: "invalid" });
  await assert.rejects(move(from, to, { bytesPerSecond: 0.5 }), { kind: "invalid" });
  const one = named("one", from);
  await assert.rejects(migrate({ from: one, to: one }), /one and the same/);
});

Deno.test("migrate: faults of either side cost only what they hit, and the next run has the rest", async () => {
  for (const side of ["from", "to"] as const) {
    for (const when of ["before", "after"] as const) {
      const stores = { from: new FaultyStore(memory()), to: new FaultyStore(memory()) };
      for (let i = 0; i < 10; i++) await stores.from.put(`${i}`, patternBytes(100, i));
      let failures = 0;
      const journal = new MemoryJournal();
      for (let round = 0;; round++) {
        assert.ok(round < 6);
        const { list } = stores[side];
        stores[side].list = async (...args) => {
          const page = await list(...args);
          stores[side].failNext(Math.max(0, 5 - round), when);
          return page;
        };
        const retry = { attempts: 1 };
        const report = await move(stores.from, stores.to, { deleteSource: true, journal, retry });
        stores[side].list = list;
        failures += report.failures;
        if (report.failures === 0) break;
      }
      assert.ok(failures > 0);
      assert.deepEqual((await paths(stores.from)).length, 0);
      for (let i = 0; i < 10; i++) {
        assert.deepEqual(await bytesOf(await stores.to.get(`${i}`)), patternBytes(100, i));
      }
    }
  }
});

Deno.test("migrate: one place under two names loses nothing", async () => {
  const store = memory();
  await store.put("docs/a", text("only copy"));
  const options = { deleteSource: true, pattern: "docs/*" };
  await assert.rejects(move(store, store, options), /one and the same place/);
  assert.deepEqual(await paths(store), ["docs/a"]);
  // What a killed run left at either side belongs to nobody.
  const target = memory();
  for (const side of [store, target]) await side.put("docs/sigmavault-mark", text(""));
  assert.equal((await move(store, target, { pattern: "docs/*" })).copied, 1);
  await target.delete("docs/a");
  assert.equal(await read(store, "docs/a"), "only copy");
  const report = await move(store, target, options);
  assert.deepEqual([report.copied, report.deleted, await paths(target)], [1, 1, ["docs/a"]]);
});

Deno.test("migrate: a stream that breaks off is sent again, also where its answer was lost", async () => {
  for (const when of ["before", "after"] as const) {
    const [from, to] = [memory(), new FaultyStore(memory())];
    const bytes = patternBytes(2_000_000);
    await from.put("large", bytes);
    const { put } = to;
    let puts = 0;
    to.put = (...args) => {
      if (++puts === 2) to.failNext(1, when);
      return put(...args);
    };
    const retry = { attempts: 2, delayMs: 0 };
    const report = await move(from, to, { deleteSource: true, retry });
    // The first put is the mark's.
    assert.deepEqual([puts, report.failures, report.deleted], [when === "before" ? 3 : 2, 0, 1]);
    assert.equal(Buffer.compare(await bytesOf(await to.get("large")), bytes), 0);
    await from.put("other", bytes);
    to.failNext(5, "before");
    await assert.rejects(move(from, to, { retry }), { kind: "unavailable" });
    const { get } = to;
    to.get = (...args) => {
      to.failNext(1, "before");
      return get(...args);
    };
    to.failNext(0, "before");
    const failed = await move(from, to, { retry });
    assert.deepEqual(failed.failed.map(({ kind }) => kind), ["unavailable"]);
  }
});
