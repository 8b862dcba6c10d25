import assert from "node:assert/strict";
import { MemoryObjectStore } from "../../backends/memory/object_store.ts";
import { read, text } from "./store_samples.ts";
import { FaultyStore } from "../../tests/support/faulty_store.ts";
import { MemoryJournal } from "../../tests/support/memory_journal.ts";
import { listObjects, type ObjectStore } from "../storage/object_store.ts";
import { sync, type SyncOptions, syncTwoWay, type TwoWaySyncOptions } from "./sync.ts";

/** 2027-01-15 08:00:00 UTC. */
const NOW = 1_800_000_000_000;
const COPY = "a (conflict 2027-01-15 08-00-00 cloud).txt";

const memory = () => new FaultyStore(new MemoryObjectStore({ now: () => NOW }));
const named = (name: string, store: ObjectStore) => ({
  name,
  publicUrl: null,
  store: () => Promise.resolve(store),
  close: () => store.close(),
});
const sides = (from: ObjectStore, to: ObjectStore) => ({
  from: named("disk", from),
  to: named("cloud", to),
});
const oneWay = (from: ObjectStore, to: ObjectStore, options?: SyncOptions) =>
  sync(sides(from, to), options);
const twoWay = (from: ObjectStore, to: ObjectStore, options: TwoWaySyncOptions) =>
  syncTwoWay(sides(from, to), { retry: { attempts: 1 }, ...options });

async function content(store: ObjectStore): Promise<Record<string, string>> {
  const all: Record<string, string> = {};
  for await (const { path } of listObjects(store, "")) all[path] = await read(store, path);
  return all;
}

async function put(store: ObjectStore, objects: Record<string, string>): Promise<void> {
  for (const [path, value] of Object.entries(objects)) await store.put(path, text(value));
}

Deno.test("sync: the target becomes the same as the source, and only with delete loses what else it has", async () => {
  const [from, to] = [memory(), memory()];
  await put(from, { a: "one", b: "two", "d/e": "three" });
  await put(to, { b: "old", c: "extra", "d/f": "extra" });
  const first = await oneWay(from, to);
  assert.deepEqual([first.copied, first.deleted, first.failures], [3, 0, 0]);
  assert.deepEqual(Object.keys(await content(to)), ["a", "b", "c", "d/e", "d/f"]);
  assert.equal((await oneWay(from, to, { delete: true, dryRun: true })).deleted, 2);
  const second = await oneWay(from, to, { delete: true, pattern: "d/*" });
  assert.deepEqual([second.skipped, second.deleted], [1, 1]);
  const third = await oneWay(from, to, { delete: true });
  assert.deepEqual([third.copied, third.skipped, third.deleted], [0, 3, 1]);
  assert.deepEqual(await content(to), await content(from));
});

Deno.test("sync: nothing is deleted where the source could not be listed to its end, or is empty", async () => {
  const [from, to] = [memory(), memory()];
  for (let i = 0; i < 1500; i++) await from.put(`${i}`, text("x"));
  await put(to, { "0a": "extra" });
  const { list } = from;
  from.list = (options) => {
    if (options?.cursor !== undefined) from.failNext(1, "before");
    return list(options);
  };
  await assert.rejects(oneWay(from, to, { delete: true }), { kind: "unavailable" });
  assert.ok("0a" in await content(to));
  const empty = memory();
  await assert.rejects(oneWay(empty, to, { delete: true }), /"disk" has nothing/);
  assert.ok("0a" in await content(to));
  await oneWay(empty, to, { delete: true, acceptEmpty: true });
  assert.deepEqual(await content(to), {});
});

Deno.test("sync: what appears at the source after it was listed is not deleted", async () => {
  const [from, to] = [memory(), memory()];
  await put(from, { a: "one" });
  await put(to, { b: "two" });
  const { list } = to;
  to.list = async (options) => {
    const page = await list(options);
    await put(from, { b: "two" });
    return page;
  };
  const report = await oneWay(from, to, { delete: true });
  assert.deepEqual([report.deleted, await read(to, "b")], [0, "two"]);
});

Deno.test("two-way sync: each side gets what changed on the other", async () => {
  const [from, to] = [memory(), memory()];
  const journal = new MemoryJournal();
  await put(from, { mine: "1", both: "0", gone: "0", away: "0", same: "s" });
  await put(to, { yours: "2", same: "s" });
  await twoWay(from, to, { journal });
  assert.deepEqual(await content(from), await content(to));
  await put(from, { mine: "1b" });
  await put(to, { yours: "2b" });
  await from.delete("gone");
  await to.delete("away");
  const report = await twoWay(from, to, { journal });
  assert.deepEqual([report.copied, report.deleted, report.skipped], [2, 2, 2]);
  const wanted = { both: "0", mine: "1b", same: "s", yours: "2b" };
  assert.deepEqual([await content(from), await content(to)], [wanted, wanted]);
  const writes = journal.writes;
  const quiet = await twoWay(from, to, { journal });
  assert.deepEqual([quiet.copied, quiet.skipped, quiet.failures], [0, 4, 0]);
  // Opening sorts in what the run before noted.
  assert.equal(journal.writes, writes + 1);
});

Deno.test("two-way sync: changed on both sides, both versions stay", async () => {
  const [from, to] = [memory(), memory()];
  const journal = new MemoryJournal();
  await put(from, { "a.txt": "old", deleted: "old", kept: "old" });
  await twoWay(from, to, { journal });
  await put(from, { "a.txt": "mine", kept: "changed here" });
  await put(to, { "a.txt": "yours", deleted: "changed there" });
  await from.delete("deleted");
  await to.delete("kept");
  assert.equal((await twoWay(from, to, { journal, dryRun: true })).conflicts, 1);
  const report = await twoWay(from, to, { journal });
  assert.deepEqual([report.conflicts, report.failures], [1, 0]);
  const wanted = {
    [COPY]: "yours",
    "a.txt": "mine",
    deleted: "changed there",
    kept: "changed here",
  };
  assert.deepEqual([await content(from), await content(to)], [wanted, wanted]);
});

Deno.test("two-way sync: a name that a conflict would take stays as it is", async () => {
  const [from, to] = [memory(), memory()];
  await put(from, { "a.txt": "mine", [COPY]: "mine too" });
  await put(to, { "a.txt": "yours", [COPY]: "yours too" });
  const journal = new MemoryJournal();
  assert.equal((await twoWay(from, to, { journal })).failures, 0);
  assert.equal((await twoWay(from, to, { journal })).copied, 0);
  const all = await content(from);
  assert.deepEqual(await content(to), all);
  assert.deepEqual(Object.values(all).sort(), ["mine", "mine too", "yours", "yours too"]);
});

Deno.test("two-way sync: a side that is empty and was not is not taken for deletions", async () => {
  const [from, to] = [memory(), memory()];
  const journal = new MemoryJournal();
  await put(from, { a: "1", b: "2" });
  await twoWay(from, to, { journal });
  const empty = memory();
  await assert.rejects(twoWay(empty, to, { journal }), /"disk" is empty and was not/);
  assert.deepEqual(await content(to), { a: "1", b: "2" });
  await twoWay(empty, to, { journal, acceptEmpty: true });
  assert.deepEqual(await content(to), {});
});

Deno.test("two-way sync: the journal forgets what is deleted before it is gone", async () => {
  const [from, to] = [memory(), memory()];
  const journal = new MemoryJournal();
  await put(from, { a: "1", b: "2" });
  await twoWay(from, to, { journal });
  await from.delete("a");
  const forgotten = `{"path":"a","from":null,"to":null}\n`;
  to.delete = () => {
    assert.ok(journal.text.endsWith(forgotten));
    return Promise.reject(new RangeError("killed"));
  };
  to.head = () => Promise.reject(new RangeError("killed"));
  await assert.rejects(twoWay(from, to, { journal }), /killed/);
  assert.ok(journal.text.endsWith(forgotten));
});

Deno.test("two-way sync: a refused deletion is tried again", async () => {
  const [from, to] = [memory(), memory()];
  const journal = new MemoryJournal();
  await put(from, { a: "1", b: "2" });
  await twoWay(from, to, { journal });
  await from.delete("a");
  const { delete: real } = to;
  to.delete = (path) => {
    to.failNext(1, "before");
    return real(path);
  };
  assert.equal((await twoWay(from, to, { journal })).failures, 1);
  to.delete = real;
  assert.equal((await twoWay(from, to, { journal })).deleted, 1);
  assert.deepEqual([await content(from), await content(to)], [{ b: "2" }, { b: "2" }]);
});

Deno.test("two-way sync: what is changed just before it would be deleted stays", async () => {
  const [from, to] = [memory(), memory()];
  const journal = new MemoryJournal();
  await put(from, { a: "1", b: "2" });
  await twoWay(from, to, { journal });
  await from.delete("a");
  const { head } = from;
  // The last look at the other side.
  from.head = async (...args) => {
    await put(to, { a: "work" });
    return await head(...args);
  };
  const report = await twoWay(from, to, { journal });
  assert.deepEqual([report.failed[0].path, report.failed[0].kind], ["a", "conflict"]);
  from.head = head;
  await twoWay(from, to, { journal });
  assert.deepEqual(await content(from), { a: "work", b: "2" });
});
