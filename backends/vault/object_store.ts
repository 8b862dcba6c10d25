import { VaultError } from "../../core/errors.ts";
import {
  type ObjectCall,
  objectError,
  partChunks,
  partStream,
  rangeOf,
  sizedChunks,
} from "../../core/storage/object_body.ts";
import { checkDescription } from "../../core/storage/object_path.ts";
import { decodeSaid, NOTHING_SAID, type Said, saidAfter } from "../../core/storage/object_said.ts";
import { listTree, type WalkedName } from "../../core/storage/object_walk.ts";
import { requireCondition, StoreCalls } from "../../core/storage/store_calls.ts";
import { unlessMissing } from "../../core/storage/store_failures.ts";
import type {
  Abortable,
  GetOptions,
  ListedObject,
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
import type { FileStatus } from "../../core/vault/file_status.ts";
import type { VaultFiles } from "../../core/vault/files.ts";
import type { OpenFile } from "../../core/vault/open_file.ts";
import { isMissing } from "../../core/vault/path_failure.ts";
import type { Vault } from "../../core/vault/vault.ts";
import type { VaultObjectsConfig } from "./config.ts";

/** Where objects are written before they get their paths. */
const OWN_NAME = ".sigmavault-objects";
/** What was said of an object, as JSON. */
const SAID = "user.storage-object";
const OBJECT_BYTES_MAX = 2 ** 44;

/** Objects as files of a vault's volume: encrypted, seen in a mount too. A path is an object or a directory, not both. */
export class VaultObjectStore implements ObjectStore {
  readonly name: string;
  readonly provider = "vault";
  readonly capabilities: StoreCapabilities = {
    atomicCreate: true,
    atomicMatch: true,
    nested: false,
    signedUrls: false,
    objectBytesMax: OBJECT_BYTES_MAX,
    pathBytesMax: 1024,
    partBytesMax: 255,
    metadataBytesMax: 8192,
  };
  readonly #vault: Vault;
  readonly #root: string;
  readonly #closing: boolean;
  readonly #calls = new StoreCalls(this, OWN_NAME);

  /** Use {@linkcode openVaultObjects}. */
  constructor({ vault, directory = "/", closing = false }: VaultObjectsConfig) {
    this.#vault = vault;
    this.#closing = closing;
    this.#root = directory.replace(/\/*$/, "/");
    this.name = `${vault.medium.name}#${this.#root}`;
  }

  put(path: string, body: ObjectBody, options: PutOptions = {}): Promise<ObjectInfo> {
    return this.#calls.put(path, body, options, async (call) => {
      const { size, signal } = options;
      const most = this.capabilities.objectBytesMax;
      const chunks = sizedChunks(body, { call, size, most, signal });
      return await this.#store(call, chunks, saidAfter(options), options);
    });
  }

  /** Writes a file aside, says of it what there is to say, and gives it its name if the condition holds. */
  async #store(
    call: ObjectCall,
    chunks: AsyncIterable<Uint8Array>,
    said: Said,
    condition: WriteCondition,
  ): Promise<ObjectInfo> {
    const { files } = this.#vault;
    const aside = this.#fileOf(`${OWN_NAME}/${crypto.randomUUID()}`);
    try {
      await write(files, aside, chunks);
      await files.setAttribute(aside, SAID, encodeSaid(said));
      return await this.#vault.transaction(async (files) => {
        await this.#check(files, call, condition);
        const path = this.#fileOf(call.path);
        await files.makeDirectory(path.slice(0, path.lastIndexOf("/")) || "/", { recursive: true });
        await files.rename(aside, path);
        return infoOf(call.path, await files.stat(path, { followSymlinks: false }), said);
      });
    } catch (error) {
      await files.remove(aside).catch(() => {}); // the first failure is the one to tell
      throw this.#failed(call, error);
    }
  }

  async #check(
    files: VaultFiles,
    call: ObjectCall,
    condition: WriteCondition,
  ): Promise<FileStatus | null> {
    const found = await this.#find(files, call.path);
    requireCondition(call, condition, found && { etag: etagOf(found) });
    return found;
  }

  /** The file at a path; null where there is none, or something else. */
  async #find(files: VaultFiles, path: string): Promise<FileStatus | null> {
    try {
      const status = await files.stat(this.#fileOf(path), { followSymlinks: false });
      return status.type === "file" ? status : null;
    } catch (error) {
      if (isMissing(error)) return null;
      throw this.#failed({ provider: this.provider, operation: "look at", path }, error);
    }
  }

  async get(path: string, options: GetOptions = {}): Promise<ObjectContent> {
    const call = this.#calls.of("get", path);
    const { signal, match } = options;
    signal?.throwIfAborted();
    const { file, info } = await this.#open(call);
    try {
      requireCondition(call, { match } as WriteCondition, info);
      const range = rangeOf(info.size, options, call);
      const read = (offset: number, size: number) =>
        file.read(offset, size).catch((error) => {
          throw this.#failed(call, error);
        });
      const body = partStream({ read, close: () => file.close() }, { call, ...range, signal });
      return { info, ...range, body };
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** A file, and what was said of it: in one step, so that nobody replaces it in between. */
  async #open(call: ObjectCall): Promise<{ file: OpenFile; info: ObjectInfo }> {
    const { files } = this.#vault;
    const path = this.#fileOf(call.path);
    try {
      while (true) {
        const status = await this.#find(files, call.path);
        if (status === null) throw objectError("missing", call, "there is no such object");
        const file = await files.open(path);
        const info = await this.#infoOf(call, file).catch(async (error) => {
          await file.close();
          throw error;
        });
        if (info !== null) return { file, info };
        await file.close();
      }
    } catch (error) {
      throw this.#failed(call, error);
    }
  }

  /** What is known of a file that was opened; null where another one has its path meanwhile. */
  async #infoOf({ path }: ObjectCall, file: OpenFile): Promise<ObjectInfo | null> {
    const { files } = this.#vault;
    const said = await this.#said(files, this.#fileOf(path));
    const [opened, now] = [await file.stat(), await this.#find(files, path)];
    const isThere = now !== null && etagOf(opened) === etagOf(now);
    return isThere ? infoOf(path, opened, said) : null;
  }

  async #said(files: VaultFiles, path: string): Promise<Said> {
    const said = await unlessMissing(() => files.getAttribute(path, SAID));
    return said === null ? NOTHING_SAID : decodeSaid(new TextDecoder().decode(said));
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
    return await this.#inTransaction(call, async (files) => {
      const found = await this.#find(files, path);
      if (found === null) throw objectError("missing", call, "there is no such object");
      const said = saidAfter(change, await this.#said(files, this.#fileOf(path)));
      await files.setAttribute(this.#fileOf(path), SAID, encodeSaid(said));
      return infoOf(path, found, said);
    });
  }

  async delete(
    path: string,
    { match, signal }: Abortable & { readonly match?: string } = {},
  ): Promise<void> {
    const call = this.#calls.of("delete", path);
    signal?.throwIfAborted();
    await this.#inTransaction(call, async (files) => {
      const found = await this.#check(files, call, match === undefined ? {} : { match });
      if (found !== null) await this.#remove(files, path);
    });
  }

  async deleteMany(paths: readonly string[], { signal }: Abortable = {}): Promise<void> {
    const calls = paths.map((path) => this.#calls.of("delete", path));
    signal?.throwIfAborted();
    if (calls.length === 0) return;
    await this.#inTransaction(calls[0], async (files) => {
      for (const path of paths) {
        if (await this.#find(files, path) !== null) await this.#remove(files, path);
      }
    });
  }

  /** Removes a file, and the directories in which nothing is left. */
  async #remove(files: VaultFiles, path: string): Promise<void> {
    await files.remove(this.#fileOf(path));
    for (let end = path.lastIndexOf("/"); end > 0; end = path.lastIndexOf("/", end - 1)) {
      const directory = this.#fileOf(path.slice(0, end));
      if ((await files.list(directory)).length > 0) return;
      await files.remove(directory);
    }
  }

  async list(options: ListOptions = {}): Promise<ListPage> {
    this.#calls.whole("list");
    return await listTree({
      provider: this.provider,
      hidden: OWN_NAME,
      entriesOf: (directory) => this.#entriesOf(directory),
      find: async (path) => {
        const status = await this.#find(this.#vault.files, path);
        return status && listedOf(path, status);
      },
    }, options);
  }

  async #entriesOf(directory: string): Promise<WalkedName[]> {
    try {
      const entries = await this.#vault.files.list(this.#fileOf(directory));
      return entries.filter(({ type }) => type === "file" || type === "directory")
        .map(({ name, type }) => ({ name, isDirectory: type === "directory" }));
    } catch (error) {
      if (isMissing(error)) return [];
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
      const chunks = partChunks(file, { call, offset: 0, length: size, signal });
      return await this.#store(target, chunks, { contentType, metadata, tags }, options);
    } finally {
      await file.close();
    }
  }

  signedUrl(path: string): Promise<string> {
    const call = this.#calls.of("sign a URL of", path);
    return Promise.reject(objectError("invalid", call, "a vault has no URLs"));
  }

  async close(): Promise<void> {
    if (this.#calls.close() && this.#closing) await this.#vault.close();
  }

  async #inTransaction<T>(call: ObjectCall, work: (files: VaultFiles) => Promise<T>): Promise<T> {
    try {
      return await this.#vault.transaction(work);
    } catch (error) {
      throw this.#failed(call, error);
    }
  }

  #fileOf(path: string): string {
    return this.#root + path;
  }

  /** In the name of this provider; what the caller's stream threw is his. */
  #failed(call: ObjectCall, error: unknown): unknown {
    if (!(error instanceof VaultError) || error.provider !== "") return error;
    if (["ENOTDIR", "EEXIST", "EISDIR", "ENOTEMPTY"].includes(error.errno)) {
      const why = "an object and a directory cannot have the same path here";
      return objectError("conflict", call, why, error);
    }
    const { kind, message, operation, errno } = error;
    return new VaultError(kind, message, {
      operation,
      errno,
      provider: this.provider,
      cause: error,
    });
  }
}

/** Makes the files of a directory of a vault objects. What an earlier process had not finished is removed. */
export async function openVaultObjects(config: VaultObjectsConfig): Promise<VaultObjectStore> {
  const { vault: { files, readOnly }, directory = "/" } = config;
  if (!readOnly) {
    const own = `${directory.replace(/\/*$/, "/")}${OWN_NAME}`;
    await files.makeDirectory(own, { recursive: true });
    for (const { name } of await files.list(own)) await files.remove(`${own}/${name}`);
  }
  return new VaultObjectStore(config);
}

async function write(
  files: VaultFiles,
  path: string,
  chunks: AsyncIterable<Uint8Array>,
): Promise<void> {
  const writer = (await files.writeStream(path)).getWriter();
  try {
    for await (const chunk of chunks) await writer.write(chunk);
    await writer.close();
  } catch (error) {
    await writer.abort(error).catch(() => {}); // the first failure is the one to tell
    throw error;
  }
}

function encodeSaid({ contentType, metadata, tags }: Said): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ contentType, metadata, tags }));
}

/** Inode numbers are never used twice. */
function etagOf({ ino, times: { mtime } }: FileStatus): string {
  return `${ino.toString(36)}-${mtime.seconds.toString(36)}-${mtime.nanoseconds.toString(36)}`;
}

function listedOf(path: string, status: FileStatus): ListedObject {
  return { path, size: status.size, etag: etagOf(status), lastModified: status.modified };
}

function infoOf(path: string, status: FileStatus, said: Said): ObjectInfo {
  return { ...listedOf(path, status), ...said };
}
