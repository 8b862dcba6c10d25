import assert from "node:assert/strict";
import fc from "fast-check";
import { checkObjectPath } from "../storage/object_path.ts";
import { conflictName } from "./conflict_name.ts";

const limits = (pathBytesMax: number, partBytesMax: number) => ({
  capabilities: {
    atomicCreate: true,
    atomicMatch: true,
    nested: true,
    signedUrls: false,
    objectBytesMax: 1,
    pathBytesMax,
    partBytesMax,
    metadataBytesMax: 1,
  },
});

const lastModified = new Date(Date.UTC(2026, 10, 21, 9, 8, 7));

Deno.test("conflict names: the extension stays, hidden files have none", () => {
  const name = (path: string, provider = "s3", number = 1) =>
    conflictName({ path, lastModified, provider, number }, [limits(1024, 1024)]);
  assert.equal(name("docs/a.b.txt"), "docs/a.b (conflict 2026-11-21 09-08-07 s3).txt");
  assert.equal(name("d.x/.hidden"), "d.x/.hidden (conflict 2026-11-21 09-08-07 s3)");
  assert.equal(name("a", "My/disk\u0007", 2), "a (conflict 2026-11-21 09-08-07 My-disk- 2)");
});

Deno.test("conflict names: stores take them, however long the name was", () => {
  const parts = fc.array(fc.string({ unit: "grapheme", minLength: 1, maxLength: 300 }), {
    minLength: 1,
    maxLength: 3,
  });
  fc.assert(fc.property(parts, fc.integer({ min: 1, max: 99 }), (chosen, number) => {
    const path = chosen.join("/");
    try {
      checkObjectPath(path, { provider: "any", ...limits(1024, 255) });
    } catch {
      return fc.pre(false);
    }
    if (new TextEncoder().encode(path).length > 900) return;
    const stores = [limits(1024, 1024), limits(1000, 255)];
    const version = { path, lastModified, provider: "s3", number };
    const [name, other] = [
      conflictName(version, stores),
      conflictName({ ...version, number: 100 }, stores),
    ];
    for (const store of stores) checkObjectPath(name, { provider: "any", ...store });
    assert.notEqual(name, path);
    assert.notEqual(name, other);
  }));
});
