import assert from "node:assert/strict";
import { AssertionError } from "../assert.ts";
import { VaultError } from "../errors.ts";
import { answering, ERRNO } from "./errno.ts";
import { PosixError } from "./file_system.ts";

const full = new VaultError("unavailable", "Cannot write: full", { errno: "ENOSPC" });
const isFull = (error: unknown) => error instanceof PosixError && error.errno === ERRNO.ENOSPC;

Deno.test("errno: what makes something durable answers with an errno, thrown or rejected", async () => {
  assert.equal(answering(() => {}), undefined);
  assert.throws(() =>
    void answering(() => {
      throw full;
    }), isFull);
  await assert.rejects(async () => await answering(() => Promise.reject(full)), isFull);
  const bug = new AssertionError("a bug stays one");
  await assert.rejects(async () => await answering(() => Promise.reject(bug)), AssertionError);
});
