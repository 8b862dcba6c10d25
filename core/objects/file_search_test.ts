import assert from "node:assert/strict";
import { join } from "node:path";
import fc from "fast-check";
import { MemoryObjectStore } from "../../backends/memory/object_store.ts";
import { openSqliteCatalogue } from "../../backends/sqlite/catalogue.ts";
import { createStorage } from "../../backends/storage.ts";
import { text } from "./store_samples.ts";
import { storeContract } from "./store_contract.ts";
import { FaultyStore } from "../../tests/support/faulty_store.ts";
import type { Catalogue } from "./catalogue.ts";
import { CataloguedStore } from "./catalogued_store.ts";
import { FileSearch } from "./file_search.ts";

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function world(memory: MemoryObjectStore, catalogue: Catalogue) {
  const faulty = new FaultyStore(memory);
  const store = new CataloguedStore(faulty, { catalogue, provider: "p" });
  const search = new FileSearch(catalogue, (name) => Promise.resolve(name === "p" ? store : null));
  return { faulty, store, search };
}

for (const [property, holds] of Object.entries(storeContract)) {
  Deno.test(`catalogued: ${property}`, async () => {
    const catalogue = openSqliteCatalogue(":memory:");
    await holds(world(new MemoryObjectStore({ now: Date.now }), catalogue).store);
    await catalogue.close();
  });
}

Deno.test("search: by tags, metadata, prefix, type, size, time and provider, page by page", async () => {
  await inFolder(async (folder) => {
    await using storage = await createStorage({
      provider: "one",
      providers: { one: { type: "memory" }, two: { type: "memory" } },
      patterns: [{ match: "*.png", to: "two" }],
      catalogue: { type: "sqlite", path: join(folder, "catalogue.db") },
    });
    const before = new Date();
    await storage.upload("docs/a.txt", "1", {
      tags: { project: "x", kind: "note" },
      metadata: { by: "Ada" },
    });
    await storage.upload("docs/b.txt", "22", { tags: { project: "x" } });
    await storage.upload("docs/é.png", "333", { tags: { project: "y" } });
    await storage.upload("other", "4444");
    const found = async (query: Parameters<typeof storage.search>[0]) => {
      const paths: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await storage.search({ ...query, cursor });
        assert.ok(page.files.length <= (query.limit ?? 1000));
        paths.push(...page.files.map(({ path }) => path));
        cursor = page.cursor ?? undefined;
      } while (cursor !== undefined);
      return paths;
    };
    const all = ["docs/a.txt", "docs/b.txt", "docs/é.png", "other"];
    for (const limit of [1, 2, 3, 4, undefined]) assert.deepEqual(await found({ limit }), all);
    assert.deepEqual(await found({ tags: { project: "x" } }), ["docs/a.txt", "docs/b.txt"]);
    assert.deepEqual(await found({ tags: { project: "x", kind: "note" } }), ["docs/a.txt"]);
    assert.deepEqual(await found({ metadata: { by: "Ada" } }), ["docs/a.txt"]);
    assert.deepEqual(await found({ tags: { by: "Ada" } }), []);
    assert.deepEqual(await found({ prefix: "docs/", limit: 2 }), all.slice(0, 3));
    assert.deepEqual(await found({ prefix: "docs/é" }), ["docs/é.png"]);
    assert.deepEqual(await found({ contentType: "text/plain" }), ["docs/a.txt", "docs/b.txt"]);
    assert.deepEqual(await found({ contentType: "image/*" }), ["docs/é.png"]);
    assert.deepEqual(await found({ contentType: "text" }), []);
    assert.deepEqual(await found({ size: { min: 2, max: 3 } }), ["docs/b.txt", "docs/é.png"]);
    assert.deepEqual(await found({ modified: { min: before } }), all);
    assert.deepEqual(await found({ modified: { max: new Date(before.getTime() - 1) } }), []);
    assert.deepEqual(await found({ provider: "two" }), ["docs/é.png"]);
    const [{ tags, metadata, contentType, size }] = (await storage.search({ limit: 1 })).files;
    assert.deepEqual([tags, metadata, contentType, size], [
      { project: "x", kind: "note" },
      { by: "Ada" },
      "text/plain; charset=utf-8",
      1,
    ]);
    await storage.move("docs/a.txt", "moved");
    await storage.delete(["docs/b.txt"]);
    assert.deepEqual(await found({ tags: { project: "x" } }), ["moved"]);
    await assert.rejects(storage.search({ cursor: "nonsense!" }), { kind: "invalid" });
    await assert.rejects(storage.search({ provider: "none" }), { kind: "missing" });
    await assert.rejects(storage.search({ limit: 0 }), { kind: "invalid" });
  });
});

Deno.test("search: without a catalogue, or with what is none, it says so", async () => {
  await inFolder(async (folder) => {
    await using plain = await createStorage({ providers: { a: { type: "memory" } } });
    await assert.rejects(plain.search({}), /the settings name no catalogue/);
    const path = join(folder, "no database");
    await Deno.writeTextFile(path, "x".repeat(5000));
    await using storage = await createStorage({
      providers: { a: { type: "memory" } },
      catalogue: { type: "sqlite", path },
    });
    await assert.rejects(storage.search({}), /^VaultError: Cannot open catalogue/);
    await assert.rejects(storage.upload("x", "y"), { kind: "unavailable" });
  });
});

Deno.test("reindex: what others changed is found, and what is gone forgotten", async () => {
  const catalogue = openSqliteCatalogue(":memory:");
  const memory = new MemoryObjectStore({ now: Date.now });
  const { store, search, faulty } = world(memory, catalogue);
  await store.put("mine", text("x"), { tags: { a: "1" } });
  await memory.put("theirs", text("y"), { tags: { a: "1" } });
  await memory.delete("mine");
  const query = { tags: { a: "1" } };
  assert.deepEqual((await search.search(query)).files.map(({ path }) => path), ["mine"]);
  faulty.failNext(1, "before");
  await assert.rejects(search.reindex("p"), { kind: "unavailable" });
  assert.deepEqual((await search.search(query)).files.map(({ path }) => path), ["mine"]);
  assert.deepEqual(await search.reindex("p"), { provider: "p", files: 1, forgotten: 1 });
  assert.deepEqual((await search.search(query)).files.map(({ path }) => path), ["theirs"]);
  await catalogue.close();
});

Deno.test("catalogue: after failures and crashes at any moment it shows what there is", async () => {
  const step = fc.record({
    do: fc.constantFrom("put", "put", "delete", "copy", "describe", "crash"),
    path: fc.constantFrom("a", "b/c", "d"),
    fault: fc.constantFrom("none", "none", "before", "after", "gone"),
    who: fc.integer({ min: 0, max: 1 }),
  });
  await inFolder(async (folder) => {
    let database = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
        const path = join(folder, `${database++}.db`);
        const memory = new MemoryObjectStore({ now: Date.now });
        const open = () => {
          const catalogue = openSqliteCatalogue(path);
          return { catalogue, ...world(memory, catalogue) };
        };
        const sides = [open(), open()];
        for (const [i, each] of steps.entries()) {
          const { faulty, store, catalogue } = sides[each.who];
          faulty.left = 0;
          // "gone": the process ends in the middle, and settles nothing.
          if (each.fault === "gone" || each.do === "crash") {
            faulty.failNext(Infinity, i % 2 === 0 ? "before" : "after");
          } else if (each.fault !== "none") faulty.failNext(1, each.fault);
          const work = each.do === "put"
            ? store.put(each.path, text(`${i}`), { tags: { n: `${i}` } })
            : each.do === "copy"
            ? store.copy("a", each.path)
            : each.do === "describe"
            ? store.describe(each.path, { tags: { m: `${i}` } })
            : store.delete(each.path);
          await work.catch(() => {});
          faulty.left = 0;
          if (each.do === "crash") {
            await catalogue.close();
            sides[each.who] = open();
          }
        }
        for (const { search, catalogue } of sides) {
          const { files } = await search.search({});
          const there = await Promise.all(
            (await memory.list()).objects.map(async ({ path }) => {
              const { etag, tags } = (await memory.head(path))!;
              return { path, etag, tags };
            }),
          );
          assert.deepEqual(files.map(({ path, etag, tags }) => ({ path, etag, tags })), there);
          await catalogue.close();
        }
      }),
      { numRuns: 60 },
    );
  });
});

Deno.test("catalogue: changes of one path by two processes at once end with what there is", async () => {
  await inFolder(async (folder) => {
    const path = join(folder, "db");
    const memory = new MemoryObjectStore({ now: Date.now });
    const sides = [0, 1].map(() => {
      const catalogue = openSqliteCatalogue(path);
      return { catalogue, ...world(memory, catalogue) };
    });
    for (let round = 0; round < 30; round++) {
      const puts = Array.from(
        { length: 6 },
        (_, i) => sides[i % 2].store.put("x", text(`${round} ${i}`)),
      );
      await Promise.all(puts);
      const { files: [file] } = await sides[round % 2].search.search({});
      assert.equal(file.etag, (await memory.head("x"))!.etag);
    }
    for (const { catalogue } of sides) await catalogue.close();
  });
});
