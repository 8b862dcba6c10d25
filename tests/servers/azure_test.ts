/** What only Azure has, against azurite. */
import { BlobServiceClient } from "@azure/storage-blob";
import assert from "node:assert/strict";
import { openAzureObjects } from "../../backends/azure/object_store.ts";
import { refused, text } from "../../core/objects/store_samples.ts";
import { azuriteConnection } from "./azurite.ts";
import { cloudTests } from "./cloud_stores.ts";

const test = await cloudTests("azure");
const CONTAINER = { container: "letters" };

test("what is said again keeps what the contract does not know", async ({ store, bucket }, url) => {
  const service = BlobServiceClient.fromConnectionString(azuriteConnection(url));
  const blob = service.getContainerClient(bucket).getBlockBlobClient("x");
  const blobHTTPHeaders = { blobCacheControl: "max-age=60", blobContentLanguage: "de" };
  await blob.upload("x", 1, { blobHTTPHeaders });
  await store.describe("x", { contentType: "text/plain" });
  const { cacheControl, contentLanguage, contentType } = await blob.getProperties();
  assert.deepEqual([cacheControl, contentLanguage, contentType], [
    "max-age=60",
    "de",
    "text/plain",
  ]);
});

test("names of metadata are Azure's there, ours here", async ({ store, bucket }, url) => {
  const service = BlobServiceClient.fromConnectionString(azuriteConnection(url));
  const blob = service.getContainerClient(bucket).getBlockBlobClient("x");
  await store.put("x", text("x"), { metadata: { "page-count": "12" } });
  assert.deepEqual((await blob.getProperties()).metadata, { page_count: "12" });
  assert.deepEqual((await store.head("x"))!.metadata, { "page-count": "12" });
});

test("a wrong key is denied, and nothing secret is told", async ({ bucket }, url) => {
  const accountKey = btoa("the wrong secret");
  const endpoint = `${url}/devstoreaccount1`;
  const account = "devstoreaccount1";
  const store = await openAzureObjects({ container: bucket, account, accountKey, endpoint });
  const calls = [() => store.head("x"), () => store.put("x", text("x")), () => store.list()];
  for (const ask of calls) {
    const call = ask();
    await refused(store, call, "denied");
    const told = Deno.inspect(await call.catch((error) => error), { depth: 9 });
    assert.ok(![accountKey, "SharedKey"].some((it) => told.includes(it)), told);
  }
  await store.close();
});

test("a container that is not there is missing", async (_, url) => {
  const connectionString = azuriteConnection(url);
  const store = await openAzureObjects({ ...CONTAINER, connectionString });
  await refused(store, store.put("x", text("x")), "missing");
  await refused(store, store.list(), "missing");
  await store.close();
});

Deno.test("azure: a server that is not there is unavailable", async () => {
  const connectionString = azuriteConnection("http://127.0.0.1:1");
  const store = await openAzureObjects({ ...CONTAINER, connectionString });
  await refused(store, store.get("x"), "unavailable");
  await store.close();
});

Deno.test("azure: configurations that cannot work are refused, without a secret", async () => {
  const [account, connectionString] = ["someone", "AccountKey=c2VjcmV0"];
  for (
    const wrong of [
      { container: "A", account },
      { container: "a--b", account },
      CONTAINER,
      { ...CONTAINER, account, connectionString },
      { ...CONTAINER, account: "some-one" },
      { ...CONTAINER, connectionString },
      { ...CONTAINER, connectionString: azuriteConnection("x:"), accountKey: "c2VjcmV0" },
      { ...CONTAINER, account, endpoint: "https://host/?sig=c2VjcmV0" },
      { ...CONTAINER, account, timeLimitSeconds: 0 },
    ]
  ) {
    const error = await openAzureObjects(wrong).then(() => null, (error) => error);
    assert.equal(error?.kind, "invalid", Deno.inspect(wrong));
    assert.ok(!Deno.inspect(error).includes("c2VjcmV0"));
  }
});
