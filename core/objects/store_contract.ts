/**
 * What every provider of objects promises (see `core/storage/object_store.ts`), as checks that run against a store: in our own tests
 * against real servers, and by `storage test` against a provider that somebody has configured.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { MIB } from "../limits.ts";
import { systemRuntime } from "../runtime.ts";
import { listObjects, type ObjectStore } from "../storage/object_store.ts";
import { bodyContract } from "./body_contract.ts";
import {
  bytesOf,
  everyPage,
  patternBytes,
  read,
  refused,
  refusedPut,
  type StoreProperty,
  text,
} from "./store_samples.ts";

/** The contract, property by property. */
export const storeContract: Readonly<Record<string, StoreProperty>> = {
  "what was put is got, with all that was said of it": async (store) => {
    const bytes = patternBytes(100_000);
    const metadata = { author: "Ada Lovelace", "page-count": "12" };
    const tags = { project: "engine", "cost centre": "a/b:c=d" };
    const before = systemRuntime.now();
    const put = await store.put("letters/2026/one.txt", bytes, {
      contentType: "text/plain; charset=utf-8",
      metadata,
      tags,
    });
    const { info, body, offset, length } = await store.get("letters/2026/one.txt");
    const got = await bytesOf({ info, body, offset, length });
    assert.deepEqual(got, bytes);
    assert.deepEqual([offset, length], [0, bytes.length]);
    const head = await store.head("letters/2026/one.txt");
    for (const known of [put, info, head]) {
      assert(known !== null);
      assert.equal(known.path, "letters/2026/one.txt");
      assert.equal(known.size, bytes.length);
      assert.equal(known.contentType, "text/plain; charset=utf-8");
      assert.deepEqual({ ...known.metadata }, metadata);
      assert.deepEqual({ ...known.tags }, tags);
      assert.equal(known.etag, put.etag);
      assert.ok(Math.abs(known.lastModified.getTime() - before) < 120_000);
    }
  },

  "what nothing was said of has defaults; empty objects are objects": async (store) => {
    const { contentType, metadata, tags, size } = await store.put("nothing", new Uint8Array());
    assert.deepEqual(
      [contentType, { ...metadata }, { ...tags }, size],
      ["application/octet-stream", {}, {}, 0],
    );
    const content = await store.get("nothing");
    assert.equal(content.length, 0);
    assert.equal((await bytesOf(content)).length, 0);
  },

  "what is not there is missing": async (store) => {
    assert.equal(await store.head("none"), null);
    await refused(store, store.get("none"), "missing");
    await refused(store, store.copy("none", "other"), "missing");
    await refused(store, store.describe("none", { tags: { a: "b" } }), "missing");
    await store.delete("none");
    await store.deleteMany(["none", "none/either"]);
  },

  "a later put replaces bytes and description": async (store) => {
    const first = await store.put("x", text("first"), { metadata: { a: "1" }, tags: { t: "1" } });
    const second = await store.put("x", text("the second"), { contentType: "text/html" });
    assert.notEqual(first.etag, second.etag);
    const head = (await store.head("x"))!;
    assert.deepEqual(
      [head.size, head.contentType, { ...head.metadata }, { ...head.tags }],
      [10, "text/html", {}, {}],
    );
    assert.equal(await read(store, "x"), "the second");
  },

  "ranges": async (store) => {
    const bytes = patternBytes(50_000);
    await store.put("r", bytes);
    for (
      const [offset, length] of [[0, 1], [1, 10], [49_999, 1], [49_990, 500], [20_000, 20_000]]
    ) {
      const part = await store.get("r", { offset, length });
      const end = Math.min(offset + length, bytes.length);
      assert.deepEqual([part.offset, part.length], [offset, end - offset]);
      assert.equal(part.info.size, bytes.length);
      assert.deepEqual(await bytesOf(part), bytes.slice(offset, end));
    }
    const rest = await store.get("r", { offset: 49_000 });
    assert.deepEqual(await bytesOf(rest), bytes.slice(49_000));
    await refused(store, store.get("r", { offset: 50_000 }), "invalid");
    await refused(store, store.get("r", { offset: -1 }), "invalid");
    await refused(store, store.get("r", { offset: 0, length: 0 }), "invalid");
  },

  ...bodyContract,

  "create: of several at once one succeeds": async (store) => {
    const tries = Array.from(
      { length: 8 },
      (_, i) => store.put("c", text(`${i}`), { create: true }),
    );
    const settled = await Promise.allSettled(tries);
    const winners = settled.flatMap(({ status }, i) => status === "fulfilled" ? [i] : []);
    assert.equal(winners.length, 1);
    for (const each of settled) {
      if (each.status === "rejected") await refused(store, Promise.reject(each.reason), "conflict");
    }
    assert.equal(await read(store, "c"), `${winners[0]}`);
    await store.delete("c");
    await store.put("c", text("again"), { create: true });
  },

  "match: only who knows the newest state changes it": async (store) => {
    const first = await store.put("m", text("1"));
    const second = await store.put("m", text("2"), { match: first.etag });
    await refused(store, store.put("m", text("3"), { match: first.etag }), "conflict");
    await refused(store, store.put("none", text("3"), { match: first.etag }), "conflict");
    await refused(store, store.get("m", { match: first.etag }), "conflict");
    assert.equal((await bytesOf(await store.get("m", { match: second.etag }))).length, 1);
    await refused(store, store.delete("m", { match: first.etag }), "conflict");
    assert.equal(await read(store, "m"), "2");
    await store.delete("m", { match: second.etag });
    assert.equal(await store.head("m"), null);
  },

  "deleting": async (store) => {
    const paths = Array.from({ length: 25 }, (_, i) => `d/${i}`);
    await Promise.all(paths.map((path) => store.put(path, text(path))));
    await store.delete("d/0");
    await store.deleteMany(paths.slice(0, 20));
    assert.deepEqual((await everyPage(store, {})).objects, [
      "d/20",
      "d/21",
      "d/22",
      "d/23",
      "d/24",
    ]);
  },

  "listing: prefixes, order, pages": async (store) => {
    const sorted = await putMany(store);
    for (const limit of [undefined, 1, 3]) {
      assert.deepEqual((await everyPage(store, { limit })).objects, sorted);
      const below = await everyPage(store, { limit, prefix: "b/" });
      assert.deepEqual(below.objects, ["b/1", "b/2/x", "b/2/y", "b/3"]);
    }
    assert.deepEqual((await everyPage(store, { prefix: "nowhere/" })).objects, []);
    assert.equal((await everyPage(store, { limit: 3 })).pages, 4);
    const [listed] = (await store.list({ prefix: "b/1" })).objects;
    const head = (await store.head("b/1"))!;
    assert.deepEqual([listed.size, listed.etag], [head.size, head.etag]);
    // Some list whole seconds only.
    assert.ok(Math.abs(listed.lastModified.getTime() - head.lastModified.getTime()) < 1000);
    const all: string[] = [];
    for await (const { path } of listObjects(store, "b")) all.push(path);
    assert.deepEqual(all, sorted.filter((path) => path.startsWith("b")));
    await refused(store, store.list({ limit: 0 }), "invalid");
    await refused(store, store.list({ limit: 1001 }), "invalid");
  },

  "listing one level of paths, page by page": async (store) => {
    const sorted = await putMany(store);
    for (const limit of [undefined, 1, 3]) {
      const level = await everyPage(store, { limit, prefix: "b/", delimited: true });
      assert.deepEqual([level.objects, level.prefixes], [["b/1", "b/3"], ["b/2/"]]);
      const top = await everyPage(store, { limit, delimited: true });
      assert.deepEqual(top.prefixes, ["b/", "z/"]);
      assert.deepEqual(top.objects, sorted.filter((path) => !path.includes("/")));
    }
  },

  "copying keeps bytes and description, and obeys conditions": async (store) => {
    const said = { contentType: "image/png", metadata: { a: "1" }, tags: { b: "2" } };
    await store.put("from", text("copied"), said);
    const copied = await store.copy("from", "to/there");
    for (const known of [copied, (await store.head("to/there"))!]) {
      assert.deepEqual([known.path, known.size], ["to/there", 6]);
      assert.deepEqual(
        [known.contentType, { ...known.metadata }, { ...known.tags }],
        [said.contentType, said.metadata, said.tags],
      );
    }
    assert.equal(await read(store, "to/there"), "copied");
    assert.equal(await read(store, "from"), "copied");
    await refused(store, store.copy("from", "to/there", { create: true }), "conflict");
    await store.copy("from", "fresh", { create: true });
    const stale = copied.etag;
    await store.put("to/there", text("newer"));
    await refused(store, store.copy("from", "to/there", { match: stale }), "conflict");
    assert.equal(await read(store, "to/there"), "newer");
  },

  "describing changes what is given, and no byte": async (store) => {
    await store.put("x", text("bytes"), {
      contentType: "a/b",
      metadata: { m: "1" },
      tags: { t: "1" },
    });
    await store.describe("x", { tags: { u: "2" } });
    let head = (await store.head("x"))!;
    assert.deepEqual([head.contentType, { ...head.metadata }, { ...head.tags }], [
      "a/b",
      { m: "1" },
      { u: "2" },
    ]);
    head = await store.describe("x", { contentType: "c/d", metadata: {} });
    assert.deepEqual([head.contentType, { ...head.metadata }, { ...head.tags }], [
      "c/d",
      {},
      { u: "2" },
    ]);
    assert.equal(await read(store, "x"), "bytes");
  },

  "paths that are none, and descriptions that some provider could not keep": async (store) => {
    for (
      const path of ["", "/a", "a/", "a//b", "../a", "a/./b", "a/..", "a\u0000b", "a\nb", "\ud800"]
    ) {
      await refused(store, store.put(path, text("x")), "invalid");
      await refused(store, store.get(path), "invalid");
      await refused(store, store.delete(path), "invalid");
    }
    await refused(store, store.put("x".repeat(1025), text("x")), "invalid");
    await refused(store, store.put("x", text("x"), { metadata: { "a b": "c" } }), "invalid");
    await refused(store, store.put("x", text("x"), { metadata: { a: "line\nbreak" } }), "invalid");
    await refused(store, store.put("x", text("x"), { tags: { "a?": "c" } }), "invalid");
    await refused(store, store.put("x", text("x"), { contentType: "a\r\nb" }), "invalid");
    assert.equal(await store.head("x"), null);
  },

  "odd paths are paths": async (store) => {
    const odd = [
      "a b",
      "a+b",
      "a%2Fb",
      "a?b=c",
      "a#b",
      "a&b",
      "ä/ö/ü",
      "日本",
      "a'b\"c",
      "...",
      ".hidden",
      "~",
    ];
    const { refusedCharacters = "" } = store.capabilities;
    if (!refusedCharacters.includes("\\")) odd.push("a\\b");
    for (const refusedOne of refusedCharacters) {
      await refused(store, store.put(`a${refusedOne}b`, text("x")), "invalid");
    }
    for (const path of odd) {
      await store.put(path, text(path));
      assert.equal(await read(store, path), path);
    }
    const { objects } = await everyPage(store, {});
    assert.deepEqual(objects.toSorted(), odd.toSorted());
    await store.deleteMany(odd);
    assert.deepEqual((await everyPage(store, {})).objects, []);
  },

  "objects below objects, where the provider has that": async (store) => {
    await store.put("a", text("above"));
    if (!store.capabilities.nested) {
      await refused(store, store.put("a/b", text("below")), "conflict");
      await refused(store, store.copy("a", "a/b"), "conflict");
      for (const none of ["a/b", "a/b/c"]) {
        assert.equal(await store.head(none), null);
        await refused(store, store.get(none), "missing");
        await refused(store, store.copy(none, "x"), "missing");
        await refused(store, store.describe(none, { contentType: "a/b" }), "missing");
        await store.delete(none);
      }
      await store.put("c/d", text("below"));
      await refused(store, store.put("c", text("above")), "conflict");
      assert.equal(await store.head("c"), null);
      await refused(store, store.get("c"), "missing");
      return;
    }
    await store.put("a/b", text("below"));
    assert.deepEqual([await read(store, "a"), await read(store, "a/b")], ["above", "below"]);
    await store.delete("a");
    assert.equal(await read(store, "a/b"), "below");
  },

  "many at once": async (store) => {
    const work = Array.from({ length: 60 }, async (_, i) => {
      await store.put(`p/${i % 20}`, patternBytes(5000 + i, i));
      const { info, ...content } = await store.get(`p/${i % 20}`);
      const bytes = await bytesOf({ info, ...content });
      const writer = bytes.length - 5000;
      assert.equal(writer % 20, i % 20);
      assert.deepEqual(bytes, patternBytes(bytes.length, writer));
    });
    await Promise.all(work);
  },

  "a reader keeps the state that it began with": async (store) => {
    const bytes = patternBytes(3 * MIB);
    await store.put("x", bytes);
    const content = await store.get("x");
    const reader = content.body.getReader();
    const first = (await reader.read()).value!;
    await store.put("x", patternBytes(3 * MIB, 9));
    const parts = [first];
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      parts.push(next.value);
    }
    assert.ok(Buffer.compare(Buffer.concat(parts), bytes) === 0);
  },

  "signed URLs": async (store) => {
    await store.put("signed/a b", text("by URL"), { contentType: "text/plain" });
    const asked = store.signedUrl("signed/a b", { expiresSeconds: 60 });
    if (!store.capabilities.signedUrls) return await refused(store, asked, "invalid");
    const response = await fetch(await asked);
    assert.deepEqual([response.status, await response.text()], [200, "by URL"]);
    const put = await store.signedUrl("signed/new", { expiresSeconds: 60, method: "PUT" });
    const headers: Record<string, string> = store.provider === "azure"
      ? { "x-ms-blob-type": "BlockBlob" }
      : {};
    const stored = await fetch(put, { method: "PUT", body: "put by URL", headers });
    await stored.body?.cancel();
    assert.ok(stored.ok, `${stored.status}`);
    assert.equal(await read(store, "signed/new"), "put by URL");
    await refused(store, store.signedUrl("signed/a b", { expiresSeconds: 0 }), "invalid");
  },

  "closed, it refuses": async (store) => {
    await store.close();
    await store.close();
    await refused(store, store.put("a", text("x")), "invalid");
    await refusedPut(store, "a", {}, "invalid");
    await refused(store, store.list(), "invalid");
  },
};

/** Objects whose paths are hard to list. Resolves with the paths, ascending. */
async function putMany(store: ObjectStore): Promise<string[]> {
  const paths = ["a", "b/1", "b/2/x", "b/2/y", "b/3", "bé", "c d", "e+f", "g%20h", "z/日本/語"];
  await Promise.all(paths.map((path) => store.put(path, text(path))));
  return paths.toSorted((a, b) => Buffer.compare(text(a), text(b)));
}
