/** `storageHandler` inside an application of Hono's, below a prefix of its own, over real connections. */
import assert from "node:assert/strict";
import { Hono } from "hono";
import { basicAuth } from "hono/basic-auth";
import { createStorage, type ObjectStorage } from "../../backends/storage.ts";
import { patternBytes, piecesOf } from "../objects/store_samples.ts";
import { textOf } from "../../tests/support/response_text.ts";
import { type HttpStorageOptions, storageHandler } from "./storage_requests.ts";

const HEADERS = { authorization: `Basic ${btoa("ada:engine")}` };

/** An application with pages of its own, and files below `/app/files`. */
function application(storage: ObjectStorage, authorize: HttpStorageOptions["authorize"]): Hono {
  const files = storageHandler(storage, { base: "/app/files", authorize });
  const app = new Hono();
  app.use("/app/*", async (c, next) => {
    await next();
    c.header("x-app", "hono");
  });
  app.mount("/app/mounted", storageHandler(storage, { authorize })); // which takes the prefix away
  app.get("/app/hello", (c) => c.text("hello"));
  app.use("/app/files/private/*", basicAuth({ username: "ada", password: "engine" }));
  app.all("/app/files/*", (c) => files(c.req.raw));
  app.notFound((c) => c.text("no such page", 404));
  return app;
}

async function serving(
  work: (world: {
    readonly storage: ObjectStorage;
    ask(method: string, path: string, init?: RequestInit): Promise<Response>;
  }) => Promise<void>,
  authorize: HttpStorageOptions["authorize"] = () => true,
): Promise<void> {
  await using storage = await createStorage({ providers: { all: { type: "memory" } } });
  const app = application(storage, authorize);
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, app.fetch);
  const root = `http://127.0.0.1:${server.addr.port}/app`;
  await work({ storage, ask: (method, path, init) => fetch(root + path, { method, ...init }) });
}

Deno.test("hono: uploads, streams, forms, ranges, HEAD and If-None-Match below a prefix", async () => {
  await serving(async ({ storage, ask }) => {
    const bytes = patternBytes(3_000_000);
    const put = await ask("PUT", "/files/deep/%C3%BC.bin", { body: piecesOf(bytes, 70_000) });
    assert.equal(JSON.parse(await textOf(put, 201)).path, "deep/ü.bin");
    assert.equal(put.headers.get("x-app"), "hono");
    const got = await ask("GET", "/files/deep/%C3%BC.bin");
    assert.deepEqual(new Uint8Array(await got.arrayBuffer()), bytes);
    const etag = got.headers.get("etag")!;
    const part = await ask("GET", "/files/deep/%C3%BC.bin", { headers: { range: "bytes=5-9" } });
    assert.equal(part.headers.get("content-range"), "bytes 5-9/3000000");
    assert.deepEqual(new Uint8Array(await part.arrayBuffer()), bytes.slice(5, 10));
    assert.equal(part.status, 206);
    const head = await ask("HEAD", "/files/deep/%C3%BC.bin");
    assert.equal(head.headers.get("content-length"), "3000000");
    assert.equal(head.headers.get("accept-ranges"), "bytes");
    assert.equal(await textOf(head, 200), "");
    const same = { headers: { "if-none-match": etag } };
    assert.equal(await textOf(await ask("GET", "/files/deep/%C3%BC.bin", same), 304), "");
    const form = new FormData();
    form.append("a", new Blob([bytes]), "a.bin");
    form.append("b", new Blob(["text"]), "b.txt");
    const stored = JSON.parse(await textOf(await ask("POST", "/files/in", { body: form }), 201));
    assert.deepEqual(stored.map(({ path }: { path: string }) => path), ["in/a.bin", "in/b.txt"]);
    assert.deepEqual(await storage.download("in/a.bin"), bytes);
    const twice = { body: "x", headers: { "if-none-match": "*" } };
    await textOf(await ask("PUT", "/files/in/a.bin", twice), 412);
    await textOf(await ask("DELETE", "/files/in/a.bin"), 204);
    await textOf(await ask("GET", "/files/in/a.bin"), 404);
  });
});

Deno.test("hono: its own pages stay, and what is outside the prefix is not the storage's", async () => {
  await serving(async ({ storage, ask }) => {
    await storage.upload("hello", "a file");
    assert.equal(await textOf(await ask("GET", "/hello"), 200), "hello");
    assert.equal(await textOf(await ask("GET", "/files/hello"), 200), "a file");
    assert.equal(await textOf(await ask("GET", "/mounted/hello"), 200), "a file");
    assert.equal(await textOf(await ask("GET", "/other/hello"), 404), "no such page");
    await textOf(await ask("GET", "/files/..%2fhello"), 400);
  });
});

Deno.test("hono: its middleware asks for a password, and authorize for the rest", async () => {
  const authorize: HttpStorageOptions["authorize"] = (request, { action, path }) => {
    return action === "read" ||
      (path.startsWith("private/") && request.headers.has("authorization"));
  };
  await serving(async ({ storage, ask }) => {
    await storage.upload("private/diary.txt", "secret");
    await storage.upload("public.txt", "open");
    await textOf(await ask("GET", "/files/private/diary.txt"), 401);
    assert.equal(
      await textOf(await ask("GET", "/files/private/diary.txt", { headers: HEADERS }), 200),
      "secret",
    );
    const body = { body: "more", headers: HEADERS };
    await textOf(await ask("PUT", "/files/private/diary.txt", body), 201);
    assert.equal(await textOf(await ask("GET", "/files/public.txt"), 200), "open");
    await textOf(await ask("PUT", "/files/public.txt", body), 403);
    assert.equal(await storage.downloadText("public.txt"), "open");
    assert.equal(await storage.downloadText("private/diary.txt"), "more");
  }, authorize);
});
