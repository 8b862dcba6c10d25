/** Stores whose changes are noted in a catalogue: what a search finds is what there is, whatever was cut short. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { MemoryObjectStore } from "../../backends/memory/object_store.ts";
import type { Catalogue } from "../../core/objects/catalogue.ts";
import { CataloguedStore } from "../../core/objects/catalogued_store.ts";
import { FileSearch } from "../../core/objects/file_search.ts";
import { text } from "../../core/objects/store_samples.ts";
import { storeContract } from "../../core/objects/store_contract.ts";
import { FaultyStore } from "../support/faulty_store.ts";
import type { CatalogueProperty, CatalogueWorld } from "./catalogue.ts";

/** One process: a store of its own before the same objects, and its catalogue. */
function processOn(memory: MemoryObjectStore, catalogue: Catalogue) {
  const faulty = new FaultyStore(memory);
  const store = new CataloguedStore(faulty, { catalogue, provider: "p" });
  const search = new FileSearch(catalogue, (name) => Promise.resolve(name === "p" ? store : null));
  return { catalogue, faulty, store, search };
}

const openProcess = async (world: CatalogueWorld, memory: MemoryObjectStore) =>
  processOn(memory, await world.open());

const emptyMemory = () => new MemoryObjectStore({ now: Date.now });

/** A search shows every object, as it is, and nothing else. */
async function findsWhatThereIs(search: FileSearch, memory: MemoryObjectStore): Promise<void> {
  const { files } = await search.search({});
  const there = await Promise.all(
    (await memory.list()).objects.map(async ({ path }) => (await memory.head(path))!),
  );
  const shown = ({ path, etag, tags }: (typeof there)[0]) => ({ path, etag, tags: { ...tags } });
  assert.deepEqual(files.map(shown), there.map(shown));
}

async function clear(memory: MemoryObjectStore, search: FileSearch): Promise<void> {
  for (const { path } of (await memory.list()).objects) await memory.delete(path);
  await search.reindex("p");
}

const change = fc.record({
  do: fc.constantFrom("put", "put", "delete", "copy", "describe"),
  path: fc.constantFrom("a", "b/c", "d"),
});

/** Makes a change; `mark` tells it from others. */
async function make(
  store: CataloguedStore,
  each: { readonly do: string; readonly path: string },
  mark: string,
): Promise<void> {
  if (each.do === "put") await store.put(each.path, text(mark), { tags: { n: mark } });
  else if (each.do === "copy") await store.copy("a", each.path);
  else if (each.do === "describe") await store.describe(each.path, { tags: { m: mark } });
  else await store.delete(each.path);
}

const contract = Object.fromEntries(
  Object.entries(storeContract).map(([property, holds]): [string, CatalogueProperty] => [
    `a store: ${property}`,
    async (world) => {
      const { store, catalogue } = await openProcess(world, emptyMemory());
      await holds(store);
      await catalogue.close();
    },
  ]),
);

/** What such stores promise. */
export const storesInCatalogue: Readonly<Record<string, CatalogueProperty>> = {
  ...contract,

  "what others changed is found by reindexing, and what is gone forgotten": async (world) => {
    const memory = emptyMemory();
    const { store, search, faulty, catalogue } = await openProcess(world, memory);
    await store.put("mine", text("x"), { tags: { a: "1" } });
    await memory.put("theirs", text("y"), { tags: { a: "1" } });
    await memory.delete("mine");
    const found = async () =>
      (await search.search({ tags: { a: "1" } })).files.map((it) => it.path);
    assert.deepEqual(await found(), ["mine"]);
    faulty.failNext(1, "before");
    await assert.rejects(search.reindex("p"), { kind: "unavailable" });
    assert.deepEqual(await found(), ["mine"]);
    assert.deepEqual(await search.reindex("p"), { provider: "p", files: 1, forgotten: 1 });
    assert.deepEqual(await found(), ["theirs"]);
    await assert.rejects(search.reindex("q"), { kind: "missing" });
    await catalogue.close();
  },

  "after failures and crashes at any moment a search shows what there is": async (world) => {
    const step = fc.record({
      change,
      end: fc.constantFrom("well", "well", "before", "after", "gone", "crash"),
      who: fc.integer({ min: 0, max: 1 }),
    });
    const memory = emptyMemory();
    const sides = [await openProcess(world, memory), await openProcess(world, memory)];
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
        await clear(memory, sides[0].search);
        for (const [i, { change, end, who }] of steps.entries()) {
          const { faulty, store, catalogue } = sides[who];
          // "gone": the provider stays away, and nothing is settled.
          if (end === "before" || end === "after") faulty.failNext(1, end);
          else if (end !== "well") faulty.failNext(Infinity, i % 2 === 0 ? "before" : "after");
          await make(store, change, `${i}`).catch(() => {});
          faulty.left = 0;
          if (end !== "crash") continue;
          await catalogue.close();
          sides[who] = await openProcess(world, memory);
        }
        for (const { search } of sides) await findsWhatThereIs(search, memory);
      }),
      { numRuns: 40 },
    );
    for (const { catalogue } of sides) await catalogue.close();
  },

  "whatever the order in which calls of three processes reach the provider, a search shows what there is":
    async (world) => {
      const step = fc.record({
        change,
        who: fc.integer({ min: 0, max: 2 }),
        what: fc.constantFrom("change", "change", "change", "search", "reindex"),
      });
      const memory = emptyMemory();
      const sides = [0, 1, 2].map(() => openProcess(world, memory));
      const all = await Promise.all(sides);
      await fc.assert(
        fc.asyncProperty(
          fc.array(step, { minLength: 2, maxLength: 8 }),
          fc.scheduler(),
          async (steps, scheduler) => {
            await clear(memory, all[0].search);
            const wait = (when: string) => () => scheduler.schedule(Promise.resolve(), when);
            for (const { faulty } of all) {
              faulty.around = { before: wait("before"), after: wait("after") };
            }
            const working = Promise.allSettled(steps.map(({ change, who, what }, i) => {
              if (what === "search") return all[who].search.search({});
              if (what === "reindex") return all[who].search.reindex("p");
              return make(all[who].store, change, `${i}`);
            }));
            await scheduler.waitFor(working);
            for (const { faulty } of all) faulty.around = { before: () => {}, after: () => {} };
            for (const { search } of all) await findsWhatThereIs(search, memory);
          },
        ),
        { numRuns: 80 },
      );
      for (const { catalogue } of all) await catalogue.close();
    },

  "what could not be settled is forgotten by its own process when it has been looked at": async (
    world,
  ) => {
    const memory = emptyMemory();
    const { store, search, faulty, catalogue } = await openProcess(world, memory);
    await using other = closing(await openProcess(world, memory));
    faulty.failNext(Infinity, "after");
    await assert.rejects(store.put("x", text("y")), { kind: "unavailable" });
    faulty.left = 0;
    // Others cannot know that it is over.
    await findsWhatThereIs(other.it.search, memory);
    assert.equal((await catalogue.announced()).length, 1);
    await findsWhatThereIs(search, memory);
    assert.deepEqual(await catalogue.announced(), []);
    await catalogue.close();
  },

  "while the provider is away, a search shows what was known": async (world) => {
    const memory = emptyMemory();
    const { store, search, faulty, catalogue } = await openProcess(world, memory);
    await store.put("x", text("y"));
    await catalogue.announce({ path: "x", provider: "p" });
    await catalogue.announce({ path: "x", provider: "of another configuration" });
    faulty.failNext(Infinity, "before");
    assert.deepEqual((await search.search({})).files.map(({ path }) => path), ["x"]);
    assert.equal((await catalogue.announced()).length, 2);
    await catalogue.close();
  },
};

function closing<T extends { readonly catalogue: Catalogue }>(it: T) {
  return { it, [Symbol.asyncDispose]: () => it.catalogue.close() };
}
