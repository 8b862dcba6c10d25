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

Deno.test("local: what lies behind a link of others is no object", async () => {
  await inFolder(async (folder, store) => {
    const elsewhere = await Deno.makeTempDir({ prefix: "sv-elsewhere-" });
    await Deno.mkdir(join(elsewhere, "deep"));
    await Deno.writeTextFile(join(elsewhere, "deep", "x"), "not yours");
    await Deno.symlink(elsewhere, join(folder, "link"));
    await Deno.symlink(join(elsewhere, "deep", "x"), join(folder, "file"));
    for (const path of ["link/deep/x", "file"]) {
      await refused(store, store.get(path), "missing");
      assert.equal(await store.head(path), null);
      await store.delete(path);
    }
    await refused(store, store.put("link/deep/x", text("mine")), "conflict");
    await refused(store, store.put("link/y", text("mine")), "conflict");
    assert.deepEqual((await store.list()).objects, []);
    assert.equal(await Deno.readTextFile(join(elsewhere, "deep", "x")), "not yours");
    assert.deepEqual([...Deno.readDirSync(elsewhere)].map(({ name }) => name), ["deep"]);
    await Deno.remove(elsewhere, { recursive: true });
  });
});

Deno.test("local: what a crash left half written is removed in time, and nothing else", async () => {
  await inFolder(async (folder, store) => {
    await store.put("a", text("x"), { tags: { b: "c" } });
    const own = join(folder, ".sigmavault-objects");
    const old = new Date(Date.now() - 30 * 24 * 3600 * 1000);
    const said = [...Deno.readDirSync(join(own, "said"))][0].name;
    const [aside, half] = [crypto.randomUUID(), `${said}.${crypto.randomUUID()}`];
    await Deno.writeTextFile(join(own, "writing", aside), "half");
    await Deno.writeTextFile(join(own, "writing", "under way"), "half");
    await Deno.writeTextFile(join(own, "said", half), "{");
    for (const path of [`writing/${aside}`, `said/${half}`, `said/${said}`]) {
      await Deno.utime(join(own, path), old, old);
    }
    const later = await openLocalObjects({ path: folder });
    const names = (directory: string) =>
      [...Deno.readDirSync(join(own, directory))].map(({ name }) => name);
    assert.deepEqual([names("writing"), names("said")], [["under way"], [said]]);
    assert.deepEqual((await later.head("a"))!.tags, { b: "c" });
    await later.close();
  });
});

Deno.test("local: a description that cannot be read fails the call, and is not lost", async () => {
  await inFolder(async (folder, store) => {
    await store.put("a", text("x"), { tags: { b: "c" } });
    const records = join(folder, ".sigmavault-objects", "said");
    const record = join(records, [...Deno.readDirSync(records)][0].name);
    const said = await Deno.readTextFile(record);
    await Deno.remove(record);
    await Deno.mkdir(record);
    const error = await store.head("a").then(() => null, (error) => error);
    assert.equal(error?.provider, "local", `${error}`);
    await assert.rejects(store.describe("a", { contentType: "a/b" }));
    await Deno.remove(record);
    await Deno.writeTextFile(record, said);
    assert.deepEqual((await store.head("a"))!.tags, { b: "c" });
  });
});

Deno.test("local: a directory is opened while others write to it", async () => {
  await inFolder(async (folder, store) => {
    let isWriting = true;
    const writing = Promise.all(Array.from({ length: 8 }, async (_, i) => {
      for (let n = 0; n < 20; n++) await store.put(`${i}`, text(`${n}`), { tags: { n: `${n}` } });
    })).finally(() => isWriting = false);
    while (isWriting) await (await openLocalObjects({ path: folder })).close();
    await writing;
  });
});
