import assert from "node:assert/strict";
import fc from "fast-check";
import { collectGarbage } from "../../tests/support/garbage.ts";
import { SharedBody } from "./shared_body.ts";

async function bytesOf(stream: ReadableStream<Uint8Array>): Promise<number[]> {
  const bytes: number[] = [];
  for await (const chunk of stream) bytes.push(...chunk);
  return bytes;
}

function sourceOf(chunks: readonly number[][]) {
  const state = { given: 0, isEnded: false };
  const read = async function* (signal: AbortSignal): AsyncGenerator<Uint8Array> {
    try {
      for (const chunk of chunks) {
        signal.throwIfAborted();
        state.given++;
        yield await Promise.resolve(Uint8Array.from(chunk));
      }
    } finally {
      state.isEnded = true;
    }
  };
  return { read, state };
}

const LONG = { milliseconds: 60_000, least: 1 };

Deno.test("shared body: all readers get all bytes, behind a gate or not", async () => {
  const chunks = fc.array(fc.array(fc.nat({ max: 255 }), { maxLength: 4 }), { maxLength: 10 });
  await fc.assert(
    fc.asyncProperty(
      chunks,
      fc.array(fc.boolean(), { minLength: 1, maxLength: 4 }),
      async (all, gated) => {
        const { read } = sourceOf(all);
        const body = new SharedBody(read, LONG);
        const gate = Promise.withResolvers<void>();
        const readers = gated.map((isGated) =>
          body.branch(isGated ? gate.promise : undefined).stream
        );
        const reading = readers.map(bytesOf);
        const passed = body.pass();
        await Promise.all(reading.filter((_, i) => !gated[i]));
        gate.resolve();
        for (const bytes of await Promise.all(reading)) assert.deepEqual(bytes, all.flat());
        await passed;
      },
    ),
  );
});

Deno.test("shared body: the slowest reader sets the pace; nothing is read ahead of him", async () => {
  const { read, state } = sourceOf(Array.from({ length: 50 }, (_, i) => [i]));
  const body = new SharedBody(read, LONG);
  const [quick, slow] = [body.branch(), body.branch()];
  const quickly = bytesOf(quick.stream);
  const passed = body.pass();
  const reader = slow.stream.getReader();
  for (let i = 0; i < 10; i++) {
    assert.deepEqual([...(await reader.read()).value!], [i]);
    assert.ok(state.given <= i + 2, `${state.given} chunks for ${i + 1}`);
  }
  slow.leave();
  assert.equal((await quickly).length, 50);
  await passed;
});

Deno.test("shared body: who takes nothing is left behind", async () => {
  const { read } = sourceOf([[1], [2], [3]]);
  const body = new SharedBody(read, { milliseconds: 20, least: 1 });
  const [quick, stuck] = [body.branch(), body.branch()];
  const quickly = bytesOf(quick.stream);
  await body.pass();
  assert.deepEqual(await quickly, [1, 2, 3]);
  await assert.rejects(stuck.broken, /no answer within/);
  await assert.rejects(bytesOf(stuck.stream), /no answer within/);
});

Deno.test("shared body: with too few readers, the source is let go", async () => {
  const { read, state } = sourceOf(Array.from({ length: 1000 }, (_, i) => [i & 255]));
  const body = new SharedBody(read, { milliseconds: 60_000, least: 2 });
  const [one, two] = [body.branch(), body.branch()];
  const reader = two.stream.getReader();
  const reading = bytesOf(one.stream);
  reading.catch(() => {});
  const passed = body.pass();
  passed.catch(() => {});
  await reader.read();
  await reader.cancel();
  await assert.rejects(passed, { kind: "unavailable" });
  await assert.rejects(reading, { kind: "unavailable" });
  assert.ok(state.isEnded && state.given < 1000);
});

Deno.test("shared body: a source that fails fails for all; none takes it for the end", async () => {
  const failing = async function* (): AsyncGenerator<Uint8Array> {
    yield await Promise.resolve(Uint8Array.of(1));
    throw new RangeError("the source broke");
  };
  const body = new SharedBody(failing, LONG);
  const gate = Promise.resolve();
  const readers = [body.branch(), body.branch(gate)].map(({ stream }) => bytesOf(stream));
  for (const reading of readers) reading.catch(() => {});
  await assert.rejects(body.pass(), /the source broke/);
  for (const reading of readers) await assert.rejects(reading, /the source broke/);
});

Deno.test("shared body: a gate that refuses keeps the end back", async () => {
  const { read } = sourceOf([[1], [2]]);
  const body = new SharedBody(read, LONG);
  const gate = Promise.withResolvers<void>();
  const [free, gated] = [body.branch(), body.branch(gate.promise)];
  const seen: number[] = [];
  const reading = (async () => {
    for await (const chunk of gated.stream) seen.push(...chunk);
  })();
  reading.catch(() => {});
  const passed = body.pass();
  assert.deepEqual(await bytesOf(free.stream), [1, 2]);
  gate.reject(new RangeError("no"));
  await assert.rejects(reading, /no/);
  assert.deepEqual(seen, [1]);
  await passed.catch(() => {}); // the one that was free had all of it
});

Deno.test("shared body: of chunks that were taken nothing is kept, however many there were", async () => {
  const used = async () => {
    await collectGarbage();
    return Deno.memoryUsage().heapUsed;
  };
  let grown = 0;
  const read = async function* (): AsyncGenerator<Uint8Array> {
    const before = await used();
    for (let i = 0; i < 50_000; i++) yield Uint8Array.of(1);
    grown = await used() - before;
  };
  const body = new SharedBody(read, LONG);
  const taken = (async () => {
    for await (const _ of body.branch().stream);
  })();
  await body.pass();
  await taken;
  assert.ok(grown < 50_000 * 20, `${grown} bytes`);
});
