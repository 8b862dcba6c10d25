/**
 * Files of universal storage over HTTP.
 *
 * @module
 */
import { VaultError } from "../errors.ts";
import type { FileInfo } from "../objects/file_info.ts";
import type { ImageTransforms } from "../objects/images.ts";
import type { ObjectStorage } from "../objects/object_storage.ts";
import { watchedBody } from "../objects/watched_body.ts";
import { closingStream } from "../storage/object_body.ts";
import type { ObjectBody } from "../storage/object_store.ts";
import { isConflict, unlessMissing } from "../storage/store_failures.ts";
import { askedRange } from "./byte_range.ts";
import { namesTag, quotedTag } from "./entity_tag.ts";
import type { FormFile } from "./multipart.ts";

/** What a request wants to do. */
export interface AskedAccess {
  /** What it wants to do with the file. */
  readonly action: "read" | "write" | "delete";
  /** The file's path; of a form, the path below which its files are to be stored. */
  readonly path: string;
}

/** Allows a request, refuses it (403), or answers in its place: with 401 and a challenge, say. */
export type Authorize = (
  request: Request,
  access: AskedAccess,
) => boolean | Response | Promise<boolean | Response>;

/** How files are served. */
export interface HttpStorageOptions {
  /** Asked before anything is done. */
  readonly authorize: Authorize;
  /** Path of URLs below which files lie; `/` unless given. */
  readonly base?: string;
  /** Bytes of an uploaded file; the storage's own limit holds in any case. */
  readonly fileBytesMax?: number;
  /** Files of one form; 20 unless given. */
  readonly filesMax?: number;
  /** Content types that may be uploaded: `image/*`, `application/pdf`; any unless given. */
  readonly contentTypes?: readonly string[];
  /** What to make of an uploaded image; as it is where it says nothing. Nothing of it is the client's to choose. */
  readonly transforms?: (upload: AskedUpload) => ImageTransforms | undefined;
}

/** A file that a client uploads. */
export interface AskedUpload {
  /** Where it goes. */
  readonly path: string;
  /** As the client says: it may be anything. */
  readonly contentType: string;
}

const FILES_MAX = 20;
/** Types of which no browser runs scripts; XML of any name may have some. */
const PASSIVE = /^((image|audio|video|font)\/[^+;]+|text\/plain|application\/pdf)(;|$)/i;
/** A file that is replaced between two looks at it is looked at again; this often. */
const LOOKS_MAX = 5;

const CONDITIONS = ["if-match", "if-none-match"];
const STATUS: Readonly<Record<VaultError["kind"], number>> = {
  invalid: 400,
  denied: 403,
  missing: 404,
  conflict: 409,
  unavailable: 503,
  corrupt: 500,
};

/**
 * Serves storage: a function from requests to responses, for `Deno.serve`, Hono (`app.all("/files/*", (c) => serve(c.req.raw))`)
 * and everything else that knows these. `GET` and `HEAD` give files, with `Range`, `ETag` and `If-None-Match`; `PUT` stores a
 * body (`If-None-Match: *` only where nothing is, `If-Match` only over that state), `POST` the files of a form below the
 * path, `DELETE` removes.
 *
 * @example
 * ```ts
 * import { createStorage, storageHandler } from "@sigmavault/sigmavault/storage";
 * import assert from "node:assert/strict";
 *
 * await using storage = await createStorage({ providers: { all: { type: "memory" } } });
 * const serve = storageHandler(storage, { base: "/files", authorize: () => true });
 * await serve(new Request("http://host/files/note.txt", { method: "PUT", body: "hello" }));
 * const response = await serve(new Request("http://host/files/note.txt"));
 * assert.equal(await response.text(), "hello");
 * ```
 */
export function storageHandler(
  storage: ObjectStorage,
  options: HttpStorageOptions,
): (request: Request) => Promise<Response> {
  const served = new ServedStorage(storage, options);
  return (request) => served.answer(request);
}

class ServedStorage {
  readonly #storage: ObjectStorage;
  readonly #options: HttpStorageOptions;
  readonly #base: string;

  constructor(storage: ObjectStorage, options: HttpStorageOptions) {
    this.#storage = storage;
    this.#options = options;
    this.#base = `${options.base ?? ""}/`.replaceAll(/\/+/g, "/");
  }

  async answer(request: Request): Promise<Response> {
    try {
      const { pathname } = new URL(request.url);
      if (!pathname.startsWith(this.#base)) return refusal(404, "nothing is served here");
      const path = decoded(pathname.slice(this.#base.length));
      return await this.#answerFor(request, path);
    } catch (error) {
      if (!(error instanceof VaultError)) throw error;
      const isOnCondition = CONDITIONS.some((name) => request.headers.has(name));
      if (error.kind === "conflict" && isOnCondition) return refusal(412, error.message);
      return failure(error);
    } finally {
      // Whoever did not read it does not want it.
      if (request.body?.locked === false) await request.body.cancel().catch(() => {});
    }
  }

  async #answerFor(request: Request, path: string): Promise<Response> {
    switch (request.method) {
      case "GET":
      case "HEAD":
        return await this.#permitted(
          request,
          { action: "read", path },
          () => this.#giveNewest(request, path),
        );
      case "PUT":
        return await this.#permitted(
          request,
          { action: "write", path },
          () => this.#put(request, path),
        );
      case "POST":
        return await this.#permitted(
          request,
          { action: "write", path },
          () => this.#form(request, path),
        );
      case "DELETE":
        return await this.#permitted(
          request,
          { action: "delete", path },
          () => this.#remove(request, path),
        );
      default: {
        const response = refusal(405, "want GET, HEAD, PUT, POST or DELETE");
        response.headers.set("allow", "GET, HEAD, PUT, POST, DELETE");
        return response;
      }
    }
  }

  async #permitted(
    request: Request,
    access: AskedAccess,
    answer: () => Promise<Response>,
  ): Promise<Response> {
    const allowed = await this.#options.authorize(request, access);
    if (allowed instanceof Response) return allowed;
    return allowed ? await answer() : refusal(403, "not allowed");
  }

  async #giveNewest(request: Request, path: string): Promise<Response> {
    for (let looks = 1;; looks++) {
      try {
        return await this.#give(request, path);
      } catch (error) {
        if (!isConflict(error)) throw error;
        const why = `Cannot read ${
          JSON.stringify(path)
        }: it is replaced faster than it can be read`;
        if (looks === LOOKS_MAX) throw new VaultError("unavailable", why, { cause: error });
      }
    }
  }

  async #give(request: Request, path: string): Promise<Response> {
    const { headers: asked, method } = request;
    const info = await this.#storage.getInfo(path);
    const headers = headersOf(info);
    const known = asked.get("if-none-match");
    if (known !== null && namesTag(known, info.etag)) {
      return new Response(null, { status: 304, headers });
    }
    const only = asked.get("if-range");
    // Only GET has ranges: RFC 9110 §14.2.
    const isPart = method === "GET" && (only === null || only === quotedTag(info.etag));
    const range = askedRange(isPart ? asked.get("range") : null, info.size);
    if (range.kind === "unsatisfiable") {
      headers.set("content-range", `bytes */${info.size}`);
      return new Response(null, { status: 416, headers });
    }
    const { offset, length } = range.kind === "part" ? range : { offset: 0, length: info.size };
    headers.set("content-length", `${length}`);
    if (range.kind === "part") {
      headers.set("content-range", `bytes ${offset}-${offset + length - 1}/${info.size}`);
    }
    const status = range.kind === "part" ? 206 : 200;
    if (method === "HEAD" || info.size === 0) {
      return new Response(null, { status, headers });
    }
    const part = { offset, length, match: info.etag };
    const { body } = await this.#storage.downloadStream(path, part);
    return new Response(body as ReadableStream<Uint8Array<ArrayBuffer>>, { status, headers });
  }

  async #put(request: Request, path: string): Promise<Response> {
    const { headers, body } = request;
    const create = this.#isCreate(headers.get("if-none-match"));
    const match = await this.#asked(headers.get("if-match"), path);
    const contentType = headers.get("content-type") ?? undefined;
    this.#checkType(contentType);
    const condition = create ? { create: true as const } : match === null ? {} : { match };
    const info = await this.#storage.upload(path, this.#limited(body, path), {
      ...condition,
      contentType,
      transforms: this.#options.transforms?.({ path, contentType: contentType ?? "" }),
    });
    return Response.json(shown(info), { status: 201, headers: { etag: quotedTag(info.etag) } });
  }

  #isCreate(header: string | null): boolean {
    if (header === null || header.trim() === "*") return header !== null;
    throw new VaultError("invalid", "Cannot store on this condition: want * in If-None-Match");
  }

  /** The etag that a write is to replace: of the present state, if the header names it. */
  async #asked(header: string | null, path: string): Promise<string | null> {
    if (header === null) return null;
    const info = await unlessMissing(() => this.#storage.getInfo(path));
    if (info !== null && namesTag(header, info.etag)) return info.etag;
    throw new VaultError("conflict", `Cannot change ${JSON.stringify(path)}: it has been changed`);
  }

  async #form(request: Request, directory: string): Promise<Response> {
    const stored: FileInfo[] = [];
    const store = async ({ name, contentType, body }: FormFile) => {
      try {
        this.#checkType(contentType);
        const path = directory === "" || directory.endsWith("/")
          ? directory + name
          : `${directory}/${name}`;
        const limited = this.#limited(body, path);
        const transforms = this.#options.transforms?.({ path, contentType });
        stored.push(await this.#storage.upload(path, limited, { contentType, transforms }));
      } catch (error) {
        await body.cancel(error).catch(() => {}); // the storage may have done so
        throw error;
      }
    };
    // Programs without forms need not load what reads them.
    const { takeFiles } = await import("./multipart.ts");
    try {
      await takeFiles(request, { filesMax: this.#options.filesMax ?? FILES_MAX }, store);
    } catch (error) {
      if (!(error instanceof VaultError)) throw error;
      return failure(error, stored);
    }
    return Response.json(stored.map(shown), { status: 201 });
  }

  async #remove({ headers }: Request, path: string): Promise<Response> {
    const match = await this.#asked(headers.get("if-match"), path);
    if (match === null) await this.#storage.delete(path);
    else await this.#storage.deleteState(path, match);
    return new Response(null, { status: 204 });
  }

  #checkType(contentType = ""): void {
    const { contentTypes } = this.#options;
    if (contentTypes === undefined) return;
    const type = contentType.split(";")[0].trim().toLowerCase();
    const isAllowed = contentTypes.some((allowed) =>
      allowed === type || (allowed.endsWith("/*") && type.startsWith(allowed.slice(0, -1)))
    );
    if (isAllowed) return;
    throw new VaultError(
      "invalid",
      `Cannot store ${JSON.stringify(type)}: want ${contentTypes.join(", ")}`,
    );
  }

  /** A body of no more than is allowed. */
  #limited(body: ReadableStream<Uint8Array> | null, path: string): ObjectBody {
    const most = this.#options.fileBytesMax;
    return body === null ? new Uint8Array() : watchedBody(sentBody(body, path), { path, most });
  }
}

/** What fails on the way here is the sender's. */
function sentBody(body: ReadableStream<Uint8Array>, path: string): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  const next = () =>
    reader.read().catch((cause) => {
      if (cause instanceof VaultError) throw cause;
      const why = `Cannot store ${JSON.stringify(path)}: its sender stopped`;
      throw new VaultError("unavailable", why, { cause });
    }) as Promise<IteratorResult<Uint8Array, undefined>>;
  return closingStream({ next }, { close: () => reader.cancel() });
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch (cause) {
    throw new VaultError("invalid", "Cannot read the URL: its escapes are no UTF-8", { cause });
  }
}

function headersOf(info: FileInfo): Headers {
  const headers = new Headers({
    "content-type": info.contentType,
    "etag": quotedTag(info.etag),
    "last-modified": info.lastModified.toUTCString(),
    "accept-ranges": "bytes",
    "x-content-type-options": "nosniff",
  });
  // Somebody's upload must not act in the name of whoever looks at it.
  if (!PASSIVE.test(info.contentType)) headers.set("content-security-policy", "sandbox");
  return headers;
}

function shown({ path, size, etag, contentType, url }: FileInfo) {
  return { path, size, etag, contentType, url };
}

/** What the caller did wrong is told; what is wrong behind is not. */
function failure({ kind, message }: VaultError, stored?: readonly FileInfo[]): Response {
  const isTold = kind === "invalid" || kind === "missing" || kind === "conflict";
  const response = refusal(STATUS[kind], isTold ? message : kind, stored);
  if (kind === "unavailable") response.headers.set("retry-after", "5");
  return response;
}

function refusal(status: number, error: string, stored?: readonly FileInfo[]): Response {
  return Response.json({ error, ...(stored && { stored: stored.map(shown) }) }, { status });
}
