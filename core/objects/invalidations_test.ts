import assert from "node:assert/strict";
import { MemoryObjectStore } from "../../backends/memory/object_store.ts";
import { createStorage, type StorageSettings } from "../../backends/storage.ts";
import type { VaultError } from "../errors.ts";
import { FaultyStore } from "../../tests/support/faulty_store.ts";
import { InvalidatingStore } from "./invalidating_store.ts";
import { Invalidations } from "./invalidations.ts";
import { storeContract } from "./store_contract.ts";

/** Nothing gathers, and a failed call is made again at once. */
const AT_ONCE = { gatherMs: 0, delayMs: 0 };
const TOKEN = "a secret of the CDN";

interface Call {
  readonly authorization: string | null;
  readonly files: string[];
}

/** A CDN whose API is asked over a real connection; `answer` says with which status. */
function cdnApi(answer: (call: Call, count: number) => number | Promise<number>) {
  const calls: Call[] = [];
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async (request) => {
      const { files } = await request.json();
      const call = { authorization: request.headers.get("authorization"), files };
      calls.push(call);
      return new Response("{}", { status: await answer(call, calls.length) });
    },
  );
  const url = `http://127.0.0.1:${server.addr.port}/purge_cache`;
  const settings = (batch?: number): StorageSettings => ({
    providers: { all: { type: "memory" } },
    cdn: { domain: "cdn.example/files", purge: { url, token: TOKEN, batch } },
  });
  return {
    calls,
    settings,
    /** As often as they were told. */
    told: () => calls.flatMap(({ files }) => files).toSorted(),
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

Deno.test("cdn: what was put, described, moved and deleted is told, together, in batches", async () => {
  await using api = cdnApi(() => 200);
  const storage = await createStorage(api.settings(3));
  await storage.upload("a b/ü.txt", "one");
  await storage.upload("a b/ü.txt", "two");
  await storage.upload("kept", "x", { create: true });
  await storage.copy("kept", "copied");
  await storage.move("copied", "moved");
  await storage.delete(["kept", "nothing"]);
  await storage.downloadText("a b/ü.txt");
  await assert.rejects(storage.upload("moved", "y", { create: true }), { kind: "conflict" });
  await storage.close();
  assert.deepEqual(
    [...new Set(api.told())],
    ["a%20b/%C3%BC.txt", "copied", "kept", "moved", "nothing"]
      .map((path) => `https://cdn.example/files/${path}`),
  );
  assert.ok(api.calls.every(({ files }) => files.length <= 3));
  assert.ok(api.calls.every(({ authorization }) => authorization === `Bearer ${TOKEN}`));
});

Deno.test("cdn: a change is told when it has happened, and nobody waits until it is told", async () => {
  const { promise: gate, resolve: open } = Promise.withResolvers<number>();
  const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
  await using api = cdnApi(() => {
    ask();
    return gate;
  });
  const storage = await createStorage(api.settings());
  await storage.upload("a", "older");
  await asked;
  // The CDN has not answered yet.
  await storage.upload("a", "newer");
  assert.equal(await storage.downloadText("a"), "newer");
  open(200);
  await storage.close();
  // The second change may have come while the first was told, so it was told again.
  assert.deepEqual(api.told(), ["https://cdn.example/files/a", "https://cdn.example/files/a"]);
});

Deno.test("cdn: the application's own hook takes the place of the settings'", async () => {
  await using api = cdnApi(() => 500);
  const told: string[] = [];
  const storage = await createStorage(api.settings(), {
    invalidate: (urls) => Promise.resolve(void told.push(...urls)),
    onWarning: (warning) => assert.fail(warning),
  });
  await storage.upload("a", "x");
  await storage.close();
  assert.deepEqual([told, api.calls.length], [["https://cdn.example/files/a"], 0]);
});

Deno.test("cdn: one that is switched off is told nothing, and files have their providers' URLs", async () => {
  await using api = cdnApi(() => 200);
  const { cdn } = api.settings();
  const storage = await createStorage({
    providers: { all: { type: "memory", url: "https://files.example" } },
    cdn: { ...cdn!, enabled: false },
  });
  assert.equal((await storage.upload("a", "x")).url, "https://files.example/a");
  await storage.close();
  assert.equal(api.calls.length, 0);
});

/** Invalidations that call the API of a CDN, and what they warned of. */
function telling(
  invalidate: (urls: readonly string[], signal: AbortSignal) => Promise<unknown>,
  settings: ConstructorParameters<typeof Invalidations>[2] = {},
) {
  const warnings: VaultError[] = [];
  const told = new Invalidations(
    (urls, { signal }) => invalidate(urls, signal),
    (warning) => warnings.push(warning),
    { ...AT_ONCE, ...settings },
  );
  return { told, warnings };
}

Deno.test("cdn: a call that fails is made again; one that goes on failing is reported, and the rest goes on", async () => {
  await using api = cdnApi(({ files }, count) => files[0] === "u:3" || count < 3 ? 503 : 200);
  const { purge } = api.settings().cdn!;
  const { purgeBy } = await import("../../backends/cdn/purge.ts");
  const call = purgeBy(purge!);
  const { told, warnings } = telling((urls, signal) => call(urls, { signal }), {
    batch: 3,
    attempts: 4,
  });
  for (let i = 0; i < 8; i++) told.changed(`u:${i}`);
  await told.close();
  const firsts = api.calls.map(({ files }) => files[0]);
  assert.deepEqual(firsts, ["u:0", "u:0", "u:0", "u:3", "u:3", "u:3", "u:3", "u:6"]);
  assert.equal(warnings.length, 1);
  assert.match(
    warnings[0].message,
    /^Cannot invalidate 3 URLs, .*: Cannot tell the CDN: .* answered 503$/,
  );
  assert.deepEqual([warnings[0].kind, warnings[0].operation], ["unavailable", "invalidate"]);
  assert.doesNotMatch(Deno.inspect(warnings), new RegExp(TOKEN));
});

Deno.test("cdn: a hook that never answers is given up, and closing ends", async () => {
  const never = () => new Promise<void>(() => {});
  const given = telling(never, { callMs: 1, attempts: 2 });
  given.told.changed("u:1");
  await given.told.close();
  assert.match(given.warnings[0].message, /1 URLs.*no answer within/);
  const closing = telling(never, { closeMs: 1, batch: 1 });
  for (let i = 0; i < 5; i++) closing.told.changed(`u:${i}`);
  await closing.told.close();
  const lost = closing.warnings.map(({ message }) => /invalidate (\d+) URLs/.exec(message)?.[1]);
  assert.deepEqual(lost, ["1", "4"]);
  await closing.told.close();
});

Deno.test("cdn: so many URLs wait and no more", async () => {
  const seen: string[] = [];
  const { told, warnings } = telling((urls) => Promise.resolve(void seen.push(...urls)), {
    waitingMax: 10,
  });
  for (let i = 0; i < 25; i++) told.changed(`u:${i % 12}`);
  await told.close();
  assert.equal(seen.length, 10);
  assert.match(warnings[0].message, /Cannot invalidate 4 URLs.*no time or room/);
});

Deno.test("invalidating: what may have happened is told, what was refused is not", async () => {
  const told: string[] = [];
  const faulty = new FaultyStore(new MemoryObjectStore({ now: Date.now }));
  const store = new InvalidatingStore(faulty, (path) => told.push(path));
  const bytes = new Uint8Array(1);
  for (const when of ["before", "after"] as const) {
    faulty.failNext(1, when);
    await assert.rejects(store.put(when, bytes), { kind: "unavailable" });
  }
  await assert.rejects(store.put("after", bytes, { match: "other" }), { kind: "conflict" });
  await assert.rejects(store.delete("after", { match: "other" }), { kind: "conflict" });
  await assert.rejects(store.copy("none", "after"), { kind: "missing" });
  await store.put("fresh", bytes, { create: true });
  await store.copy("fresh", "copied", { create: true });
  assert.deepEqual(told, ["before", "after"]);
  await store.describe("fresh", { tags: { a: "b" } });
  await store.deleteMany(["fresh", "copied"]);
  assert.deepEqual(told.slice(2), ["fresh", "fresh", "copied"]);
});

for (const [property, holds] of Object.entries(storeContract)) {
  Deno.test(`invalidating: ${property}`, async () => {
    await holds(new InvalidatingStore(new MemoryObjectStore({ now: Date.now }), () => {}));
  });
}
