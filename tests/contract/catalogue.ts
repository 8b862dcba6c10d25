/** What every catalogue promises, whoever else uses it at the same time. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Catalogue, CataloguedFile, SearchQuery } from "../../core/objects/catalogue.ts";
import { comparePaths } from "../../core/storage/object_path.ts";

/** An empty catalogue. */
export interface CatalogueWorld extends AsyncDisposable {
  /** Opens it, as a further process does. Whoever opens it closes it. */
  open(): Promise<Catalogue>;
}

/** One property of a catalogue that is empty. */
export type CatalogueProperty = (world: CatalogueWorld) => Promise<void>;

/** A file of which nothing is said but what is given. */
export function catalogued(said: Partial<CataloguedFile> = {}): CataloguedFile {
  const lastModified = new Date(1_700_000_000_000);
  const nothing = { path: "x", provider: "p", size: 1, etag: "e", contentType: "text/plain" };
  return { ...nothing, lastModified, metadata: {}, tags: {}, ...said };
}

/** Notes a file as who changed it does. */
export async function note(catalogue: Catalogue, file: CataloguedFile): Promise<void> {
  assert.ok(await catalogue.settle(await catalogue.announce(file), file));
}

async function etags(catalogue: Catalogue): Promise<string[]> {
  return (await catalogue.search({})).files.map(({ etag }) => etag);
}

async function pages(catalogue: Catalogue, query: SearchQuery): Promise<CataloguedFile[]> {
  const found: CataloguedFile[] = [];
  let cursor: string | undefined;
  do {
    const page = await catalogue.search({ ...query, cursor });
    assert.ok(page.files.length <= (query.limit ?? 1000));
    assert.ok(page.files.length > 0 || page.cursor === null);
    found.push(...page.files);
    cursor = page.cursor ?? undefined;
  } while (cursor !== undefined);
  return found;
}

/** What a search means, one file at a time. */
function fits(file: CataloguedFile, query: SearchQuery): boolean {
  const { prefix = "", provider, contentType, size, modified, tags = {}, metadata = {} } = query;
  const has = (
    labels: Readonly<Record<string, string>>,
    wanted: Readonly<Record<string, string>>,
  ) =>
    Object.entries(wanted).every(([name, value]) =>
      Object.hasOwn(labels, name) && labels[name] === value
    );
  const [type] = file.contentType.split(";");
  const isType = contentType === undefined || contentType === file.contentType ||
    (contentType.endsWith("/*") ? type.startsWith(contentType.slice(0, -1)) : type === contentType);
  const time = file.lastModified.getTime();
  return file.path.startsWith(prefix) && (provider ?? file.provider) === file.provider && isType &&
    file.size >= (size?.min ?? 0) && file.size <= (size?.max ?? Infinity) &&
    time >= (modified?.min?.getTime() ?? 0) && time <= (modified?.max?.getTime() ?? Infinity) &&
    has(file.tags, tags) && has(file.metadata, metadata);
}

/** Characters that languages of queries, orders of text and encodings treat apart. */
const PIECES = [
  "a",
  "A",
  "b",
  "é",
  "z",
  "%",
  "_",
  "\\",
  "'",
  '"',
  "?",
  "*",
  "$1",
  "-",
  "\uffee",
  "𐍈",
];
const word = fc.array(fc.constantFrom(...PIECES), { minLength: 1, maxLength: 3 })
  .map((pieces) => pieces.join(""));
const path = fc.array(word, { minLength: 1, maxLength: 2 }).map((parts) => parts.join("/"));
const labels = fc.dictionary(fc.constantFrom("a", "b", "__proto__", "é'"), word, { maxKeys: 2 })
  .map((it) => Object.fromEntries(Object.entries(it)));
const provider = fc.constantFrom("p", "P", "q");
const type = fc.constantFrom(
  "text/plain",
  "text/plain; charset=utf-8",
  "text/plainer",
  "image/png",
);
const size = fc.constantFrom(0, 1, 2, 4096, 2 ** 31, Number.MAX_SAFE_INTEGER);
const time = fc.constantFrom(0, 1, 1_700_000_000_000, 8.64e15).map((ms) => new Date(ms));

const anyFile: fc.Arbitrary<CataloguedFile> = fc.record({
  path,
  provider,
  size,
  etag: word,
  lastModified: time,
  contentType: type,
  tags: labels,
  metadata: labels,
});

const bound = <T>(value: fc.Arbitrary<T>) =>
  fc.record({ min: value, max: value }, { requiredKeys: [] });

const anyQuery: fc.Arbitrary<SearchQuery> = fc.record({
  prefix: fc.oneof(word, fc.constant("")),
  provider,
  contentType: fc.oneof(type, fc.constantFrom("text/*", "image/*", "text", "%/*", "text/plain;*")),
  size: bound(fc.oneof(size, fc.constantFrom(0.5, -1, Infinity))),
  modified: bound(time),
  tags: labels,
  metadata: labels,
}, { requiredKeys: [] });

/** The contract, property by property. */
export const catalogueContract: Readonly<Record<string, CatalogueProperty>> = {
  "a search finds what fits, in the order of bytes, page by page": async (world) => {
    await using catalogue = closing(await world.open());
    const files = fc.uniqueArray(anyFile, {
      minLength: 1,
      maxLength: 25,
      selector: (file) => `${file.path}\n${file.provider}`,
    });
    const queries = fc.array(fc.tuple(anyQuery, fc.integer({ min: 1, max: 30 })), {
      maxLength: 12,
    });
    await fc.assert(
      fc.asyncProperty(files, queries, async (files, queries) => {
        for (const { path, provider } of await pages(catalogue.it, {})) {
          assert.ok(await catalogue.it.settle(await catalogue.it.look({ path, provider }), null));
        }
        for (const file of files) await note(catalogue.it, file);
        const sorted = files.toSorted((a, b) =>
          comparePaths(a.path, b.path) || comparePaths(a.provider, b.provider)
        );
        for (const [query, limit] of [[{}, 1] as const, ...queries]) {
          const wanted = sorted.filter((file) => fits(file, query));
          assert.deepEqual(
            (await pages(catalogue.it, { ...query, limit })).map(plain),
            wanted.map(plain),
          );
        }
      }),
      { numRuns: 40 },
    );
  },

  "what is searched for is refused where no file can have it": async (world) => {
    await using catalogue = closing(await world.open());
    for (const cursor of ["nonsense!", btoa("no line break"), btoa("a\nb\nc"), btoa("a\0\nb")]) {
      await assert.rejects(catalogue.it.search({ cursor }), { kind: "invalid" });
    }
    for (const limit of [0, 1.5, 1001]) {
      await assert.rejects(catalogue.it.search({ limit }), { kind: "invalid" });
    }
  },

  "what others said of a file that no database can keep does no harm": async (world) => {
    await using catalogue = closing(await world.open());
    const odd = catalogued({ tags: { a: "\ud800" }, metadata: { b: "x\0y" }, etag: "\0" });
    await note(catalogue.it, odd);
    assert.equal((await catalogue.it.search({})).files.length, 1);
  },

  "everybody sees what is noted, and it is there when it is opened again": async (world) => {
    const [one, other] = [await world.open(), await world.open()];
    await note(one, catalogued({ tags: { a: "1", b: "2" }, metadata: { by: "Ada" } }));
    assert.deepEqual((await other.search({ tags: { b: "2" } })).files.map(plain), [
      plain(catalogued({ tags: { a: "1", b: "2" }, metadata: { by: "Ada" } })),
    ]);
    await note(other, catalogued({ tags: { c: "3" } }));
    assert.deepEqual((await one.search({ tags: { a: "1" } })).files, []);
    const left = await one.announce(catalogued({ path: "left" }));
    await one.close();
    await other.close();
    await using again = closing(await world.open());
    assert.deepEqual((await again.it.search({ tags: { c: "3" } })).files.length, 1);
    const [{ age, ...announced }] = await again.it.announced();
    assert.deepEqual(announced, left);
    assert.ok(age >= 0 && age < 60_000, `${age}`);
    await again.it.forget(left);
    assert.deepEqual(await again.it.announced(), []);
    assert.equal(await again.it.settle(left, catalogued({ path: "left" })), false);
  },

  "of two changes that overlap none is noted, and a look after each is": async (world) => {
    const [one, other] = [await world.open(), await world.open()];
    const first = await one.announce(catalogued());
    const second = await other.announce(catalogued());
    assert.equal(await one.settle(first, catalogued({ etag: "first" })), false);
    assert.equal(await other.settle(second, catalogued({ etag: "second" })), false);
    assert.deepEqual(await etags(one), []);
    assert.equal((await one.look(first)).id, first.id);
    assert.equal(await one.settle(first, catalogued({ etag: "seen" })), true);
    assert.deepEqual(await etags(other), ["seen"]);
    // It has been looked at in the middle of a change, which has not ended.
    assert.deepEqual((await one.announced()).map(({ id }) => id), [second.id]);
    await other.look(second);
    assert.equal(await other.settle(second, null), true);
    assert.deepEqual(await etags(one), []);
    await one.close();
    await other.close();
  },

  "a look is not noted where a change began or ended since": async (world) => {
    const [one, other] = [await world.open(), await world.open()];
    const look = await one.look(catalogued());
    const change = await other.announce(catalogued());
    assert.equal(await one.settle(look, catalogued({ etag: "older" })), false);
    await one.look(look);
    assert.ok(await other.settle(change, catalogued({ etag: "newer" })));
    assert.equal(await one.settle(look, catalogued({ etag: "older" })), false);
    // Nor where the end of the change was not known, and is looked at itself.
    const unknown = await other.announce(catalogued());
    await one.look(look);
    await other.look(unknown);
    assert.equal(await one.settle(look, catalogued({ etag: "older" })), false);
    assert.deepEqual(await etags(one), ["newer"]);
    await one.look(look);
    assert.equal(await one.settle(look, catalogued({ etag: "seen" })), true);
    assert.deepEqual(await etags(other), ["seen"]);
    await one.close();
    await other.close();
  },

  "a look that began inside a change is not noted after it": async (world) => {
    await using catalogue = closing(await world.open());
    const change = await catalogue.it.announce(catalogued());
    const look = await catalogue.it.look(catalogued());
    assert.equal(await catalogue.it.settle(change, catalogued({ etag: "done" })), true);
    assert.equal(await catalogue.it.settle(look, catalogued({ etag: "older" })), false);
    assert.deepEqual(await etags(catalogue.it), ["done"]);
  },

  "looks do not keep changes from being noted, nor one another": async (world) => {
    await using catalogue = closing(await world.open());
    const change = await catalogue.it.announce(catalogued());
    const looks = [await catalogue.it.look(catalogued()), await catalogue.it.look(catalogued())];
    for (const look of looks) assert.equal(await catalogue.it.settle(look, null), true);
    assert.equal(await catalogue.it.settle(change, catalogued()), true);
    // Of another provider or path is another file.
    const others = [catalogued({ provider: "q" }), catalogued({ path: "y" })];
    const change2 = await catalogue.it.announce(catalogued());
    for (const other of others) await note(catalogue.it, other);
    assert.equal(await catalogue.it.settle(change2, null), true);
    assert.deepEqual(await catalogue.it.announced(), []);
    assert.equal((await etags(catalogue.it)).length, 2);
  },

  "a reindexing forgets what was not noted while it went on, and nothing of others": async (
    world,
  ) => {
    const [one, other] = [await world.open(), await world.open()];
    for (const path of ["kept", "gone", "changed"]) await note(one, catalogued({ path }));
    await note(one, catalogued({ path: "gone", provider: "q" }));
    const writing = await other.announce(catalogued({ path: "written" }));
    const round = await one.beginReindex("p");
    await note(one, catalogued({ path: "kept" }));
    await note(other, catalogued({ path: "changed", etag: "f" }));
    assert.ok(await other.settle(writing, catalogued({ path: "written" })));
    // A second one that begins meanwhile has not looked at anything yet.
    const later = await other.beginReindex("p");
    assert.equal(await round.end(), 1);
    const found = (await one.search({})).files.map(({ path, provider }) => `${provider} ${path}`);
    assert.deepEqual(found, ["p changed", "q gone", "p kept", "p written"]);
    assert.equal(await later.end(), 3);
    await one.close();
    await other.close();
  },

  "thousands of files are forgotten by a reindexing": async (world) => {
    await using catalogue = closing(await world.open());
    const paths = Array.from({ length: 1200 }, (_, i) => `${i}`);
    const lanes = Array.from({ length: 8 }, async (_, lane) => {
      for (const path of paths.filter((it) => Number(it) % 8 === lane)) {
        await note(catalogue.it, catalogued({ path }));
      }
    });
    await Promise.all(lanes);
    assert.equal((await pages(catalogue.it, {})).length, 1200);
    assert.equal(await (await catalogue.it.beginReindex("p")).end(), 1200);
    assert.deepEqual((await catalogue.it.search({})).files, []);
  },

  "of changes that many make at once, none is noted that another one overlapped": async (world) => {
    const all = await Promise.all(Array.from({ length: 4 }, () => world.open()));
    for (let round = 0; round < 10; round++) {
      const announced = await Promise.all(all.map((each) => each.announce(catalogued())));
      const settled = await Promise.all(
        all.map((each, i) => each.settle(announced[i], catalogued({ etag: `${i}` }))),
      );
      assert.deepEqual(settled, [false, false, false, false]);
      await Promise.all(all.map(async (each, i) => {
        // The end of each change that is looked at outdates the looks of those before.
        let looks = 0;
        do {
          assert.ok(++looks <= all.length);
          await each.look(announced[i]);
        } while (!await each.settle(announced[i], catalogued({ etag: `${round}` })));
      }));
      assert.deepEqual(await all[0].announced(), []);
      assert.deepEqual(await etags(all[1]), [`${round}`]);
    }
    for (const each of all) await each.close();
  },

  "it says whether it can be used": async (world) => {
    const catalogue = await world.open();
    await catalogue.check();
    await catalogue.close();
    await catalogue.close();
    await assert.rejects(catalogue.check(), { name: "VaultError" });
  },
};

function plain(file: CataloguedFile) {
  const { metadata, tags, lastModified } = file;
  const sorted = (labels: object) => Object.entries(labels).sort();
  return {
    ...file,
    lastModified: lastModified.getTime(),
    metadata: sorted(metadata),
    tags: sorted(tags),
  };
}

function closing(it: Catalogue): AsyncDisposable & { readonly it: Catalogue } {
  return { it, [Symbol.asyncDispose]: () => it.close() };
}
