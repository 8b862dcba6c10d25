import assert from "node:assert/strict";
import { join } from "node:path";
import { refused, text } from "../../core/objects/store_samples.ts";
import { openLocalObjects } from "./object_store.ts";

async function inFolder(
  body: (folder: string, store: Awaited<ReturnType<typeof openLocalObjects>>) => Promise<void>,
): Promise<void> {
  const path = await Deno.makeTempDir({ prefix: "sv-objects-" });
  const store = await openLocalObjects({ path });
  try {
    await body(path, store);
  } finally {
    await store.close();
    await Deno.remove(path, { recursive: true });
  }
}

/** How often this process has a file open. */
function openHandles(path: string): number {
  return [...Deno.readDirSync("/proc/self/fd")].filter(({ name }) => {
    try {
      return Deno.readLinkSync(`/proc/self/fd/${name}`) === path;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return false; // that of the listing
      throw error;
    }
  }).length;
}

Deno.test("local: no file stays open behind a body, a refused call or a copy", async () => {
  await inFolder(async (folder, store) => {
    const { etag } = await store.put("a", text("bytes"));
    const path = join(folder, "a");
    const content = await store.get("a");
    assert.equal(openHandles(path), 1);
    await content.body.cancel();
    assert.equal(openHandles(path), 0);
    await refused(store, store.get("a", { match: "another" }), "conflict");
    await refused(store, store.get("a", { offset: 10 }), "invalid");
    await store.head("a");
    await store.copy("a", "b", { create: true });
    await refused(store, store.copy("a", "b", { create: true }), "conflict");
    await refused(store, store.copy("a", "a/b"), "conflict");
    const giving = new AbortController();
    await store.get("a", { match: etag, signal: giving.signal });
    giving.abort();
    await store.head("a");
    assert.equal(openHandles(path), 0);
  });
});

Deno.test("local: a file that becomes shorter while it is read fails, and is not copied in part", async () => {
  await inFolder(async (folder, store) => {
    await store.put("a", new Uint8Array(1_000_000));
    const { body } = await store.get("a");
    await Deno.truncate(join(folder, "a"), 10);
    const reader = body.getReader();
    assert.equal((await reader.read()).value!.length, 10);
    const error = await reader.read().then(() => null, (error) => error);
    assert.deepEqual([error.kind, error.provider], ["unavailable", "local"]);
  });
});

Deno.test("local: a record of others says nothing", async () => {
  await inFolder(async (folder, store) => {
    await store.put("a", text("x"), { tags: { b: "c" } });
    const records = join(folder, ".sigmavault-objects", "said");
    for (
      const odd of ["", "{", "null", '{"contentType":1}', '{"contentType":"a/b","metadata":7}']
    ) {
      for (const { name } of Deno.readDirSync(records)) {
        await Deno.writeTextFile(join(records, name), odd);
      }
      assert.deepEqual((await store.head("a"))!.tags, {});
    }
  });
});
