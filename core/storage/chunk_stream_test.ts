import assert from "node:assert/strict";
import fc from "fast-check";
import { type BodyReader, chunkStream, readerOf } from "./chunk_stream.ts";

interface Behaviour {
  readonly chunks: number;
  readonly breaks: boolean;
  readonly cancelFails: boolean;
}

/** A stream of one, two, three… bytes, and what was asked of its source. */
function streamWith({ chunks, breaks, cancelFails }: Behaviour) {
  const log: string[] = [];
  let given = 0;
  const stream = chunkStream({
    next() {
      log.push("next");
      if (given < chunks) {
        return Promise.resolve({ done: false, value: new Uint8Array(++given) });
      }
      return breaks
        ? Promise.reject(new RangeError("broke"))
        : Promise.resolve({ done: true, value: undefined });
    },
    cancel(reason) {
      log.push(`cancel ${reason}`);
      return cancelFails ? Promise.reject(new RangeError("not now")) : Promise.resolve();
    },
  });
  return { stream, log };
}

/** What somebody sees who reads, cancels, and reads on. */
async function seen(reader: BodyReader, steps: readonly string[]): Promise<string[]> {
  const results: string[] = [];
  for (const step of steps) {
    const act = step === "read"
      ? async () => (await reader.read()).value?.length ?? "end"
      : async () => await reader.cancel("enough") ?? "cancelled";
    results.push(await act().then(String, String));
  }
  return results;
}

Deno.test("whoever reads straight from a source sees what a reader of the stream sees, and asks no more of it", async () => {
  const behaviour = fc.record({
    chunks: fc.nat({ max: 3 }),
    breaks: fc.boolean(),
    cancelFails: fc.boolean(),
  });
  const steps = fc.array(fc.constantFrom("read", "read", "read", "cancel"), { maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(behaviour, steps, async (behaviour, steps) => {
      const [plain, straight] = [streamWith(behaviour), streamWith(behaviour)];
      const expected = await seen(plain.stream.getReader(), steps);
      assert.deepEqual(await seen(readerOf(straight.stream), steps), expected);
      assert.deepEqual(straight.log, plain.log);
    }),
    { numRuns: 300 },
  );
});

Deno.test("cancelling answers who waits for a chunk, whatever the source does", async () => {
  for (const open of [readerOf, (stream: ReadableStream<Uint8Array>) => stream.getReader()]) {
    const { promise, reject } = Promise.withResolvers<never>();
    promise.catch(() => {}); // it may never have been asked for
    const cancelled = Promise.withResolvers<unknown>();
    const stream = chunkStream({
      next: () => promise,
      cancel: (reason) => Promise.resolve(cancelled.resolve(reason)),
    });
    const reader = open(stream);
    const reading = reader.read();
    await reader.cancel("enough");
    assert.equal((await reading).done, true);
    assert.equal(await cancelled.promise, "enough");
    reject(new RangeError("too late"));
    assert.equal((await reader.read()).done, true);
  }
});

Deno.test("a stream is locked while it is read, and goes on with another reader", async () => {
  const { stream } = streamWith({ chunks: 3, breaks: false, cancelFails: false });
  const first = readerOf(stream);
  assert.throws(() => readerOf(stream), { kind: "invalid" });
  assert.equal((await first.read()).value!.length, 1);
  first.releaseLock();
  const second = stream.getReader();
  assert.equal((await second.read()).value!.length, 2);
  second.releaseLock();
  const rest: number[] = [];
  for await (const { length } of stream) rest.push(length);
  assert.deepEqual(rest, [3]);
});
