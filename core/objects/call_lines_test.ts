import assert from "node:assert/strict";
import fc from "fast-check";
import { CallLines } from "./call_lines.ts";

Deno.test("lines: never more at once than allowed, all in order, whoever fails or gives up", async () => {
  const call = fc.record({
    provider: fc.constantFrom("a", "b"),
    /** Turns of the loop that it takes. */
    turns: fc.nat(5),
    ends: fc.constantFrom("well", "badly", "aborted"),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(call, { maxLength: 40 }),
      fc.integer({ min: 1, max: 5 }),
      async (calls, atOnce) => {
        const lines = new CallLines(atOnce);
        const going = { a: 0, b: 0 } as Record<string, number>;
        const begun = { a: [], b: [] } as Record<string, number[]>;
        let most = 0;
        const outcomes = calls.map(async ({ provider, turns, ends }, i) => {
          const giving = new AbortController();
          const work = async () => {
            most = Math.max(most, ++going[provider]);
            begun[provider].push(i);
            for (let turn = 0; turn < turns; turn++) await null;
            going[provider]--;
            if (ends === "badly") throw new RangeError("badly");
            return i;
          };
          const taken = lines.take(provider, { signal: giving.signal }, work);
          if (ends === "aborted") giving.abort(new RangeError("aborted"));
          return await taken.catch(({ message }) => message);
        });
        for (const [i, outcome] of (await Promise.all(outcomes)).entries()) {
          const { provider, ends } = calls[i];
          const hasBegun = begun[provider].includes(i);
          // One that had begun is not ended by the line.
          const wanted = ends === "badly" ? "badly" : hasBegun ? i : "aborted";
          assert.equal(outcome, wanted);
          if (ends !== "aborted") assert.ok(hasBegun);
        }
        assert.ok(most <= atOnce);
        for (const order of Object.values(begun)) {
          assert.deepEqual(order, order.toSorted((a, b) => a - b));
        }
        assert.deepEqual(going, { a: 0, b: 0 });
        // Nobody has left a place taken.
        const free = Array.from(
          { length: atOnce },
          () => lines.take("a", {}, () => Promise.resolve("in")),
        );
        assert.deepEqual(
          await Promise.all(free),
          free.map(() => "in"),
        );
      },
    ),
  );
});

Deno.test("lines: one provider that stalls holds up nobody else's calls", async () => {
  const lines = new CallLines(1);
  const { promise, resolve } = Promise.withResolvers<string>();
  const stalled = lines.take("slow", {}, () => promise);
  const behind = lines.take("slow", {}, () => Promise.resolve("behind"));
  assert.equal(await lines.take("fast", {}, () => Promise.resolve("fast")), "fast");
  resolve("slow");
  assert.deepEqual(await Promise.all([stalled, behind]), ["slow", "behind"]);
});

Deno.test("lines: whoever gave up before is not begun", async () => {
  const reason = new RangeError("not today");
  const work = () => assert.fail("begun");
  await assert.rejects(
    new CallLines(1).take("a", { signal: AbortSignal.abort(reason) }, work),
    reason,
  );
});
