import assert from "node:assert/strict";
import fc from "fast-check";
import { closingStream } from "../storage/object_body.ts";
import { resumedBody } from "./resumed_body.ts";

/** Bytes from `start` on, of which each stream gives at most so many before it breaks; counted while they are open. */
class Source {
  opened = 0;
  closed = 0;
  onClosed = () => {};
  readonly #bytes: Uint8Array;
  readonly #lengths: number[];

  constructor(bytes: Uint8Array, lengths: readonly number[]) {
    this.#bytes = bytes;
    this.#lengths = [...lengths];
  }

  open(start: number): ReadableStream<Uint8Array> {
    this.opened++;
    const rest = this.#bytes.subarray(start);
    const breaksAt = this.#lengths.shift() ?? Infinity;
    const chunks = async function* () {
      for (let at = 0; at < rest.length; at++) {
        if (at >= breaksAt) throw new RangeError("broke");
        yield rest.slice(at, at + 1);
      }
    };
    const close = () => {
      this.closed++;
      this.onClosed();
    };
    return closingStream(chunks(), { close });
  }
}

Deno.test("a resumed body is the whole body, however often it breaks; what it was made of is closed", async () => {
  await fc.assert(fc.asyncProperty(
    fc.uint8Array({ maxLength: 20 }),
    fc.array(fc.nat(6), { maxLength: 6 }),
    fc.nat(25),
    async (bytes, lengths, reads) => {
      const source = new Source(bytes, lengths);
      const reopen = (_: unknown, done: number) => Promise.resolve(source.open(done));
      const reader = resumedBody(source.open(0), { reopen }).getReader();
      const read: number[] = [];
      let isOver = false;
      for (let i = 0; i < reads && !isOver; i++) {
        const { done, value } = await reader.read();
        isOver = done;
        if (value !== undefined) read.push(...value);
      }
      assert.deepEqual(read, [...bytes.subarray(0, read.length)]);
      if (isOver) assert.equal(read.length, bytes.length);
      await reader.cancel();
      assert.equal(source.closed, source.opened);
    },
  ));
});

Deno.test("a body that nobody goes on with tells why, and one that is given up meanwhile is closed", async () => {
  const broken = new Source(new Uint8Array(10), [3]);
  const why = (error: unknown) => Promise.reject(new TypeError("no more", { cause: error }));
  const body = resumedBody(broken.open(0), { reopen: why });
  await assert.rejects(Array.fromAsync(body), /no more/);
  const source = new Source(new Uint8Array(10), [0]);
  const [asked, answer] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const reopen = async (_: unknown, done: number) => {
    asked.resolve();
    await answer.promise;
    return source.open(done);
  };
  const reader = resumedBody(source.open(0), { reopen }).getReader();
  const reading = reader.read();
  await asked.promise;
  await reader.cancel();
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  source.onClosed = resolve;
  answer.resolve();
  assert.equal((await reading).done, true);
  await closed;
  assert.deepEqual([source.opened, source.closed], [2, 2]);
});
