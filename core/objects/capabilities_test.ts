import assert from "node:assert/strict";
import { MemoryObjectStore } from "../../backends/memory/object_store.ts";
import { narrowest } from "./capabilities.ts";

Deno.test("of several stores, what each of them can do, and what none of them refuses", () => {
  const { capabilities: all } = new MemoryObjectStore({ now: Date.now });
  const narrow = narrowest([
    all,
    { ...all, nested: false, pathBytesMax: 100, refusedCharacters: "\\" },
    { ...all, atomicMatch: false, metadataBytesMax: 50, refusedCharacters: "?\\" },
  ]);
  const { refusedCharacters, ...rest } = narrow;
  assert.deepEqual([...refusedCharacters!].toSorted(), ["?", "\\"]);
  const wanted = { ...all, nested: false, atomicMatch: false, pathBytesMax: 100 };
  assert.deepEqual(rest, { ...wanted, metadataBytesMax: 50 });
  assert.equal(narrowest([all, all]).refusedCharacters, "");
});
