import assert from "node:assert/strict";
import { createStorage, type ObjectStorage } from "../../backends/storage.ts";
import { patternBytes, piecesOf } from "../objects/store_samples.ts";
import { textOf } from "../../tests/support/response_text.ts";
import { imageTest, loadedSharp, quarters } from "../../tests/support/sharp_images.ts";
import { askedRange } from "./byte_range.ts";
import { type HttpStorageOptions, storageHandler } from "./storage_requests.ts";

interface World {
  readonly storage: ObjectStorage;
  ask(method: string, path: string, init?: RequestInit): Promise<Response>;
}

/** Over a real connection. */
async function serving(
  options: Partial<HttpStorageOptions>,
  body: (world: World) => Promise<void>,
): Promise<void> {
  await using storage = await createStorage({ providers: { all: { type: "memory" } } });
  const serve = storageHandler(storage, { base: "/files", authorize: () => true, ...options });
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, serve);
  const root = `http://127.0.0.1:${server.addr.port}/files`;
  await body({ storage, ask: (method, path, init) => fetch(root + path, { method, ...init }) });
}

Deno.test("http: put, get, head, delete", async () => {
  await serving({}, async ({ storage, ask }) => {
    const bytes = patternBytes(400_000);
    const put = await ask("PUT", "/deep/%C3%BC%20x.bin", { body: bytes });
    const shown = JSON.parse(await textOf(put, 201));
    assert.deepEqual([shown.path, shown.size], ["deep/ü x.bin", bytes.length]);
    assert.deepEqual(await storage.download("deep/ü x.bin"), bytes);
    const got = await ask("GET", "/deep/%C3%BC%20x.bin");
    assert.equal(got.headers.get("content-type"), "application/octet-stream");
    assert.equal(got.headers.get("content-length"), `${bytes.length}`);
    assert.equal(got.headers.get("etag"), put.headers.get("etag"));
    assert.deepEqual(new Uint8Array(await got.arrayBuffer()), bytes);
    const head = await ask("HEAD", "/deep/%C3%BC%20x.bin");
    assert.equal(head.headers.get("content-length"), `${bytes.length}`);
    assert.equal(await textOf(head, 200), "");
    await textOf(await ask("DELETE", "/deep/%C3%BC%20x.bin"), 204);
    await textOf(await ask("GET", "/deep/%C3%BC%20x.bin"), 404);
    await textOf(await ask("HEAD", "/deep/%C3%BC%20x.bin"), 404);
    await textOf(await ask("PUT", "/empty"), 201);
    assert.equal(await textOf(await ask("GET", "/empty"), 200), "");
  });
});

Deno.test("http: ranges and conditions of reading", async () => {
  await serving({}, async ({ storage, ask }) => {
    await storage.upload("t.txt", "0123456789");
    const etag = (await ask("HEAD", "/t.txt")).headers.get("etag")!;
    const part = async (range: string, status: number, extra: Record<string, string> = {}) => {
      const response = await ask("GET", "/t.txt", { headers: { range, ...extra } });
      const shown = response.headers.get("content-range");
      return [await textOf(response, status), shown];
    };
    assert.deepEqual(await part("bytes=2-4", 206), ["234", "bytes 2-4/10"]);
    assert.deepEqual(await part("bytes=7-", 206), ["789", "bytes 7-9/10"]);
    assert.deepEqual(await part("bytes=-3", 206), ["789", "bytes 7-9/10"]);
    assert.deepEqual(await part("bytes=5-100", 206), ["56789", "bytes 5-9/10"]);
    assert.deepEqual(await part("bytes=10-", 416), ["", "bytes */10"]);
    assert.deepEqual(await part("bytes=0-1,3-4", 200), ["0123456789", null]);
    assert.deepEqual(await part("bytes=2-4", 206, { "if-range": etag }), ["234", "bytes 2-4/10"]);
    assert.deepEqual(await part("bytes=2-4", 200, { "if-range": '"old"' }), ["0123456789", null]);
    const head = await ask("HEAD", "/t.txt", { headers: { range: "bytes=2-4" } });
    assert.deepEqual([head.status, head.headers.get("content-length")], [200, "10"]);
    const cached = await ask("GET", "/t.txt", { headers: { "if-none-match": `"x", W/${etag}` } });
    assert.equal(cached.headers.get("etag"), etag);
    assert.equal(await textOf(cached, 304), "");
  });
});

Deno.test("http: byte ranges of every size", () => {
  assert.deepEqual(askedRange("bytes=0-0", 1), { kind: "part", offset: 0, length: 1 });
  assert.deepEqual(askedRange("bytes=-5", 0), { kind: "unsatisfiable" });
  assert.deepEqual(askedRange("bytes=-0", 5), { kind: "unsatisfiable" });
  assert.deepEqual(askedRange("bytes=0-", 0), { kind: "unsatisfiable" });
  for (const odd of [null, "", "bytes=", "bytes=-", "bytes=3-2", "lines=0-1", "bytes=a-b"]) {
    assert.deepEqual(askedRange(odd, 10), { kind: "all" }, `${odd}`);
  }
});

Deno.test("http: conditions of writing", async () => {
  await serving({}, async ({ storage, ask }) => {
    const create = { headers: { "if-none-match": "*" }, body: "first" };
    const first = await ask("PUT", "/a", create);
    await textOf(first, 201);
    await textOf(await ask("PUT", "/a", create), 412);
    const etag = first.headers.get("etag")!;
    await textOf(await ask("PUT", "/a", { headers: { "if-match": etag }, body: "second" }), 201);
    await textOf(await ask("PUT", "/a", { headers: { "if-match": etag }, body: "third" }), 412);
    await textOf(await ask("DELETE", "/a", { headers: { "if-match": etag } }), 412);
    for (const wanted of [etag, "*"]) {
      await textOf(await ask("PUT", "/none", { headers: { "if-match": wanted }, body: "x" }), 412);
      await textOf(await ask("DELETE", "/none", { headers: { "if-match": wanted } }), 412);
    }
    // What would be ignored is refused.
    await textOf(await ask("PUT", "/a", { headers: { "if-none-match": etag }, body: "x" }), 400);
    assert.equal(await storage.exists("none"), false);
    assert.equal(await storage.downloadText("a"), "second");
  });
});

Deno.test("http: forms of several files are streamed, within their limits", async () => {
  const limits = { fileBytesMax: 2_000_000, filesMax: 2, contentTypes: ["image/*", "text/plain"] };
  await serving(limits, async ({ storage, ask }) => {
    const large = patternBytes(1_500_000);
    const form = (files: Record<string, Blob>) => {
      const data = new FormData();
      data.set("note", "not a file");
      for (const [name, blob] of Object.entries(files)) data.append("files", blob, name);
      return data;
    };
    const picture = new Blob([large], { type: "image/png" });
    const note = new Blob(["hello"], { type: "text/plain" });
    const stored = await ask("POST", "/up", {
      body: form({ "a.png": picture, "../../b.txt": note }),
    });
    const rows = JSON.parse(await textOf(stored, 201));
    assert.deepEqual(rows.map(({ path }: { path: string }) => path), ["up/a.png", "up/b.txt"]);
    assert.deepEqual(await storage.download("up/a.png"), large);
    assert.equal((await storage.getInfo("up/a.png")).contentType, "image/png");

    const refused = async (body: BodyInit, message: RegExp, status = 400) => {
      assert.match(await textOf(await ask("POST", "/no", { body }), status), message);
    };
    const script = new Blob(["x"], { type: "text/html" });
    await refused(form({ "x.html": script }), /want image/);
    const tooLarge = new Blob([new Uint8Array(2_500_000)], { type: "image/png" });
    await refused(form({ "x.png": tooLarge }), /more than 2000000 bytes/);
    await refused(form({ a: note, b: note, c: note }), /more than 2 files/);
    await refused("no form", /multipart/);
    assert.equal(await storage.exists("no/x.html"), false);
    assert.equal(await storage.exists("no/x.png"), false);
    const headers = { "content-type": "text/html" };
    await textOf(await ask("PUT", "/x", { body: "x", headers }), 400);
  });
});

Deno.test("http: nothing happens that the application does not allow", async () => {
  const seen: string[] = [];
  const authorize: HttpStorageOptions["authorize"] = (request, { action, path }) => {
    seen.push(`${action} ${path}`);
    if (request.headers.get("authorization") === null) {
      return new Response(null, { status: 401, headers: { "www-authenticate": "Basic" } });
    }
    return action === "read";
  };
  await serving({ authorize }, async ({ storage, ask }) => {
    await storage.upload("a", "x");
    const headers = { authorization: "somebody" };
    await textOf(await ask("GET", "/a"), 401);
    await textOf(await ask("GET", "/a", { headers }), 200);
    await textOf(await ask("PUT", "/a", { headers, body: "y" }), 403);
    await textOf(await ask("DELETE", "/a", { headers }), 403);
    await textOf(await ask("POST", "/b", { headers, body: new FormData() }), 403);
    assert.equal(await storage.downloadText("a"), "x");
    assert.deepEqual(seen.slice(1), ["read a", "write a", "delete a", "write b"]);
  });
});

Deno.test("http: bad requests get an answer, and uploads are no pages of the host", async () => {
  await serving({}, async ({ storage, ask }) => {
    await textOf(await ask("GET", "/%ff"), 400);
    await textOf(await ask("GET", "/"), 400);
    await textOf(await ask("GET", "/a%00b"), 400);
    await textOf(await ask("GET", "/..%2f..%2fx"), 400);
    const patched = await ask("PATCH", "/a", { body: "x" });
    assert.match(patched.headers.get("allow")!, /GET/);
    await textOf(patched, 405);
    await storage.upload("page.html", "<script>1</script>");
    const page = await ask("GET", "/page.html");
    assert.equal(page.headers.get("content-security-policy"), "sandbox");
    assert.equal(page.headers.get("x-content-type-options"), "nosniff");
    await page.body?.cancel();
    const policyOf = async (contentType: string) => {
      await storage.upload("typed", "<x/>", { contentType });
      const response = await ask("GET", "/typed");
      await response.body?.cancel();
      return response.headers.get("content-security-policy");
    };
    const active = ["TEXT/HTML", "image/svg+xml", "application/rss+xml; charset=utf-8", "text/xml"];
    for (const type of [...active, "multipart/x-mixed-replace;boundary=a", "text/plainly"]) {
      assert.equal(await policyOf(type), "sandbox", type);
    }
    for (const type of ["image/png", "text/plain; charset=utf-8", "application/pdf"]) {
      assert.equal(await policyOf(type), null, type);
    }
  });
});

Deno.test("http: what stands in the way of a write without a condition is a conflict", async () => {
  const path = await Deno.makeTempDir({ prefix: "sv-http-" });
  {
    await using storage = await createStorage({ providers: { all: { type: "local", path } } });
    const serve = storageHandler(storage, { authorize: () => true });
    const ask = (method: string, path: string, init?: RequestInit) =>
      serve(new Request(`http://host${path}`, { method, ...init }));
    await textOf(await ask("PUT", "/a", { body: "x" }), 201);
    await textOf(await ask("PUT", "/a/b", { body: "x" }), 409);
    await textOf(await ask("GET", "/a/b"), 404);
    const headers = { "if-none-match": "*" };
    await textOf(await ask("PUT", "/a", { body: "x", headers }), 412);
    const form = new FormData();
    form.append("files", new Blob(["x"]), "b");
    await textOf(await ask("POST", "/a", { body: form }), 409);
  }
  await Deno.remove(path, { recursive: true });
});

Deno.test("http: a file that is replaced while it is looked at is given in its newest state", async () => {
  await using storage = await createStorage({ providers: { all: { type: "memory" } } });
  await storage.upload("a", "first");
  const serve = storageHandler(storage, { authorize: () => true });
  const { getInfo } = storage;
  let replaced = 0;
  const replacing = (most: number) => {
    replaced = 0;
    storage.getInfo = async (path, options) => {
      const info = await getInfo.call(storage, path, options);
      if (replaced < most) await storage.upload("a", `state ${++replaced}`);
      return info;
    };
  };
  replacing(2);
  assert.equal(await textOf(await serve(new Request("http://host/a")), 200), "state 2");
  replacing(Infinity);
  await textOf(await serve(new Request("http://host/a")), 503);
});

Deno.test("http: who goes away while he uploads leaves nothing", async () => {
  await serving({}, async ({ storage, ask }) => {
    const giving = new AbortController();
    let pulled = 0;
    const body = piecesOf(patternBytes(50_000_000), 65536).pipeThrough(
      new TransformStream<Uint8Array, Uint8Array>({
        transform(chunk, controller) {
          if (++pulled === 50) giving.abort();
          controller.enqueue(chunk);
        },
      }),
    );
    await assert.rejects(ask("PUT", "/half", { body, signal: giving.signal }));
    assert.equal(await storage.exists("half"), false);
  });
});

imageTest(
  "http: the application says what becomes of images",
  await loadedSharp(),
  async (sharp) => {
    const transforms: HttpStorageOptions["transforms"] = ({ path, contentType }) => {
      if (!contentType.startsWith("image/")) return undefined;
      return { resize: { width: path.startsWith("thumbs/") ? 10 : 50 }, format: "webp" };
    };
    const photo = await quarters(sharp, 400, 200).jpeg().toBuffer();
    await serving({ transforms }, async ({ storage, ask }) => {
      const sizeOf = async (path: string) => {
        const { format, width } = await sharp(await storage.download(path)).metadata();
        return [(await storage.getInfo(path)).contentType, format, width];
      };
      const headers = { "content-type": "image/jpeg" };
      await textOf(await ask("PUT", "/a.jpg", { body: photo, headers }), 201);
      assert.deepEqual(await sizeOf("a.jpg"), ["image/webp", "webp", 50]);
      const form = new FormData();
      form.append("one", new Blob([photo], { type: "image/jpeg" }), "b.jpg");
      form.append("two", new Blob(["text"], { type: "text/plain" }), "c.txt");
      await textOf(await ask("POST", "/thumbs", { body: form }), 201);
      assert.deepEqual(await sizeOf("thumbs/b.jpg"), ["image/webp", "webp", 10]);
      assert.equal(await storage.downloadText("thumbs/c.txt"), "text");
      const bad = await ask("PUT", "/d.jpg", { body: photo.subarray(0, 900), headers });
      assert.match(await textOf(bad, 400), /Cannot transform \\"d.jpg\\"/);
      assert.equal(await storage.exists("d.jpg"), false);
    });
  },
);
