/** Migration and sync between memory and every cloud: whether what one call says of an object is what another one says. */
import assert from "node:assert/strict";
import { MemoryObjectStore } from "../../backends/memory/object_store.ts";
import { MIB } from "../../core/limits.ts";
import { migrate } from "../../core/objects/migration.ts";
import { sync, syncTwoWay } from "../../core/objects/sync.ts";
import { listObjects, type ObjectStore } from "../../core/storage/object_store.ts";
import { bytesOf, patternBytes, text } from "../../core/objects/store_samples.ts";
import { MemoryJournal } from "../support/memory_journal.ts";
import { cloudsUnderTest, runningCloud } from "./cloud_stores.ts";

/** With one that goes in parts. */
const SIZES = { "a/empty": 0, "a/small": 1000, "b/whole": MIB, "b/parts": 20 * MIB };
const SAID = { contentType: "text/plain", metadata: { author: "Ada" }, tags: { t: "1" } };

const named = (name: string, store: ObjectStore) => ({
  name,
  publicUrl: null,
  store: () => Promise.resolve(store),
  close: () => store.close(),
});

async function filled(): Promise<MemoryObjectStore> {
  const store = new MemoryObjectStore({ now: Date.now });
  for (const [path, size] of Object.entries(SIZES)) {
    await store.put(path, patternBytes(size, size), SAID);
  }
  return store;
}

async function checkFilled(store: ObjectStore): Promise<void> {
  const paths: string[] = [];
  for await (const { path } of listObjects(store, "")) {
    paths.push(path);
    const content = await store.get(path);
    const { contentType, metadata, tags, size } = content.info;
    assert.deepEqual({ contentType, metadata: { ...metadata }, tags: { ...tags } }, SAID);
    assert.equal(Buffer.compare(await bytesOf(content), patternBytes(size, size)), 0);
  }
  assert.deepEqual(paths, Object.keys(SIZES).sort());
}

for (const [name, cloud] of Object.entries(cloudsUnderTest)) {
  const running = await runningCloud(cloud);
  const why = "missing" in running ? ` (skipped: ${running.missing})` : "";
  const test = (what: string, holds: (store: ObjectStore) => Promise<void>) => {
    Deno.test({
      name: `${name}: ${what}${why}`,
      ignore: why !== "",
      fn: async () => {
        if ("missing" in running) return;
        await using opened = await running.open();
        await holds(opened.store);
      },
    });
  };

  test("objects migrate there and back, and a journal knows each of them again", async (store) => {
    const here = await filled();
    const there = { from: named("here", here), to: named("there", store) };
    const journal = new MemoryJournal();
    const first = await migrate(there, { journal });
    assert.deepEqual([first.copied, first.failed], [4, []]);
    await checkFilled(store);
    const second = await migrate(there, { journal, deleteSource: true });
    assert.deepEqual([second.copied, second.compared, second.skipped, second.deleted], [
      0,
      0,
      4,
      4,
    ]);
    const back = { from: there.to, to: there.from };
    const third = await migrate(back, { deleteSource: true });
    assert.deepEqual([third.copied, third.deleted, third.failed], [4, 4, []]);
    await checkFilled(here);
    assert.deepEqual((await store.list()).objects, []);
  });

  test("sync describes, deletes and comes to rest", async (store) => {
    const here = await filled();
    const sides = { from: named("here", here), to: named("there", store) };
    await store.put("a/small", patternBytes(1000, 1000), { tags: { other: "1" } });
    await store.put("z", text("extra"));
    const first = await sync(sides, { delete: true });
    assert.deepEqual([first.copied, first.compared, first.deleted, first.failed], [3, 1, 1, []]);
    await checkFilled(store);
    const journal = new MemoryJournal();
    assert.equal((await syncTwoWay(sides, { journal })).skipped, 4);
    await store.put("a/small", text("changed there"));
    await here.delete("b/whole");
    await here.put("b/parts", text("mine"));
    await store.put("b/parts", text("yours"));
    const second = await syncTwoWay(sides, { journal });
    assert.deepEqual([second.deleted, second.conflicts, second.failed], [1, 1, []]);
    const third = await syncTwoWay(sides, { journal });
    assert.deepEqual([third.copied, third.compared, third.skipped], [0, 0, 4]);
  });
}
