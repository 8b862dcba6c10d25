import assert from "node:assert/strict";
import { join } from "node:path";
import { createStorage } from "../../backends/storage.ts";

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
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
