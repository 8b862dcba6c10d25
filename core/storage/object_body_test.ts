import fc from "fast-check";
import assert from "node:assert/strict";
import { closingStream, partStream, type ReadablePart, takingBody } from "./object_body.ts";

const CALL = { provider: "memory", operation: "get", path: "x" };

/** Bytes to be read, and how often they were closed. */
function partOf(bytes: number) {
  const state = { closed: 0 };
  const part: ReadablePart = {
    read: (offset, size) =>
      Promise.resolve(new Uint8Array(Math.min(size, Math.max(0, bytes - offset)))),
    close: () => Promise.resolve(void state.closed++),
  };
  return { part, state };
}

async function bytesIn(stream: ReadableStream<Uint8Array>): Promise<number> {
  let bytes = 0;
  for await (const chunk of stream) bytes += chunk.length;
  return bytes;
}

const MANY = 1_000_000;
const ALL = { call: CALL, offset: 0, length: MANY };

Deno.test("a part is closed once: at its end, where it is cancelled, read or not", async () => {
  const read = partOf(MANY);
  assert.equal(await bytesIn(partStream(read.part, ALL)), MANY);
  assert.equal(read.state.closed, 1);
  const unread = partOf(MANY);
  await partStream(unread.part, ALL).cancel();
  assert.equal(unread.state.closed, 1);
  const begun = partOf(MANY);
  const reader = partStream(begun.part, ALL).getReader();
  await reader.read();
  assert.equal(begun.state.closed, 0);
  await reader.cancel();
  assert.equal(begun.state.closed, 1);
});

Deno.test("a part that ends too early, or cannot be read, fails and is closed", async () => {
  const short = partOf(MANY - 1);
  await assert.rejects(bytesIn(partStream(short.part, ALL)), { kind: "unavailable" });
  assert.equal(short.state.closed, 1);
  const { part, state } = partOf(MANY);
  const broken = { ...part, read: () => Promise.reject(new RangeError("broke")) };
  await assert.rejects(bytesIn(partStream(broken, ALL)), /broke/);
  assert.equal(state.closed, 1);
});

Deno.test("a part that its caller gives up is closed, and a read that is under way ends first", async () => {
  for (const isEarly of [true, false]) {
    const giving = new AbortController();
    const { part, state } = partOf(MANY);
    if (isEarly) giving.abort(new RangeError("enough"));
    const stream = partStream(part, { ...ALL, signal: giving.signal });
    giving.abort(new RangeError("enough"));
    await assert.rejects(bytesIn(stream), /enough/);
    assert.equal(state.closed, 1);
  }
  const giving = new AbortController();
  const { part, state } = partOf(MANY);
  const [begun, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const slow: ReadablePart = {
    ...part,
    async read(offset, size) {
      begun.resolve();
      await gate.promise;
      assert.equal(state.closed, 0);
      return await part.read(offset, size);
    },
  };
  const reader = partStream(slow, { ...ALL, signal: giving.signal }).getReader();
  const reading = reader.read();
  await begun.promise;
  giving.abort(new RangeError("enough"));
  gate.resolve();
  assert.ok((await reading).value!.length > 0);
  await assert.rejects(reader.read(), /enough/);
  assert.equal(state.closed, 1);
});

Deno.test("a body is cancelled where nobody took it, and only there", async () => {
  let cancelled: unknown;
  const body = () =>
    new ReadableStream<Uint8Array>({ cancel: (reason) => void (cancelled = reason) });
  const failure = new RangeError("refused");
  await assert.rejects(takingBody(body(), () => Promise.reject(failure)), /refused/);
  assert.equal(cancelled, failure);
  cancelled = undefined;
  assert.equal(await takingBody(body(), () => Promise.resolve(7)), 7);
  const taken = body();
  const fails = () => {
    taken.getReader();
    throw failure;
  };
  await assert.rejects(takingBody(taken, async () => await fails()), /refused/);
  assert.equal(cancelled, undefined);
});

Deno.test("a closing stream closes once, as soon as nobody can read on and no earlier", async () => {
  const step = fc.constantFrom("read", "read", "read", "cancel", "abort");
  await fc.assert(fc.asyncProperty(
    fc.array(step, { maxLength: 12 }),
    fc.nat(5),
    fc.boolean(),
    async (steps, count, fails) => {
      let closed = 0;
      const chunks = async function* () {
        for (let i = 0; i < count; i++) yield new Uint8Array([i]);
        if (fails) throw new RangeError("broke");
      };
      const giving = new AbortController();
      const stream = closingStream(chunks(), {
        close: () => void closed++,
        signal: giving.signal,
      });
      const reader = stream.getReader();
      let given = 0, isOver = false;
      for (const each of steps) {
        if (each === "cancel") {
          // Of a stream that has failed, the failure is told again.
          await reader.cancel().catch(() => assert.ok(isOver));
          isOver = true;
        } else if (each === "abort") {
          giving.abort(new RangeError("enough"));
          isOver = true;
        } else {
          const { done, value } = await reader.read().catch(() => ({ done: true, value: null }));
          if (done) isOver = true;
          else assert.equal(value![0], given++);
        }
        assert.equal(closed, isOver ? 1 : 0, each);
      }
    },
  ));
});
