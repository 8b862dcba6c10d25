import assert from "node:assert/strict";
import { MemoryObjectStore } from "../../backends/memory/object_store.ts";
import { FaultyStore } from "../../tests/support/faulty_store.ts";
import { systemRuntime } from "../runtime.ts";
import { PathNotes } from "./path_notes.ts";
import { bytesOf, everyPage, text } from "./store_samples.ts";

const PREFIX = ".notes/";

function world() {
  const memory = new MemoryObjectStore({ now: systemRuntime.now });
  const store = new FaultyStore(memory);
  return { memory, store, open: () => new PathNotes(store, PREFIX) };
}

Deno.test("notes: others see them when they look; what has not changed is not read again", async () => {
  const { store, open } = world();
  const [one, two] = [open(), open()];
  const paths = ["a", "a/b", "x".repeat(1024), "日本/語"];
  for (const path of paths) await one.note(path, { removed: path === "a" });
  const found = await two.look();
  assert.deepEqual([...found.keys()].sort(), paths.toSorted());
  assert.deepEqual([found.get("a")!.removed, found.get("a/b")!.removed], [true, false]);
  const before = store.calls;
  await two.look();
  assert.equal(store.calls - before, 1);
  await one.note("a", { removed: false });
  assert.equal((await two.look()).get("a")!.removed, false);
  assert.equal(store.calls - before, 4);
});

Deno.test("notes: one that was noted again is not dropped, though it says the same", async () => {
  const { memory, open } = world();
  const [one, two] = [open(), open()];
  await one.note("a", { removed: false });
  const older = (await two.look()).get("a")!;
  const [name] = (await everyPage(memory, {})).objects;
  const bytes = await bytesOf(await memory.get(name));
  await one.note("a", { removed: false });
  // Some providers make etags of the bytes alone.
  assert.notDeepEqual(await bytesOf(await memory.get(name)), bytes);
  assert.equal(await two.drop("a", older), false);
  const newer = (await two.look()).get("a")!;
  assert.ok(await two.drop("a", newer));
  assert.equal((await one.look()).size, 0);
  assert.equal(two.known("a"), undefined);
});

Deno.test("notes: what is none, or on no path, is left alone", async () => {
  const { memory, open } = world();
  const notes = open();
  const strange = [
    "",
    "{",
    "7",
    "null",
    "[]",
    '{"path":7,"removed":true}',
    '{"path":"../x","removed":true}',
  ];
  strange.push(
    `{"path":"${PREFIX}x","removed":false}`,
    '{"path":"x"}',
    '{"path":"","removed":true}',
  );
  for (const [i, each] of strange.entries()) await memory.put(`${PREFIX}${i}`, text(each));
  assert.equal((await notes.look()).size, 0);
});
