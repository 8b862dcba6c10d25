import assert from "node:assert/strict";
import fc from "fast-check";
import { createStorage } from "../../backends/storage.ts";
import { patternBytes, piecesOf, watchedStream } from "./store_samples.ts";
import { comparePaths } from "../storage/object_path.ts";
import { MemoryObjectStore } from "../../backends/memory/object_store.ts";
import { FaultyStore } from "../../tests/support/faulty_store.ts";
import { ObjectStorage } from "./object_storage.ts";

const TWO = {
  provider: "rest",
  providers: {
    rest: { type: "memory", url: "https://files.example/base/" },
    pictures: { type: "memory" },
  },
  patterns: [{ match: "*.png|*.jpg", to: "pictures" }],
} as const;

const PNG = new Uint8Array([
  0x89,
  0x50,
  0x4e,
  0x47,
  0x0d,
  0x0a,
  0x1a,
  0x0a,
  0,
  0,
  0,
  13,
  0x49,
  0x48,
  0x44,
  0x52,
  0,
  0,
  0,
  1,
  0,
  0,
  0,
  1,
  8,
  6,
  0,
  0,
  0,
]);

async function everything(storage: ObjectStorage, limit: number, delimited = false) {
  const told: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await storage.list({ limit, cursor, delimited });
    assert.ok(page.files.length + page.prefixes.length <= limit);
    told.push(...page.files.map(({ path }) => path), ...page.prefixes);
    cursor = page.cursor ?? undefined;
  } while (cursor !== undefined);
  return told;
}

Deno.test("storage: text, bytes, blobs and streams go up and come down", async () => {
  await using storage = await createStorage(TWO);
  const bytes = patternBytes(200_000);
  for (
    const data of [bytes, new Blob([bytes]), piecesOf(bytes, 7000)]
  ) {
    const seen: number[] = [];
    const result = await storage.upload("x.bin", data, { onProgress: (count) => seen.push(count) });
    assert.deepEqual([result.size, result.provider], [bytes.length, "rest"]);
    assert.equal(seen.at(-1), bytes.length);
    assert.deepEqual(await storage.download("x.bin"), bytes);
  }
  await storage.upload("x.txt", "grüße");
  assert.equal(await storage.downloadText("x.txt"), "grüße");
  assert.deepEqual(await storage.download("x.bin", { offset: 10, length: 5 }), bytes.slice(10, 15));
});

Deno.test("storage: content types by name, by first bytes, or as given", async () => {
  await using storage = await createStorage(TWO);
  const typeOf = async (path: string, data: string | Uint8Array | ReadableStream<Uint8Array>) =>
    (await storage.upload(path, data)).contentType;
  assert.equal(await typeOf("a.html", "<p>"), "text/html; charset=utf-8");
  assert.equal(await typeOf("no-extension", PNG), "image/png");
  assert.equal(await typeOf("streamed", piecesOf(PNG, 3)), "image/png");
  assert.deepEqual(await storage.download("streamed"), new Uint8Array(PNG));
  assert.equal(await typeOf("unknown", new Uint8Array([1, 2, 3])), "application/octet-stream");
  assert.equal(await typeOf("empty", piecesOf(new Uint8Array(), 1)), "application/octet-stream");
  const { contentType } = await storage.upload("b.html", "x", { contentType: "a/b" });
  assert.equal(contentType, "a/b");
});

Deno.test("storage: rules decide where files lie, unless a call says so", async () => {
  await using storage = await createStorage(TWO);
  await storage.upload("cat.png", PNG);
  assert.equal((await storage.getInfo("cat.png")).provider, "pictures");
  assert.equal(await storage.exists("cat.png", { provider: "rest" }), false);
  await assert.rejects(storage.getInfo("cat.png", { provider: "rest" }), { kind: "missing" });
  await assert.rejects(
    storage.exists("cat.png", { provider: "none" }),
    /there are "rest", "pictures"/,
  );
  const copied = await storage.copy("cat.png", "deep/cat.copy");
  assert.deepEqual([copied.provider, copied.contentType], ["rest", "image/png"]);
  assert.deepEqual(await storage.download("deep/cat.copy"), new Uint8Array(PNG));
  const moved = await storage.move("cat.png", "dog.jpg");
  assert.equal(moved.provider, "pictures");
  assert.equal(await storage.exists("cat.png"), false);
  await storage.delete(["dog.jpg", "deep/cat.copy", "none"]);
  assert.deepEqual(await everything(storage, 10), []);
});

Deno.test("storage: files that are too large are refused, streams while they come", async () => {
  await using storage = await createStorage({ ...TWO, maxFileSize: 1000 });
  await storage.upload("fits", new Uint8Array(1000));
  for (const data of [new Uint8Array(1001), piecesOf(new Uint8Array(5000), 300)]) {
    await assert.rejects(storage.upload("large", data), { kind: "invalid" });
  }
  assert.equal(await storage.exists("large"), false);
});

Deno.test("storage: URLs", async () => {
  await using storage = await createStorage(TWO);
  const { url } = await storage.upload("a b/ü.txt", "x");
  assert.equal(url, "https://files.example/base/a%20b/%C3%BC.txt");
  assert.equal(await storage.getUrl("a b/ü.txt"), url);
  await assert.rejects(storage.getUrl("x.png"), /has no public URL/);
  await assert.rejects(storage.getUrl("x.txt", { expires: 60 }), { kind: "invalid" });
  await using cdn = await createStorage({ ...TWO, cdn: { domain: "cdn.example" } });
  assert.equal(await cdn.getUrl("x.png"), "https://cdn.example/x.png");
});

Deno.test("storage: bad paths are refused before any provider is asked", async () => {
  await using storage = await createStorage(TWO);
  for (const path of ["", "/a", "a/../b", "a\u0007"]) {
    await assert.rejects(storage.upload(path, "x"), { kind: "invalid" });
    await assert.rejects(storage.download(path), { kind: "invalid" });
    assert.throws(() => storage.explain(path), { kind: "invalid" });
  }
  await assert.rejects(storage.list({ cursor: "nonsense" }), { kind: "invalid" });
});

Deno.test("storage: a listing of several providers is one, whatever the size of its pages", async () => {
  const part = fc.constantFrom("a", "b", "a b", "é", "z", "0");
  const path = fc.tuple(part, part, part).map((parts) => parts.join("/"))
    .chain((base) => fc.constantFrom(".png", ".txt").map((end) => base + end));
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(path, { maxLength: 30 }),
      fc.integer({ min: 1, max: 7 }),
      async (paths, limit) => {
        await using storage = await createStorage(TWO);
        for (const each of paths) await storage.upload(each, each);
        // One that lies at the wrong provider too is told once, of the right one.
        if (paths.length > 0) {
          await storage.upload(paths[0], "elsewhere", { provider: "rest" });
          await storage.upload(paths[0], "elsewhere", { provider: "pictures" });
        }
        assert.deepEqual(await everything(storage, limit), paths.toSorted(comparePaths));
        for (const file of (await storage.list()).files) {
          assert.equal(file.provider, storage.explain(file.path).provider);
        }
        const tops = [...new Set(paths.map((each) => each.slice(0, each.indexOf("/") + 1)))];
        assert.deepEqual(await everything(storage, limit, true), tops.toSorted(comparePaths));
      },
    ),
    { numRuns: 60 },
  );
});

Deno.test("storage: a provider with fallbacks is one provider; health tells which is away", async () => {
  const directory = await Deno.makeTempDir();
  const path = `${directory}/primary`;
  await using storage = await createStorage({
    provider: "safe",
    providers: {
      safe: { type: "failover", primary: "disk", fallbacks: ["other"] },
      disk: { type: "local", path },
      other: { type: "memory" },
    },
    retry: { attempts: 1 },
  });
  await storage.upload("a", "at home");
  assert.equal(await storage.downloadText("a", { provider: "disk" }), "at home");
  const rows = await storage.health();
  assert.deepEqual(rows.map(({ provider, healthy }) => [provider, healthy]), [
    ["safe", true],
    ["disk", true],
    ["other", true],
  ]);
  await Deno.remove(directory, { recursive: true });
  for (
    const settings of [
      { type: "failover", primary: "disk", fallbacks: ["disk"] },
      { type: "failover", primary: "disk", fallbacks: ["nowhere"] },
      { type: "failover", primary: "safe", fallbacks: ["disk"] },
    ] as const
  ) {
    const providers = { disk: { type: "memory" }, safe: settings } as const;
    await assert.rejects(createStorage({ provider: "safe", providers }), { kind: "invalid" });
  }
});

Deno.test("storage: a mirror is one provider; its members are there too, counted and healthy or not", async () => {
  const directory = await Deno.makeTempDir();
  const providers = {
    safe: { type: "mirror", stores: ["disk", "other", "third"], write: "quorum", read: "balanced" },
    disk: { type: "local", path: `${directory}/disk` },
    other: { type: "memory" },
    third: { type: "local", path: `${directory}/third` },
  } as const;
  await using storage = await createStorage({
    provider: "safe",
    providers,
    retry: { attempts: 1 },
  });
  await storage.upload("a", "everywhere");
  for (const provider of ["safe", "disk", "other", "third"]) {
    assert.equal(await storage.downloadText("a", { provider }), "everywhere");
  }
  const rows = (await storage.health()).filter(({ provider }) => provider in providers);
  assert.deepEqual(rows.map(({ healthy }) => healthy), [true, true, true, true]);
  const usage = storage.usage().map(({ provider, writes }) => [provider, writes > 0]);
  assert.deepEqual(usage.sort(), [["disk", true], ["other", true], ["third", true]]);
  assert.match(storage.named("safe").made!, /^mirror of disk, other, third: write quorum, read /);
  // What somebody put at one member himself is taken over.
  await storage.upload("own", "mine", { provider: "third" });
  const { settled, left } = await storage.named("safe").reconcile!("everything");
  assert.deepEqual([settled, left], [["own"], []]);
  assert.equal(await storage.downloadText("own", { provider: "disk" }), "mine");
  await Deno.remove(directory, { recursive: true });
  for (
    const settings of [
      { type: "mirror", stores: ["disk"] },
      { type: "mirror", stores: ["disk", "disk"] },
      { type: "mirror", stores: ["disk", "nowhere"] },
      { type: "mirror", stores: ["safe", "disk"] },
      { type: "failover", primary: "safe", fallbacks: ["other"] },
    ] as const
  ) {
    const wrong = { ...providers, wrong: settings };
    await assert.rejects(createStorage({ provider: "safe", providers: wrong }), {
      kind: "invalid",
    });
  }
});

Deno.test("storage: closed, it refuses", async () => {
  const storage = await createStorage(TWO);
  await storage.upload("x", "y");
  await storage.close();
  await storage.close();
  await assert.rejects(storage.download("x"), { kind: "invalid" });
});

Deno.test("storage: an upload that is refused leaves no stream open", async () => {
  await using storage = await createStorage({ ...TWO, maxFileSize: 10_000 });
  await storage.upload("there", "older");
  const uploads: [string, Parameters<ObjectStorage["upload"]>[2]][] = [
    ["not//there", {}],
    ["x", { provider: "nobody" }],
    // Its content type is found by its first bytes.
    ["there", { create: true }],
    ["there", { create: true, onProgress: () => {} }],
    ["there", { create: true, contentType: "a/b" }],
  ];
  for (const [path, options] of uploads) {
    const { stream, state } = watchedStream(patternBytes(5000));
    await assert.rejects(storage.upload(path, stream, options), /Cannot/);
    assert.ok(state.isRead || state.isCancelled, `${path} ${JSON.stringify(options)}`);
  }
  await storage.close();
  for (const path of ["by its name.txt", "by its first bytes"]) {
    const { stream, state } = watchedStream(patternBytes(5000));
    await assert.rejects(storage.upload(path, stream), /closed/);
    assert.ok(state.isCancelled, path);
  }
});

Deno.test("storage: so many calls with bytes go on at once, and streams wait for none of them", async () => {
  const faulty = new FaultyStore(new MemoryObjectStore({ now: Date.now }));
  await using storage = new ObjectStorage({
    providers: [{
      name: "all",
      publicUrl: null,
      store: () => Promise.resolve(faulty),
      close: () => Promise.resolve(),
    }],
    rules: { firstParts: {}, patterns: [], fallback: "all" },
    atOnce: 3,
  });
  const options = { contentType: "text/plain" };
  let going = 0, most = 0;
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  const { promise: full, resolve: fill } = Promise.withResolvers<void>();
  faulty.around = {
    async before() {
      most = Math.max(most, ++going);
      if (most === 4) fill();
      await gate;
    },
    after: () => void going--,
  };
  const calls = Array.from({ length: 20 }, (_, i) => storage.upload(`${i}`, "text", options));
  const stream = storage.upload("stream", piecesOf(new Uint8Array(10), 5), options);
  await full;
  open();
  await Promise.all([...calls, stream]);
  assert.equal(most, 4); // the stream beside three of the others
  most = 0;
  await Promise.all(Array.from({ length: 20 }, (_, i) => storage.download(`${i}`)));
  assert.equal(most, 3);
});

Deno.test("storage: a listing reads each page of its providers once, but for the one it is in the middle of", async () => {
  const named = (name: string) => {
    const faulty = new FaultyStore(new MemoryObjectStore({ now: Date.now }));
    const store = () => Promise.resolve(faulty);
    return { faulty, name, publicUrl: null, store, close: () => Promise.resolve() };
  };
  const [one, other] = [named("one"), named("other")];
  await using storage = new ObjectStorage({
    providers: [one, other],
    rules: { firstParts: { b: "other" }, patterns: [], fallback: "one" },
  });
  for (let i = 0; i < 2500; i++) await one.faulty.put(`a/${i}`, new Uint8Array());
  for (let i = 0; i < 1500; i++) await other.faulty.put(`b/${i}`, new Uint8Array());
  const callsFor = async (options: { readonly provider?: string }) => {
    const before = one.faulty.calls + other.faulty.calls;
    let cursor: string | undefined, found = 0;
    do {
      const page = await storage.list({ ...options, cursor });
      found += page.files.length;
      cursor = page.cursor ?? undefined;
    } while (cursor !== undefined);
    return [found, one.faulty.calls + other.faulty.calls - before];
  };
  assert.deepEqual(await callsFor({ provider: "one" }), [2500, 3]);
  const [found, calls] = await callsFor({});
  assert.equal(found, 4000);
  // Three and two pages, and those again that a page of both ended in the middle of.
  assert.ok(calls <= 8, `${calls} calls`);
});
