import assert from "node:assert/strict";
import { PathTurns } from "./path_turns.ts";

Deno.test("work on one path takes turns, on others it does not wait; nobody waits in a circle", async () => {
  const turns = new PathTurns();
  const log: string[] = [];
  const gate = Promise.withResolvers<void>();
  const work = (name: string, wait?: Promise<void>) => async () => {
    log.push(`${name} begins`);
    await wait;
    log.push(`${name} ends`);
  };
  const first = turns.take(["a", "b"], work("first", gate.promise));
  const second = turns.take(["b", "a"], work("second"));
  const third = turns.take(["b"], work("third"));
  await turns.take(["c"], work("other"));
  gate.resolve();
  await Promise.all([first, second, third]);
  assert.deepEqual(log.filter((line) => !line.startsWith("other")), [
    "first begins",
    "first ends",
    "second begins",
    "second ends",
    "third begins",
    "third ends",
  ]);
  assert.ok(log.indexOf("other ends") < log.indexOf("first ends"));
});

Deno.test("work that fails ends its turn", async () => {
  const turns = new PathTurns();
  const failing = turns.take(["a"], () => Promise.reject(new RangeError("no")));
  const next = turns.take(["a"], () => Promise.resolve("yes"));
  await assert.rejects(failing, /no/);
  assert.equal(await next, "yes");
});

Deno.test("a path that is named twice does not wait for itself", async () => {
  assert.equal(await new PathTurns().take(["a", "a"], () => Promise.resolve(1)), 1);
});
