import assert from "node:assert/strict";
import { openWasabiObjects } from "./object_store.ts";
import { wasabiAsS3 } from "./config.ts";

const KEYS = { accessKey: "someone", secretKey: "secret" };

Deno.test("wasabi: each region has its host", async () => {
  const { endpoint, region } = wasabiAsS3({ bucket: "letters", region: "ap-northeast-2" });
  assert.deepEqual([endpoint, region], [
    "https://s3.ap-northeast-2.wasabisys.com",
    "ap-northeast-2",
  ]);
  assert.equal(wasabiAsS3({ bucket: "letters" }).endpoint, "https://s3.us-east-1.wasabisys.com");
  const store = await openWasabiObjects({ bucket: "letters", region: "eu-west-1", ...KEYS });
  const url = new URL(await store.signedUrl("a/b", { expiresSeconds: 60 }));
  assert.deepEqual([url.host, url.pathname], ["s3.eu-west-1.wasabisys.com", "/letters/a/b"]);
  assert.match(url.searchParams.get("X-Amz-Credential")!, /\/eu-west-1\/s3\/aws4_request$/);
  await store.close();
});

Deno.test("wasabi: what is no region is refused", async () => {
  for (const region of ["Frankfurt", "eu-central-1.example.org/", ""]) {
    const error = await openWasabiObjects({ bucket: "letters", region }).catch((error) => error);
    assert.deepEqual([error.kind, error.provider], ["invalid", "wasabi"]);
  }
});
