import assert from "node:assert/strict";
import { VaultError } from "../../core/errors.ts";
import { objectError } from "../../core/storage/object_body.ts";
import type { GetOptions } from "../../core/storage/object_store.ts";
import { arrivingBody, partAnswered, rangeHeader } from "./body.ts";

const CALL = { provider: "s3", operation: "get", path: "x" };

/** A body of chunks that stalls behind them where `stalls` is set, and how often it was given up. */
function arriving(
  lengths: readonly number[],
  { length = 10, stalls = false, milliseconds = 60_000 },
) {
  const state = { stopped: 0 };
  const stopped = Promise.withResolvers<void>();
  const chunks = async function* () {
    for (const it of lengths) yield new Uint8Array(it);
    if (stalls) await stopped.promise;
  };
  const stop = () => {
    state.stopped++;
    stopped.resolve();
  };
  const failure = (error: unknown) => objectError("unavailable", CALL, `${error}`, error);
  return { call: CALL, chunks: chunks(), length, stop, failure, milliseconds, state };
}

async function readAll(body: ReadableStream<Uint8Array>): Promise<number> {
  let bytes = 0;
  for await (const chunk of body) bytes += chunk.length;
  return bytes;
}

async function failsAs(work: Promise<unknown>, kind: VaultError["kind"]): Promise<void> {
  const error = await work.then(() => null, (error) => error);
  assert.ok(error instanceof VaultError, `${error}`);
  assert.equal(error.kind, kind);
}

Deno.test("a body has the bytes that were announced, or it fails", async () => {
  const whole = arriving([4, 0, 6], {});
  assert.equal(await readAll(arrivingBody(whole)), 10);
  assert.equal(whole.state.stopped, 1);
  for (const [lengths, kind] of [[[4, 5], "unavailable"], [[4, 7], "corrupt"]] as const) {
    const wrong = arriving(lengths, {});
    await failsAs(readAll(arrivingBody(wrong)), kind);
    assert.equal(wrong.state.stopped, 1);
  }
});

Deno.test("a body that stalls fails in time", async () => {
  const stalling = arriving([4], { stalls: true, milliseconds: 5 });
  await failsAs(readAll(arrivingBody(stalling)), "unavailable");
  assert.equal(stalling.state.stopped, 1);
});

Deno.test("a body that is cancelled gives its connection up, read or not", async () => {
  const unread = arriving([4, 6], {});
  await arrivingBody(unread).cancel();
  assert.ok(unread.state.stopped > 0);
  const begun = arriving([4], { stalls: true });
  const reader = arrivingBody(begun).getReader();
  await reader.read();
  const waiting = reader.read();
  await reader.cancel();
  assert.ok(begun.state.stopped > 0);
  assert.equal((await waiting).done, true);
});

Deno.test("a caller that gives up gives the connection up, also of a body that nobody reads", async () => {
  const giving = new AbortController();
  const unread = { ...arriving([4, 6], {}), signal: giving.signal };
  const body = arrivingBody(unread);
  giving.abort(new RangeError("enough"));
  assert.equal(unread.state.stopped, 1);
  await assert.rejects(readAll(body), /enough/);
});

Deno.test("ranges as HTTP has them", () => {
  assert.equal(rangeHeader({}, CALL), undefined);
  assert.equal(rangeHeader({ offset: 5 }, CALL), "bytes=5-");
  assert.equal(rangeHeader({ offset: 5, length: 3 }, CALL), "bytes=5-7");
  assert.equal(rangeHeader({ length: 1 }, CALL), "bytes=0-0");
  assert.throws(() => rangeHeader({ offset: -1 }, CALL), { kind: "invalid" });
});

Deno.test("an answer has the bytes that were asked for, or it counts as none", () => {
  const answered = (asked: GetOptions, contentRange: string | undefined, length?: number) =>
    partAnswered(CALL, asked, { contentRange, length });
  const good: [GetOptions, string | undefined, number][] = [
    [{}, undefined, 100],
    [{}, undefined, 0],
    [{ offset: 5, length: 3 }, "bytes 5-7/100", 3],
    [{ offset: 98, length: 3 }, "bytes 98-99/100", 2],
    [{ offset: 98 }, "bytes 98-99/100", 2],
    [{ length: 200 }, undefined, 100],
    [{ length: 200 }, "bytes 0-99/100", 100],
  ];
  const unsaid = answered({ offset: 5, length: 3 }, "Bytes 5-7/100");
  assert.deepEqual(unsaid, { size: 100, offset: 5, length: 3 });
  for (const [asked, said, length] of good) {
    const { offset = 0 } = asked;
    assert.deepEqual(answered(asked, said, length), {
      size: said === undefined ? length : 100,
      offset,
      length,
    });
  }
  const bad: [GetOptions, string | undefined, number | undefined][] = [
    [{ offset: 5, length: 3 }, undefined, 100],
    [{ offset: 5, length: 3 }, "bytes 6-8/100", 3],
    [{ offset: 5, length: 3 }, "bytes 5-8/100", 4],
    [{ offset: 5, length: 3 }, "bytes 5-7/100", 4],
    [{ offset: 5, length: 3 }, "bytes 5-9/100", 3],
    [{ offset: 5, length: 3 }, "bytes 5-7/*", 3],
    [{ length: 3 }, undefined, 100],
    [{}, "bytes 5-7/100", 3],
    [{}, undefined, undefined],
    [{}, undefined, NaN],
  ];
  for (const each of bad) {
    assert.throws(() => answered(...each), { kind: "unavailable" }, Deno.inspect(each));
  }
});
