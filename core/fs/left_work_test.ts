import assert from "node:assert/strict";
import { LeftWork } from "./left_work.ts";

Deno.test("left work: nothing is left but while somebody answers, and it is done in order", () => {
  const left = new LeftWork();
  const done: number[] = [];
  left.do(() => done.push(1));
  assert.deepEqual(done, [1]);
  left.open();
  left.do(() => done.push(2));
  left.do(() => done.push(3));
  assert.deepEqual(done, [1]);
  left.settle();
  assert.deepEqual(done, [1, 2, 3]);
  left.do(() => done.push(4));
  assert.deepEqual(done, [1, 2, 3]);
  left.finish();
  left.do(() => done.push(5));
  assert.deepEqual(done, [1, 2, 3, 4, 5]);
});

Deno.test("left work: what fails stops none of the others, and is told where that was asked for", () => {
  const left = new LeftWork();
  const done: string[] = [];
  const failing = (text: string) => () => {
    throw new Error(text);
  };
  assert.throws(() => left.do(failing("now"), () => done.push("told")), /now/);
  left.open();
  left.do(failing("first"), (error) => done.push(`${error}`));
  left.do(failing("second"));
  left.do(() => done.push("third"));
  assert.throws(() => left.finish(), /first/);
  assert.deepEqual(done, ["Error: first", "third"]);
  left.finish();
});
