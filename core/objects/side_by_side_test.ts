import assert from "node:assert/strict";
import fc from "fast-check";
import { MemoryObjectStore } from "../../backends/memory/object_store.ts";
import { FaultyStore } from "../../tests/support/faulty_store.ts";
import { text } from "./store_samples.ts";
import { comparePaths } from "../storage/object_path.ts";
import { sideBySide } from "./side_by_side.ts";
import type { JournalRecord } from "./transfer_journal.ts";

const paths = fc.uniqueArray(
  fc.stringMatching(/^[ab.😀]{1,4}(\/[ab]{1,3})?$/u).filter((path) => {
    return path.split("/").every((part) => part !== "." && part !== "..");
  }),
);

async function storeOf(chosen: readonly string[]): Promise<FaultyStore> {
  const store = new MemoryObjectStore({ now: () => 0 });
  for (const path of chosen) await store.put(path, text(path));
  return new FaultyStore(store);
}

async function* recordsOf(chosen: readonly string[]): AsyncGenerator<JournalRecord> {
  await Promise.resolve();
  for (const path of chosen.toSorted(comparePaths)) yield { path, from: null, to: null };
}

Deno.test("side by side: every path once, in order, with all that is known of it", async () => {
  await fc.assert(fc.asyncProperty(paths, paths, paths, async (left, right, known) => {
    const found = await Array.fromAsync(sideBySide({
      from: await storeOf(left),
      to: await storeOf(right),
      records: recordsOf(known),
      prefix: "",
      matches: (path) => !path.endsWith("b"),
    }));
    const all = [...new Set([...left, ...right, ...known])].filter((path) => !path.endsWith("b"));
    assert.deepEqual(found.map(({ path }) => path), all.sort(comparePaths));
    for (const { path, from, to, record } of found) {
      const there = [from, to, record].map((each) => each?.path === path);
      assert.deepEqual(there, [left, right, known].map((each) => each.includes(path)));
    }
  }));
});

Deno.test("side by side: a listing that does not ascend is corrupt: what is missing could not be told", async () => {
  const [from, to] = [await storeOf(["a", "b"]), await storeOf([])];
  const { list } = from;
  from.list = async (options) => {
    const page = await list(options);
    return { ...page, objects: page.objects.toReversed() };
  };
  const options = { from, to, records: recordsOf([]), prefix: "", matches: () => true };
  await assert.rejects(Array.fromAsync(sideBySide(options)), { kind: "corrupt" });
});
