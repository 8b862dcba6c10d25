/** What only S3 has, against Ceph's gateway. */
import { ListMultipartUploadsCommand } from "@aws-sdk/client-s3";
import assert from "node:assert/strict";
import { connectBucket } from "../../backends/s3/bucket.ts";
import { copyInParts } from "../../backends/s3/copy.ts";
import { openS3Objects } from "../../backends/s3/object_store.ts";
import { bodyContract } from "../../core/objects/body_contract.ts";
import { MIB } from "../../core/limits.ts";
import { bytesOf, patternBytes, refused, text } from "../../core/objects/store_samples.ts";
import { CEPH_KEYS } from "./ceph.ts";
import { FaultProxy } from "./fault_proxy.ts";
import { cephConfig, cloudTests } from "./cloud_stores.ts";

const test = await cloudTests("s3");

test(
  "a stream that breaks off in its parts leaves none of them",
  async ({ store, bucket }, url) => {
    await bodyContract["a long stream that breaks off shows nothing of itself"](store);
    const { client } = await connectBucket(cephConfig(url, bucket));
    const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket }));
    client.destroy();
    assert.deepEqual(Uploads, []);
  },
);

test("long objects are copied in parts", async ({ store, bucket }, url) => {
  const bytes = patternBytes(11 * MIB + 7);
  const description = { contentType: "a/b", metadata: { m: "1" }, tags: { t: "1" } };
  const { etag } = await store.put("from here", bytes, description);
  const connected = await connectBucket(cephConfig(url, bucket));
  const written = await copyInParts(connected, {
    call: { provider: "s3", operation: "copy to", path: "to/there" },
    from: "from here",
    to: "to/there",
    head: { $metadata: {}, ContentLength: bytes.length, ETag: etag },
    description,
    isRedescribed: false,
    condition: {},
    commit: (_, write) => write(),
  }, 5 * MIB);
  connected.client.destroy();
  const copied = await store.get("to/there");
  assert.equal(copied.info.etag, written.etag);
  assert.deepEqual([copied.info.contentType, copied.info.metadata], ["a/b", { m: "1" }]);
  assert.ok(Buffer.compare(await bytesOf(copied), bytes) === 0);
});

test("what is said again keeps what the contract does not know", async ({ store, bucket }, url) => {
  const { sdk, client } = await connectBucket(cephConfig(url, bucket));
  const [CacheControl, ContentDisposition] = ["max-age=60", "attachment"];
  const at = { Bucket: bucket, Key: "x" };
  await client.send(
    new sdk.PutObjectCommand({ ...at, Body: text("x"), CacheControl, ContentDisposition }),
  );
  await store.describe("x", { contentType: "text/plain" });
  const head = await client.send(new sdk.HeadObjectCommand(at));
  client.destroy();
  assert.deepEqual(
    [head.CacheControl, head.ContentDisposition, head.ContentType],
    [CacheControl, ContentDisposition, "text/plain"],
  );
});

test("what others keep beside objects is not listed", async ({ store, bucket }, url) => {
  const { sdk, client } = await connectBucket(cephConfig(url, bucket));
  const mark = { Bucket: bucket, Key: "folder/", Body: new Uint8Array() };
  await client.send(new sdk.PutObjectCommand(mark));
  client.destroy();
  await store.put("folder/x", text("x"));
  assert.deepEqual((await store.list()).objects.map(({ path }) => path), ["folder/x"]);
});

test(
  "who loses a race for certain has a conflict, whatever the server answers",
  async (opened, url) => {
    await opened.store.put("x", text("theirs"));
    await using proxy = new FaultProxy(url);
    const store = await openS3Objects(cephConfig(proxy.url, opened.bucket));
    proxy.fail({ kind: "answer", status: 500 }, Infinity, ({ method }) => method === "PUT");
    await refused(store, store.put("x", text("ours"), { create: true }), "conflict");
    await refused(store, store.put("x", text("ours"), { match: "another" }), "conflict");
    // What is there may be ours, by an answer that was lost.
    await refused(store, store.put("x", text("theirs"), { create: true }), "unavailable");
    await refused(store, store.put("y", text("ours"), { create: true }), "unavailable");
    await refused(store, store.put("x", text("ours")), "unavailable");
    await store.close();
  },
);

test("wrong credentials are denied, and nothing secret is told", async ({ bucket }, url) => {
  const secretKey = "THE-WRONG-SECRET";
  const store = await openS3Objects({ ...cephConfig(url, bucket), secretKey });
  const calls = [() => store.head("x"), () => store.put("x", text("x")), () => store.list()];
  for (const ask of calls) {
    const call = ask();
    await refused(store, call, "denied");
    const told = Deno.inspect(await call.catch((error) => error), { depth: 9 });
    assert.ok(
      ![secretKey, CEPH_KEYS.secretKey, "Signature="].some((it) => told.includes(it)),
      told,
    );
  }
  await store.close();
});

test("a bucket that is not there is missing", async (_, url) => {
  const store = await openS3Objects(cephConfig(url, "no-such-bucket"));
  await refused(store, store.put("x", text("x")), "missing");
  await refused(store, store.list(), "missing");
  await store.close();
});

Deno.test("s3: a server that is not there is unavailable", async () => {
  const store = await openS3Objects(cephConfig("http://127.0.0.1:1", "bucket"));
  await refused(store, store.get("x"), "unavailable");
  await store.close();
});

Deno.test("s3: configurations that cannot work are refused", async () => {
  for (
    const wrong of [
      { bucket: "a" },
      { bucket: "bucket/x" },
      { bucket: "bucket", endpoint: "ftp://host" },
      { bucket: "bucket", endpoint: "https://key:secret@host" },
      { bucket: "bucket", accessKey: "alone" },
      { bucket: "bucket", sessionToken: "alone" },
      { bucket: "bucket", region: "EU central" },
      { bucket: "bucket", timeLimitSeconds: 0 },
    ]
  ) {
    const error = await openS3Objects(wrong).then(() => null, (error) => error);
    assert.equal(error?.kind, "invalid", Deno.inspect(wrong));
    assert.ok(!error.message.includes("secret@"));
  }
});
