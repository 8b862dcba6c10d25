import assert from "node:assert/strict";
import { collectGarbage } from "../../tests/support/garbage.ts";
import { inParallel } from "./parallel.ts";

Deno.test("work runs as many at once as it may", async () => {
  let running = 0, most = 0;
  const done: number[] = [];
  const three = Promise.withResolvers<void>();
  await inParallel([1, 2, 3, 4, 5, 6, 7], { atOnce: () => 3 }, async (item) => {
    most = Math.max(most, ++running);
    if (running === 3) three.resolve();
    await three.promise;
    running--;
    done.push(item);
  });
  assert.equal(most, 3);
  assert.deepEqual(done.toSorted(), [1, 2, 3, 4, 5, 6, 7]);
});

Deno.test("after a failure nothing is begun, what runs settles, and the source hears of it", async () => {
  const begun: number[] = [];
  const heard: unknown[] = [];
  let settled = false;
  const slow = Promise.withResolvers<void>();
  const work = async (item: number) => {
    begun.push(item);
    if (item === 2) throw new RangeError("two");
    if (item === 1) {
      await slow.promise;
      settled = true;
    }
  };
  const options = {
    atOnce: () => 2,
    onFailure: (error: unknown) => {
      heard.push(error);
      slow.resolve();
    },
  };
  await assert.rejects(inParallel([1, 2, 3, 4], options, work), /two/);
  assert.ok(settled);
  assert.deepEqual(begun, [1, 2]);
  assert.equal(heard.length, 1);
});

Deno.test("what breaks the source is thrown when what runs has settled", async () => {
  let settled = false;
  const source = async function* () {
    yield 1;
    await Promise.resolve();
    throw new RangeError("no more");
  };
  const work = async () => {
    await Promise.resolve();
    await Promise.resolve();
    settled = true;
  };
  await assert.rejects(inParallel(source(), { atOnce: () => 2 }, work), /no more/);
  assert.ok(settled);
});

Deno.test("what takes long keeps nothing of what is done beside it", async () => {
  const used = async () => {
    await collectGarbage();
    return Deno.memoryUsage().heapUsed;
  };
  const count = 50_000;
  const long = Promise.withResolvers<void>();
  let before = 0, grown = 0;
  await inParallel(Array(count).keys(), { atOnce: () => 2 }, async (item) => {
    if (item === 0) return await long.promise;
    if (item === 1) before = await used();
    for (let turns = 0; turns < 9; turns++) await Promise.resolve(); // the next item waits for this one
    if (item !== count - 1) return;
    grown = await used() - before;
    long.resolve();
  });
  assert.ok(grown < count * 20, `${grown} bytes`);
});
