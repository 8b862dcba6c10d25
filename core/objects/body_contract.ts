/** What every provider of objects promises of the bodies that it takes and gives. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { MIB } from "../limits.ts";
import {
  bytesOf,
  patternBytes,
  piecesOf,
  read,
  refused,
  refusedPut,
  type StoreProperty,
  text,
  watchedStream,
} from "./store_samples.ts";

/** Property by property. */
export const bodyContract: Readonly<Record<string, StoreProperty>> = {
  "streams, of known and of unknown size, small and of many parts": async (store) => {
    for (const length of [0, 10, 300_000, 17 * MIB + 5]) {
      const bytes = patternBytes(length, length);
      for (const size of [undefined, length]) {
        const put = await store.put("s", piecesOf(bytes, 60_000), { size, tags: { a: "b" } });
        assert.equal(put.size, length);
        const got = await store.get("s");
        assert.deepEqual({ ...got.info.tags }, { a: "b" });
        assert.ok(Buffer.compare(await bytesOf(got), bytes) === 0, `${length} bytes come back`);
      }
    }
  },

  "a long stream that breaks off shows nothing of itself": async (store) => {
    let pulled = 0;
    const breaking = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (++pulled > 20) controller.error(new RangeError("the source broke"));
        else controller.enqueue(new Uint8Array(MIB));
      },
    });
    await assert.rejects(store.put("broken", breaking), /the source broke/);
    assert.equal(await store.head("broken"), null);
    assert.deepEqual((await store.list()).objects, []);
  },

  "a body that is no bytes stores nothing": async (store) => {
    await store.put("kept", text("older"));
    const invalid = { name: "VaultError", kind: "invalid" };
    for (const chunk of [new ArrayBuffer(5), new Uint16Array([1000]), "hello", 5, null]) {
      const body = ReadableStream.from([text("x"), chunk as unknown as Uint8Array]);
      await assert.rejects(store.put("kept", body), invalid);
    }
    for (const size of [NaN, -1, 0.5]) {
      await assert.rejects(store.put("kept", text("x"), { size }), invalid);
    }
    assert.equal(await read(store, "kept"), "older");
  },

  "a long stream obeys create and match": async (store) => {
    const older = await store.put("x", text("older"));
    const { etag } = await store.put("x", text("old"));
    const long = () => piecesOf(patternBytes(9 * MIB), MIB);
    await refused(store, store.put("x", long(), { create: true }), "conflict");
    await refused(store, store.put("x", long(), { match: older.etag }), "conflict");
    assert.equal((await store.head("x"))!.etag, etag);
    const replaced = await store.put("x", long(), { match: etag });
    assert.equal(replaced.etag, (await store.head("x"))!.etag);
  },

  "a stream that fails, or has another size, stores nothing and is cancelled": async (store) => {
    await store.put("kept", text("older"));
    for (const size of [5, 500_000]) {
      const body = piecesOf(patternBytes(200_000), 10_000);
      await refused(store, store.put("kept", body, { size }), "invalid");
    }
    const broken = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.error(new RangeError("the source broke")),
    });
    await assert.rejects(store.put("kept", broken), /the source broke/);
    let cancelled = false, pulled = 0;
    const giving = new AbortController();
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (++pulled === 100) giving.abort(new RangeError("enough"));
        controller.enqueue(new Uint8Array(65536));
      },
      cancel: () => void (cancelled = true),
    });
    const put = store.put("kept", endless, { signal: giving.signal });
    await assert.rejects(put, /enough/);
    assert.ok(cancelled);
    assert.equal(await read(store, "kept"), "older");
  },

  "a put that is refused, as a create of what is there, leaves no stream open": async (store) => {
    const { etag } = await store.put("there", text("older"));
    await store.put("there", text("old"));
    await refusedPut(store, "there", { create: true }, "conflict");
    await refusedPut(store, "there", { match: etag }, "conflict");
    await refusedPut(store, "there", { size: 100 }, "invalid");
    await refusedPut(store, "there", { contentType: "a\r\nb" }, "invalid");
    await refusedPut(store, "not//there", {}, "invalid");
    const { stream, state } = watchedStream(text("x"));
    const signal = AbortSignal.abort(new RangeError("not today"));
    await assert.rejects(store.put("there", stream, { signal }), /not today/);
    assert.ok(state.isCancelled);
    assert.equal(await read(store, "there"), "old");
  },

  "a body may be cancelled, read or not": async (store) => {
    const bytes = patternBytes(3 * MIB);
    await store.put("x", bytes);
    for (const reads of [0, 1]) {
      const reader = (await store.get("x")).body.getReader();
      for (let i = 0; i < reads; i++) await reader.read();
      await reader.cancel();
    }
    const giving = new AbortController();
    const given = await store.get("x", { signal: giving.signal });
    giving.abort(new RangeError("enough"));
    await assert.rejects(bytesOf(given), /enough/);
    assert.ok(Buffer.compare(await bytesOf(await store.get("x")), bytes) === 0);
  },

  "aborted calls throw the reason": async (store) => {
    await store.put("a", text("x"));
    const signal = AbortSignal.abort(new RangeError("not today"));
    for (
      const call of [
        () => store.put("b", text("y"), { signal }),
        () => store.get("a", { signal }),
        () => store.head("a", { signal }),
        () => store.list({ signal }),
        () => store.copy("a", "c", { signal }),
        () => store.describe("a", { signal }),
        () => store.delete("a", { signal }),
      ]
    ) await assert.rejects(call, /not today/);
    assert.equal(await store.head("b"), null);
    assert.equal(await read(store, "a"), "x");
  },
};
