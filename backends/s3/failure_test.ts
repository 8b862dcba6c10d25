import assert from "node:assert/strict";
import { VaultError, type VaultErrorKind } from "../../core/errors.ts";
import { failure } from "../remote/failure.ts";
import { s3Failures } from "./failure.ts";

const CALL = { provider: "s3", operation: "put", path: "a/b" };

function answer(name: string, httpStatusCode: number): Error {
  return Object.assign(new Error("said the server"), {
    name,
    $metadata: { httpStatusCode, requestId: "R1" },
    $response: { headers: { authorization: "Signature=secret" } },
  });
}

const known: [error: unknown, kind: VaultErrorKind, message: RegExp][] = [
  [answer("NoSuchKey", 404), "missing", /^Cannot put "a\/b": there is no such object$/],
  [answer("NoSuchBucket", 404), "missing", /no such bucket/],
  [answer("NotFound", 404), "missing", /no such object/],
  [answer("PreconditionFailed", 412), "conflict", /changed/],
  [answer("ConditionalRequestConflict", 409), "conflict", /changed/],
  [answer("Unknown", 403), "denied", /refuses these credentials \(403\)/],
  [answer("ExpiredToken", 400), "denied", /400 ExpiredToken/],
  [Object.assign(new Error("none"), { name: "CredentialsProviderError" }), "denied", /Credentials/],
  [answer("InvalidRange", 416), "invalid", /416 InvalidRange: said the server/],
  [answer("EntityTooLarge", 400), "invalid", /EntityTooLarge/],
  [answer("NotImplemented", 501), "invalid", /NotImplemented/],
  [new Error("Region is missing"), "invalid", /Region is missing/],
  [answer("SlowDown", 503), "unavailable", /503 SlowDown/],
  [answer("InternalError", 500), "unavailable", /500 InternalError/],
  [answer("TooManyRequests", 429), "unavailable", /429/],
  [answer("RequestTimeout", 400), "unavailable", /RequestTimeout/],
  [Object.assign(new Error("x"), { code: "ECONNRESET" }), "unavailable", /ECONNRESET/],
  [new Error("no way to https://host/?X-Amz-Signature=secret"), "unavailable", /no way to URL/],
];

Deno.test("s3: what its client throws becomes an error of the contract, without secrets", () => {
  for (const [error, kind, message] of known) {
    const told = failure(error, CALL, s3Failures);
    assert.ok(told instanceof VaultError);
    assert.deepEqual([told.kind, told.provider, told.operation], [kind, "s3", "put"], told.message);
    assert.match(told.message, message);
    assert.ok(!Deno.inspect(told, { depth: 9 }).includes("secret"));
    assert.ok(told.cause instanceof Error);
  }
});

Deno.test("s3: an object that is gone is a conflict for who asked for a state of it", () => {
  const told = failure(answer("NoSuchKey", 404), CALL, s3Failures, { condition: { match: "x" } });
  assert.equal((told as VaultError).kind, "conflict");
});

Deno.test("s3: who gave up is told the own reason", () => {
  const reason = new RangeError("enough");
  const signal = AbortSignal.abort(reason);
  assert.equal(failure(answer("SlowDown", 503), CALL, s3Failures, { signal }), reason);
});
