/** What only Google's storage has, against the emulator; and what needs no server. */
import assert from "node:assert/strict";
import { createVerify, generateKeyPairSync } from "node:crypto";
import { TAGS_NAME } from "../../backends/gcs/bucket.ts";
import { openGcsObjects } from "../../backends/gcs/object_store.ts";
import { refused, text } from "../../core/objects/store_samples.ts";
import { cloudTests } from "./cloud_stores.ts";

const test = await cloudTests("gcs");

test("tags are an entry of the metadata that nobody else may use", async ({ store }) => {
  const metadata = { [TAGS_NAME]: "{}" };
  await refused(store, store.put("x", text("x"), { metadata }), "invalid");
  await store.put("x", text("x"), { metadata: { a: "1" }, tags: { "cost centre": "a=b" } });
  const { metadata: said, tags } = (await store.head("x"))!;
  assert.deepEqual([said, tags], [{ a: "1" }, { "cost centre": "a=b" }]);
});

test("an etag that Google never gave is a conflict", async ({ store }) => {
  await store.put("x", text("x"));
  for (const match of ["", "0", "abc", "1e3", "99999999999999999999"]) {
    await refused(store, store.put("x", text("y"), { match }), "conflict");
    await refused(store, store.delete("x", { match }), "conflict");
  }
});

Deno.test("gcs: a server that is not there is unavailable", async () => {
  const store = await openGcsObjects({ bucket: "letters", endpoint: "http://127.0.0.1:1" });
  for (const call of [() => store.get("x"), () => store.put("x", text("x")), () => store.list()]) {
    await refused(store, call(), "unavailable");
  }
  await store.close();
});

Deno.test("gcs: URLs are signed by the key, as Google checks them", async () => {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const credentials = JSON.stringify({
    client_email: "someone@project.iam.gserviceaccount.com",
    private_key: privateKey.export({ type: "pkcs8", format: "pem" }),
  });
  const store = await openGcsObjects({ bucket: "letters", credentials });
  for (const method of ["GET", "PUT"] as const) {
    const url = new URL(await store.signedUrl("to/a b", { expiresSeconds: 600, method }));
    assert.deepEqual([url.host, url.pathname], ["storage.googleapis.com", "/letters/to/a%20b"]);
    const query = url.searchParams;
    assert.equal(query.get("X-Goog-Expires"), "600");
    const signature = Buffer.from(query.get("X-Goog-Signature")!, "hex");
    query.delete("X-Goog-Signature");
    const canonical = [
      method,
      url.pathname,
      [...query].map((pair) => pair.map(encodeURIComponent).join("=")).sort().join("&"),
      `host:${url.host}`,
      "",
      "host",
      "UNSIGNED-PAYLOAD",
    ].join("\n");
    const digest = new Uint8Array(
      await crypto.subtle.digest("SHA-256", text(canonical) as BufferSource),
    );
    const scope = query.get("X-Goog-Credential")!.split("/").slice(1).join("/");
    const signed = ["GOOG4-RSA-SHA256", query.get("X-Goog-Date"), scope, digest.toHex()].join("\n");
    assert.ok(createVerify("RSA-SHA256").update(signed).verify(publicKey, signature), method);
  }
  await refused(store, store.signedUrl("x", { expiresSeconds: 604_801 }), "invalid");
  await store.close();
});

Deno.test("gcs: configurations that cannot work are refused, without a secret", async () => {
  for (
    const wrong of [
      { bucket: "A" },
      { bucket: "letters", endpoint: "https://key@host" },
      { bucket: "letters", credentials: '{"private_key": "c2VjcmV0' },
      { bucket: "letters", credentials: '{"private_key": "c2VjcmV0"}' },
      { bucket: "letters", timeLimitSeconds: 4000 },
    ]
  ) {
    const error = await openGcsObjects(wrong).then(() => null, (error) => error);
    assert.equal(error?.kind, "invalid", Deno.inspect(wrong));
    assert.ok(!Deno.inspect(error).includes("c2VjcmV0"));
  }
});
