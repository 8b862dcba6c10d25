/** Servers that speak S3 as no server should: what they say is refused, and never taken for something else. */
import assert from "node:assert/strict";
import { openS3Objects } from "../../backends/s3/object_store.ts";
import { KIB, MIB } from "../../core/limits.ts";
import type { ObjectStore } from "../../core/storage/object_store.ts";
import { bytesOf } from "../../core/objects/store_samples.ts";

const DATA = Uint8Array.from({ length: 1000 }, (_, i) => i % 251);
const HEADERS = { etag: '"e"', "last-modified": "Thu, 01 Jan 2026 00:00:00 GMT" };

interface Unruly extends AsyncDisposable {
  readonly store: ObjectStore;
  readonly asked: string[];
}

/** A store at a server that answers so. */
async function unruly(answer: (request: Request) => Response): Promise<Unruly> {
  const asked: string[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    asked.push(`${request.method} ${request.headers.get("range") ?? "whole"}`);
    return answer(request);
  });
  const store = await openS3Objects({
    bucket: "bucket",
    endpoint: `http://127.0.0.1:${server.addr.port}`,
    accessKey: "a",
    secretKey: "s",
    timeLimitSeconds: 10,
  });
  const close = async () => {
    await store.close();
    await server.shutdown();
  };
  return { store, asked, [Symbol.asyncDispose]: close };
}

function listing(inside: string): Response {
  const xml =
    `<?xml version="1.0"?><ListBucketResult><Name>bucket</Name>${inside}</ListBucketResult>`;
  return new Response(xml, { headers: { "content-type": "application/xml" } });
}

function listed(key: string, size = 1): string {
  const modified = "<LastModified>2026-01-01T00:00:00.000Z</LastModified>";
  return `<Contents><Key>${key}</Key><Size>${size}</Size>${modified}<ETag>"e"</ETag></Contents>`;
}

const END = "<IsTruncated>false</IsTruncated>";

Deno.test("unruly S3: a range that is ignored, or another one, is no answer", async () => {
  await using whole = await unruly(() => new Response(DATA, { headers: HEADERS }));
  assert.deepEqual(await bytesOf(await whole.store.get("k")), DATA);
  await assert.rejects(whole.store.get("k", { offset: 10, length: 5 }), { kind: "unavailable" });
  await using other = await unruly(() =>
    new Response(DATA.subarray(20, 25), {
      status: 206,
      headers: { ...HEADERS, "content-range": "bytes 20-24/1000" },
    })
  );
  await assert.rejects(other.store.get("k", { offset: 10, length: 5 }), { kind: "unavailable" });
  const { body, offset } = await other.store.get("k", { offset: 20, length: 5 });
  assert.equal(offset, 20);
  await body.cancel();
});

Deno.test("unruly S3: no range can be satisfied, though none was asked for", async () => {
  const refusal = () =>
    new Response("<Error><Code>InvalidRange</Code><Message>no</Message></Error>", { status: 416 });
  await using server = await unruly(refusal);
  await assert.rejects(server.store.get("k"));
  assert.deepEqual(server.asked, ["GET whole"]);
  await assert.rejects(server.store.get("k", { length: 5 }));
  assert.deepEqual(server.asked, ["GET whole", "GET bytes=0-4", "GET whole"]);
});

Deno.test("unruly S3: names are decoded where they are encoded", async () => {
  const names = `${listed("a+b")}${listed("100%")}`;
  await using plain = await unruly(() => listing(`${END}${names}`));
  const { objects } = await plain.store.list();
  assert.deepEqual(objects.map(({ path }) => path), ["a+b", "100%"]);
  const url = "<EncodingType>url</EncodingType>";
  await using encoded = await unruly(() => listing(`${END}${url}${listed("a+b%2B")}`));
  assert.deepEqual((await encoded.store.list()).objects[0].path, "a b+");
  await using broken = await unruly(() => listing(`${END}${url}${listed("100%")}`));
  await assert.rejects(broken.store.list(), { kind: "unavailable" });
});

Deno.test("unruly S3: an answer without end is cut off", async () => {
  for (const status of [200, 500]) {
    let sent = 0;
    const endless = () =>
      new ReadableStream<Uint8Array>({
        pull(controller) {
          sent += 64 * KIB;
          controller.enqueue(new Uint8Array(64 * KIB).fill(0x20));
        },
      });
    await using server = await unruly(() => new Response(endless(), { status }));
    await assert.rejects(server.store.list(), { kind: "unavailable" });
    assert.ok(sent < 64 * MIB, `${sent} bytes`);
  }
});

const noListings: Record<string, () => Response> = {
  "a page of a proxy": () => new Response("<html><body>Sign in</body></html>"),
  "an answer without a word": () => new Response(""),
  "a page without a next one": () => listing("<IsTruncated>true</IsTruncated>"),
  "the same page again": () =>
    listing("<IsTruncated>true</IsTruncated><NextContinuationToken>1</NextContinuationToken>"),
  "a size below zero": () => listing(`${END}${listed("a", -5)}`),
};

for (const [what, answer] of Object.entries(noListings)) {
  Deno.test(`unruly S3: ${what} is no listing`, async () => {
    await using server = await unruly(answer);
    await assert.rejects(server.store.list({ cursor: "1" }), { kind: "unavailable" });
  });
}
