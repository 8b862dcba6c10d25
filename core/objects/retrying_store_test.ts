import assert from "node:assert/strict";
import { MemoryObjectStore } from "../../backends/memory/object_store.ts";
import { bytesOf, patternBytes, piecesOf, text } from "./store_samples.ts";
import { VaultError } from "../errors.ts";
import { closingStream } from "../storage/object_body.ts";
import { FaultyStore } from "../../tests/support/faulty_store.ts";
import { RetryingStore, type RetrySettings } from "./retrying_store.ts";
import { storeContract } from "./store_contract.ts";

const FAST: RetrySettings = { attempts: 4, delayMs: 1, breakAfter: 1000 };

function world(settings: RetrySettings = FAST) {
  const memory = new MemoryObjectStore({ now: Date.now });
  const faulty = new FaultyStore(memory);
  return { memory, faulty, store: new RetryingStore(faulty, settings) };
}

for (const [property, holds] of Object.entries(storeContract)) {
  Deno.test(`retry: ${property}`, async () => await holds(world().store));
}

Deno.test("retry: what is unavailable for a while works in the end; what stays so fails", async () => {
  const { faulty, store } = world();
  for (
    const call of [
      () => store.put("a", text("x")),
      () => store.get("a"),
      () => store.head("a"),
      () => store.list(),
      () => store.describe("a", { tags: { a: "b" } }),
      () => store.copy("a", "b"),
      () => store.delete("b"),
      () => store.deleteMany(["b"]),
    ]
  ) {
    faulty.failNext(3, "before");
    await call();
    faulty.failNext(4, "before");
    await assert.rejects(call(), { kind: "unavailable" });
    assert.equal(faulty.left, 0);
  }
});

Deno.test("retry: other failures are not tried again", async () => {
  const { faulty, store } = world();
  await assert.rejects(store.get("none"), { kind: "missing" });
  assert.equal(faulty.calls, 1);
});

Deno.test("retry: a create whose answer was lost is one's own, another's is a conflict", async () => {
  const { faulty, memory, store } = world();
  faulty.failNext(1, "after");
  const info = await store.put("a", text("mine"), { create: true });
  assert.equal(info.etag, (await memory.head("a"))!.etag);
  faulty.failNext(1, "before");
  await assert.rejects(store.put("a", text("mine, longer"), { create: true }), {
    kind: "conflict",
  });
  await assert.rejects(store.put("a", text("mine"), { create: true }), { kind: "conflict" });
  faulty.failNext(1, "after");
  await store.put("a", text("newer"), { match: info.etag });
  assert.equal(new TextDecoder().decode(await bytesOf(await store.get("a"))), "newer");
  const { etag } = (await store.head("a"))!;
  faulty.failNext(1, "after");
  await store.delete("a", { match: etag });
  assert.equal(await store.head("a"), null);
  await store.put("from", patternBytes(100_000));
  faulty.failNext(1, "after");
  const copied = await store.copy("from", "to", { create: true });
  await store.put("from", patternBytes(100_000, 2));
  faulty.failNext(1, "after");
  const again = await store.copy("from", "to", { match: copied.etag });
  assert.equal(again.etag, (await memory.head("to"))!.etag);
  await store.put("from", patternBytes(100_000, 3));
  faulty.failNext(1, "before");
  await assert.rejects(store.copy("from", "to", { match: copied.etag }), { kind: "conflict" });
});

Deno.test("retry: looking whether a write is one's own opens nothing for good", async () => {
  const { faulty, memory, store } = world();
  const open = new Set<ReadableStream>();
  const get = memory.get.bind(memory);
  memory.get = async (...args) => {
    const content = await get(...args);
    const body: ReadableStream<Uint8Array> = closingStream(
      content.body[Symbol.asyncIterator](),
      { close: () => void open.delete(body) },
    );
    open.add(body);
    return { ...content, body };
  };
  await memory.put("from", patternBytes(1000));
  for (const there of [patternBytes(1000), patternBytes(900), patternBytes(1000, 2)]) {
    await memory.put("to", there);
    faulty.failNext(1, "before");
    await store.copy("from", "to", { create: true }).catch(() => {});
    faulty.failNext(1, "before");
    await store.put("to", patternBytes(1000), { create: true }).catch(() => {});
    assert.equal(open.size, 0);
  }
});

Deno.test("retry: a stream goes up once only", async () => {
  const { faulty, store } = world();
  faulty.failNext(1, "before");
  await assert.rejects(store.put("s", piecesOf(patternBytes(1000), 100)), { kind: "unavailable" });
  await store.put("s", piecesOf(patternBytes(1000), 100));
});

Deno.test("retry: a body that stops coming goes on where it was, of the same state", async () => {
  const { faulty, memory, store } = world();
  const bytes = patternBytes(300_000);
  await memory.put("b", bytes);
  faulty.cutBodiesAt(70_000);
  assert.deepEqual(await bytesOf(await store.get("b")), bytes);
  assert.deepEqual(
    await bytesOf(await store.get("b", { offset: 1000, length: 200_000 })),
    bytes.slice(1000, 201_000),
  );
  const content = await store.get("b");
  const reader = content.body.getReader();
  await reader.read();
  await memory.put("b", patternBytes(300_000, 5));
  await assert.rejects(async () => {
    while (!(await reader.read()).done);
  }, { kind: "conflict" });
  faulty.cutBodiesAt(0);
  await assert.rejects(async () => await bytesOf(await store.get("b")), { kind: "unavailable" });
});

Deno.test("retry: a body that is cancelled while it is asked for again is not left open", async () => {
  const { faulty, memory, store } = world();
  await memory.put("b", patternBytes(100_000));
  faulty.cutBodiesAt(0);
  const { body } = await store.get("b");
  const asked = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<void>();
  faulty.around.before = async () => {
    asked.resolve();
    await answer.promise;
  };
  const cancelled = Promise.withResolvers<void>();
  const get = memory.get.bind(memory);
  memory.get = async (...args) => {
    const content = await get(...args);
    return { ...content, body: new ReadableStream({ cancel: () => cancelled.resolve() }) };
  };
  const reader = body.getReader();
  const reading = reader.read();
  await asked.promise;
  await reader.cancel();
  answer.resolve();
  await cancelled.promise;
  assert.equal((await reading).done, true);
});

Deno.test("retry: who fails again and again is left alone for a while", async () => {
  const { faulty, store } = world({ ...FAST, attempts: 1, breakAfter: 3, breakMs: 60_000 });
  faulty.failNext(1000, "before");
  for (let i = 0; i < 3; i++) await assert.rejects(store.head("a"), { kind: "unavailable" });
  const { calls } = faulty;
  await assert.rejects(store.head("a"), /left alone for a while/);
  assert.equal(faulty.calls, calls);
});

Deno.test("retry: streams that their senders break off do not count against the store", async () => {
  const { faulty, store } = world({ ...FAST, breakAfter: 3, breakMs: 60_000 });
  const broken = () =>
    new ReadableStream<Uint8Array>({
      pull: (controller) => controller.error(new VaultError("unavailable", "Cannot go on")),
    });
  for (let i = 0; i < 5; i++) await assert.rejects(store.put("a", broken()), /Cannot go on/);
  await store.put("a", piecesOf(text("whole"), 2));
  faulty.failNext(1000, "before");
  for (let i = 0; i < 3; i++) {
    await assert.rejects(store.put("a", piecesOf(text("x"), 1)), /a fault on demand/);
  }
  await assert.rejects(store.put("a", piecesOf(text("x"), 1)), /left alone for a while/);
});

Deno.test("retry: an aborted call does not wait for its next try", async () => {
  const { faulty, store } = world({ ...FAST, delayMs: 60_000 });
  faulty.failNext(1000, "before");
  const giving = new AbortController();
  faulty.onFailure = () => giving.abort(new RangeError("enough"));
  await assert.rejects(store.head("a", { signal: giving.signal }), /enough/);
});
