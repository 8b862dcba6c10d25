import fs, { type FileHandle } from "node:fs/promises";
import { constants } from "node:fs";
import { dirname, join, resolve } from "node:path";
import {
  type ObjectCall,
  objectError,
  partChunks,
  partStream,
  rangeOf,
  sizedChunks,
} from "../../core/storage/object_body.ts";
import { checkDescription } from "../../core/storage/object_path.ts";
import { NOTHING_SAID, saidAfter } from "../../core/storage/object_said.ts";
import { listTree, type WalkedName } from "../../core/storage/object_walk.ts";
import { requireCondition, StoreCalls } from "../../core/storage/store_calls.ts";
import { tryEach, unlessMissing } from "../../core/storage/store_failures.ts";
import type {
  Abortable,
  GetOptions,
  ListOptions,
  ListPage,
  ObjectBody,
  ObjectContent,
  ObjectDescription,
  ObjectInfo,
  ObjectStore,
  PutOptions,
  StoreCapabilities,
  WriteCondition,
} from "../../core/storage/object_store.ts";
import { errorCode, fromSystemError } from "../file/system_error.ts";
import { checkLocalObjectsConfig, type LocalObjectsConfig } from "./config.ts";
import { makeDirectory, removeAbandoned, syncDirectory, writeAside } from "./durable_file.ts";
import { type Found, foundOf, partOf } from "./found.ts";
import { SaidRecords } from "./said.ts";

/** Where this store keeps what is not an object. */
const OWN_NAME = ".sigmavault-objects";
const OBJECT_BYTES_MAX = 2 ** 44;
/** What opening says where there is no file; ELOOP of a link. */
const NO_FILE = ["ENOENT", "ENOTDIR", "EISDIR", "ELOOP", "ENXIO"];
/** Times that an object may be replaced between opening it and reading what was said of it. */
const LOOKS_MAX = 100;

/** What ends a change: under the lock, after the condition was found to hold. */
type Naming = (before: Found | null) => Promise<void>;

/**
 * Objects as files of a directory, at their own paths: other programs can read them, and what these write are objects too. A path
 * cannot be an object and a directory at once (`conflict`). Links that others have made are neither.
 */
export class LocalObjectStore implements ObjectStore {
  readonly name: string;
  readonly provider = "local";
  readonly capabilities: StoreCapabilities;
  readonly #root: string;
  readonly #said: SaidRecords;
  readonly #lockFile: Deno.FsFile;
  #turn: Promise<void> = Promise.resolve();
  readonly #calls = new StoreCalls(this, OWN_NAME);

  /** Use {@linkcode openLocalObjects}. */
  constructor({ path, objectBytesMax = OBJECT_BYTES_MAX }: LocalObjectsConfig, lock: Deno.FsFile) {
    this.name = path;
    this.#root = resolve(path);
    this.#said = new SaidRecords(join(this.#root, OWN_NAME, "said"));
    this.#lockFile = lock;
    this.capabilities = {
      atomicCreate: true,
      atomicMatch: true,
      nested: false,
      signedUrls: false,
      objectBytesMax,
      pathBytesMax: 1024,
      partBytesMax: 255,
      metadataBytesMax: 8192,
    };
  }

  put(path: string, body: ObjectBody, options: PutOptions = {}): Promise<ObjectInfo> {
    return this.#calls.put(path, body, options, async (call) => {
      const { size, signal } = options;
      const most = this.capabilities.objectBytesMax;
      return await this.#store(call, sizedChunks(body, { call, size, most, signal }), options);
    });
  }

  /** Writes a file aside and gives it its name. */
  async #store(
    call: ObjectCall,
    chunks: AsyncIterable<Uint8Array>,
    { create, match, ...description }: ObjectDescription & WriteCondition,
  ): Promise<ObjectInfo> {
    const said = saidAfter(description);
    const { path } = call;
    const aside = join(this.#root, OWN_NAME, "writing", crypto.randomUUID());
    try {
      await writeAside(aside, chunks);
      const found = foundOf(await fs.stat(aside, { bigint: true }));
      await this.#inTurn(call, { create, match } as WriteCondition, async (before) => {
        if (await this.#isBehindLink(path)) {
          throw objectError("conflict", call, "a directory on its way is a link");
        }
        await this.#said.write(path, found.etag, said);
        const parent = dirname(this.#fileOf(path));
        await makeDirectory(parent);
        await fs.rename(aside, this.#fileOf(path));
        await syncDirectory(parent);
        if (before !== null) await this.#said.drop(path, before.etag);
      });
      return { path, ...found, ...said };
    } catch (error) {
      await fs.rm(aside, { force: true }).catch(() => {}); // the first failure is the one to tell
      throw this.#failed(call, error);
    }
  }

  async get(path: string, options: GetOptions = {}): Promise<ObjectContent> {
    const call = this.#calls.of("get", path);
    const { match, signal } = options;
    signal?.throwIfAborted();
    const { file, info } = await this.#open(call);
    try {
      requireCondition(call, { match } as WriteCondition, info);
      const range = rangeOf(info.size, options, call);
      return { info, ...range, body: partStream(partOf(file, call), { call, ...range, signal }) };
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** A file and what was said of just this state of it. */
  async #open(call: ObjectCall): Promise<{ file: FileHandle; info: ObjectInfo }> {
    for (let looks = 1;; looks++) {
      const file = await this.#openFile(call);
      try {
        const stat = await file.stat({ bigint: true });
        if (!stat.isFile()) throw objectError("missing", call, "there is no such object");
        const found = foundOf(stat);
        const said = await this.#said.read(call.path, found.etag);
        const now = said === NOTHING_SAID ? await this.#find(call.path) : found;
        if (now?.etag === found.etag || looks === LOOKS_MAX) {
          return { file, info: { path: call.path, ...found, ...said } };
        }
      } catch (error) {
        await file.close();
        throw this.#failed(call, error);
      }
      await file.close();
    }
  }

  async #openFile(call: ObjectCall): Promise<FileHandle> {
    if (await this.#isBehindLink(call.path)) {
      throw objectError("missing", call, "there is no such object");
    }
    try {
      const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
      return await fs.open(this.#fileOf(call.path), flags);
    } catch (error) {
      if (!NO_FILE.includes(errorCode(error))) throw this.#failed(call, error);
      throw objectError("missing", call, "there is no such object", error);
    }
  }

  async head(path: string, { signal }: Abortable = {}): Promise<ObjectInfo | null> {
    const call = this.#calls.of("head", path);
    signal?.throwIfAborted();
    const opened = await unlessMissing(() => this.#open(call));
    await opened?.file.close();
    return opened?.info ?? null;
  }

  async describe(path: string, change: ObjectDescription & Abortable): Promise<ObjectInfo> {
    const call = this.#calls.of("describe", path);
    checkDescription(change, this);
    change.signal?.throwIfAborted();
    let info: ObjectInfo | undefined;
    await this.#inTurn(call, {}, async (found) => {
      if (found === null) throw objectError("missing", call, "there is no such object");
      const said = saidAfter(change, await this.#said.read(path, found.etag));
      await this.#said.write(path, found.etag, said);
      info = { path, ...found, ...said };
    });
    return info!;
  }

  async delete(
    path: string,
    { match, signal }: Abortable & { readonly match?: string } = {},
  ): Promise<void> {
    const call = this.#calls.of("delete", path);
    signal?.throwIfAborted();
    await this.#inTurn(call, match === undefined ? {} : { match }, async (found) => {
      if (found === null) return;
      await fs.rm(this.#fileOf(path), { force: true });
      await syncDirectory(await this.#prune(dirname(this.#fileOf(path))));
      await this.#said.drop(path, found.etag);
    });
  }

  /** Removes directories in which nothing is left; returns the first that stays. */
  async #prune(directory: string): Promise<string> {
    for (let path = directory; path !== this.#root; path = dirname(path)) {
      try {
        await fs.rmdir(path);
      } catch (error) {
        if (["ENOTEMPTY", "EEXIST", "EBUSY", "EACCES", "EPERM"].includes(errorCode(error))) {
          return path;
        }
        throw error;
      }
    }
    return this.#root;
  }

  async deleteMany(paths: readonly string[], options: Abortable = {}): Promise<void> {
    for (const path of paths) this.#calls.of("delete", path);
    await tryEach(paths, (path) => this.delete(path, options));
  }

  async list(options: ListOptions = {}): Promise<ListPage> {
    this.#calls.whole("list");
    return await listTree({
      provider: this.provider,
      hidden: OWN_NAME,
      entriesOf: (directory) => this.#entriesOf(directory),
      find: async (path) => {
        const found = await this.#find(path);
        return found && { path, ...found };
      },
    }, options);
  }

  async #entriesOf(directory: string): Promise<WalkedName[]> {
    try {
      const entries = await fs.readdir(this.#fileOf(directory), { withFileTypes: true });
      return entries.filter((entry) => entry.isFile() || entry.isDirectory())
        .map((entry) => ({ name: entry.name, isDirectory: entry.isDirectory() }));
    } catch (error) {
      if (["ENOENT", "ENOTDIR"].includes(errorCode(error))) return [];
      throw this.#failed({ provider: this.provider, operation: "list", path: directory }, error);
    }
  }

  async copy(
    from: string,
    to: string,
    options: WriteCondition & Abortable = {},
  ): Promise<ObjectInfo> {
    const call = this.#calls.of("copy", from);
    const target = this.#calls.of("copy to", to);
    const { signal } = options;
    signal?.throwIfAborted();
    const { file, info: { size, contentType, metadata, tags } } = await this.#open(call);
    try {
      const chunks = partChunks(partOf(file, call), { call, offset: 0, length: size, signal });
      return await this.#store(target, chunks, { ...options, contentType, metadata, tags });
    } finally {
      await file.close();
    }
  }

  signedUrl(path: string): Promise<string> {
    const call = this.#calls.of("sign a URL of", path);
    return Promise.reject(objectError("invalid", call, "a directory has no signed URLs"));
  }

  async close(): Promise<void> {
    if (!this.#calls.close()) return;
    await this.#turn;
    this.#lockFile.close();
  }

  #fileOf(path: string): string {
    return join(this.#root, path);
  }

  /** True where a directory on the way is a link: what it leads to may lie elsewhere. */
  async #isBehindLink(path: string): Promise<boolean> {
    for (let end = path.indexOf("/"); end > 0; end = path.indexOf("/", end + 1)) {
      const stat = await fs.lstat(this.#fileOf(path.slice(0, end))).catch(() => null);
      if (stat === null) return false;
      if (stat.isSymbolicLink()) return true;
    }
    return false;
  }

  /** The file at a path; null where there is none, or something else. */
  async #find(path: string): Promise<Found | null> {
    if (await this.#isBehindLink(path)) return null;
    try {
      const stat = await fs.lstat(this.#fileOf(path), { bigint: true });
      return stat.isFile() ? foundOf(stat) : null;
    } catch (error) {
      if (["ENOENT", "ENOTDIR"].includes(errorCode(error))) return null;
      throw this.#failed({ provider: this.provider, operation: "look at", path }, error);
    }
  }

  /** Changes what is at a path if the condition holds: one after the other, also among processes. */
  async #inTurn(
    call: ObjectCall,
    condition: WriteCondition,
    change: Naming,
  ): Promise<void> {
    const before = this.#turn;
    const own = Promise.withResolvers<void>();
    this.#turn = own.promise;
    await before;
    try {
      this.#calls.whole(call.operation); // it may have been closed meanwhile
      await this.#lockFile.lock(true);
      try {
        const found = await this.#find(call.path);
        requireCondition(call, condition, found);
        await change(found);
      } finally {
        await this.#lockFile.unlock();
      }
    } catch (error) {
      throw this.#failed(call, error);
    } finally {
      own.resolve();
    }
  }

  #failed(call: ObjectCall, error: unknown): unknown {
    const code = errorCode(error);
    if (["ENOTDIR", "EEXIST", "EISDIR", "ENOTEMPTY"].includes(code)) {
      const why = "an object and a directory cannot have the same path here";
      return objectError("conflict", call, why, error);
    }
    // What the caller's stream threw is his.
    if (code === "" && !(error instanceof Deno.errors.NotCapable)) return error;
    return fromSystemError(error, call.operation, call.path, this.provider);
  }
}

/** Opens a directory of objects, and makes it where it is not there. */
export async function openLocalObjects(config: LocalObjectsConfig): Promise<LocalObjectStore> {
  checkLocalObjectsConfig(config);
  const own = join(resolve(config.path), OWN_NAME);
  try {
    for (const [name, isAside] of Object.entries({ said: /\.json\../, writing: /./ })) {
      await makeDirectory(join(own, name));
      await removeAbandoned(join(own, name), isAside);
    }
    const lock = await Deno.open(join(own, "lock"), { write: true, create: true, mode: 0o600 });
    return new LocalObjectStore(config, lock);
  } catch (error) {
    throw fromSystemError(error, "open storage", config.path, "local");
  }
}
