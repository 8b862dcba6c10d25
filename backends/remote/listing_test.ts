import assert from "node:assert/strict";
import type { ListedObject, ListPage } from "../../core/storage/object_store.ts";
import { checkedPage } from "./listing.ts";

const CALL = { provider: "s3", operation: "list", path: "bucket" };
const [size, etag, lastModified] = [1, "e", new Date(0)];

function pageOf(objects: Partial<ListedObject>[], rest: Partial<ListPage> = {}): ListPage {
  const listed = objects.map((it) => ({ path: "a/b", size, etag, lastModified, ...it }));
  return { objects: listed, prefixes: [], cursor: null, ...rest };
}

Deno.test("a listing tells what was asked for, whatever came", () => {
  const marks = ["b", "a/", "a//b", "../a/b"].map((path) => ({ path, lastModified: undefined }));
  const came = pageOf([{}, ...marks], {
    prefixes: ["a/c/", "c/"],
    cursor: "2",
  });
  const page = checkedPage(came, { prefix: "a/", cursor: "1" }, CALL);
  assert.deepEqual(page, { ...pageOf([{}]), prefixes: ["a/c/"], cursor: "2" });
});

Deno.test("a listing that does not go on, or has what cannot be, counts as none", () => {
  const bad: [ListPage, string?][] = [
    [pageOf([{ size: -5 }])],
    [pageOf([{ size: NaN }])],
    [pageOf([{ size: 2 ** 60 }])],
    [pageOf([{ lastModified: undefined }])],
    [pageOf([{ lastModified: new Date(NaN) }])],
    [pageOf([], { cursor: "again" }), "again"],
  ];
  for (const [page, cursor] of bad) {
    assert.throws(() => checkedPage(page, { cursor }, CALL), { kind: "unavailable" });
  }
});
