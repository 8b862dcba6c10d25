/**
 * Serves Google's storage API from memory: the emulator in firebase-tools, without the rest of it, behind a check of the
 * preconditions, which it ignores. A program of its own, because the package is large and no part of the product: its
 * modules come as arguments, so that no list names them.
 *
 *     deno run -A google_program.ts PORT FOLDER_OF_MODULES
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";

const [port, folder] = Deno.args;
const HOST = "127.0.0.1";
const PROJECT = "demo-test";
const { EmulatorRegistry } = await import(`${folder}/registry.js`);
const { createApp } = await import(`${folder}/storage/server.js`);
const { StorageEmulator } = await import(`${folder}/storage/index.js`);

const emulator = new StorageEmulator({
  projectId: PROJECT,
  rules: { name: "storage.rules", content: "rules_version = '2';" },
});
// Where it takes its own address from.
EmulatorRegistry.INSTANCES.set("storage", { getInfo: () => ({ host: HOST, port: Number(port) }) });
const app = await createApp(PROJECT, emulator);

// Its numbers of states are milliseconds: no two are to be the same.
const clock = Date.now;
let latest = 0;
Date.now = () => latest = Math.max(latest + 1, clock());

/** Preconditions of uploads that have begun, by their ids: they hold for the end. */
const begun = new Map<string, string>();
/** Requests are looked at one after the other, so that nothing comes between a check and what it is for. */
let last = Promise.resolve();

createServer((request, response) => {
  last = last.then(() => answered(request, response));
}).listen(Number(port), HOST);

async function answered(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  response.once("close", resolve);
  const end = response.end.bind(response);
  // What is answered does not change any more.
  response.end = (...rest: unknown[]) => {
    resolve();
    return end(...rest as Parameters<typeof end>);
  };
  const url = new URL(request.url!, `http://${HOST}`);
  const refusal = refusalOf(url);
  if (refusal !== undefined) {
    request.resume();
    response.writeHead(refusal.code, { "content-type": "application/json" });
    response.end(JSON.stringify({ error: { ...refusal, errors: [refusal] } }));
    return await promise;
  }
  const wanted = url.searchParams.get("ifGenerationMatch");
  response.once("finish", () => {
    const place = URL.parse(`${response.getHeader("location")}`)?.searchParams.get("upload_id");
    if (place && wanted) begun.set(place, wanted);
  });
  // It has some of its routes without the first part only.
  request.url = request.url!.replace(/^\/storage\/v1\/b\//, "/b/");
  app(request, response);
  await promise;
}

function refusalOf(url: URL): { code: number; reason: string; message: string } | undefined {
  const upload = url.searchParams.get("upload_id");
  const wanted = upload ? begun.get(upload) : url.searchParams.get("ifGenerationMatch");
  if (wanted && wanted !== generationOf(url)) {
    return { code: 412, reason: "conditionNotMet", message: "A condition does not hold" };
  }
  const read = url.searchParams.get("generation") ?? url.searchParams.get("sourceGeneration");
  if (read && read !== generationOf(url, url.pathname.indexOf("/o/"))) {
    return { code: 404, reason: "notFound", message: "There is no such state" };
  }
}

/** The state of the object that is named last in a path, or first; `0`: there is none. */
function generationOf(url: URL, at = url.pathname.lastIndexOf("/o/")): string {
  const parts = url.pathname.slice(0, at < 0 ? undefined : at).split("/").map(decodeURIComponent);
  const bucket = parts[parts.lastIndexOf("b") + 1];
  const name = url.searchParams.get("name") ??
    decodeURIComponent(url.pathname.slice(at + 3).split("/")[0]);
  const metadata = emulator.adminStorageLayer.getMetadata(bucket, name);
  return `${metadata?.generation ?? 0}`;
}
