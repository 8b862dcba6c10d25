import fs from "node:fs";
import { VaultError } from "../../core/errors.ts";
import { closed, readOnly, syncedNoMore } from "../../core/storage/medium_errors.ts";
import type { ObjectAccess, ObjectEntry } from "../../core/storage/object_access.ts";
import type { MediumRoom } from "../../core/storage/storage_backend.ts";
import { errorCode, fromSystemError, IN_USE } from "../file/system_error.ts";
import type { DirectoryStorageOptions } from "./config.ts";

/** Locked while the directory is open. Programs that synchronise may copy it: it is empty. */
const LOCK_NAME = ".lock";
/** Files that are being written; those that a crash left are removed by the next writer. */
const PARTIAL_PREFIX = ".partial-";
const OBJECT_NAME = /^[a-z0-9-]{1,64}$/;
/** What a filesystem without hard links says when asked for one. */
const NO_LINKS = ["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK"];

/** A directory whose files are objects. A writer excludes every other opener on this machine, readers exclude writers. */
export class DirectoryObjects implements ObjectAccess {
  readonly name: string;
  readonly writable: boolean;
  readonly #lock: Deno.FsFile | null;
  #partials = 0;
  #syncFailure: unknown;
  #names: string[] | null = null;
  #closed = false;

  /** Use {@linkcode openDirectoryObjects}. */
  constructor(path: string, opened: { writable: boolean; lock: Deno.FsFile | null }) {
    this.name = path;
    this.writable = opened.writable;
    this.#lock = opened.lock;
  }

  /** Written aside, made durable, then given its name if nobody has it. */
  create(name: string, bytes: Uint8Array): void {
    this.#checkWritable("create");
    const partial = this.#path(`${PARTIAL_PREFIX}${++this.#partials}`);
    this.#attempt("write", () => {
      try {
        writeDurably(partial, bytes);
        nameFile(partial, this.#path(name));
      } finally {
        fs.rmSync(partial, { force: true });
      }
    });
    this.#names = null;
  }

  read(name: string, offset: number, into: Uint8Array): void {
    this.#checkOpen("read");
    const size = this.#attempt("read", () => readAt(this.#path(name), offset, into));
    if (size === into.length) return;
    throw new VaultError(
      "corrupt",
      `Cannot read "${this.#path(name)}" at ${offset}+${into.length}: it was truncated`,
      { operation: "read", errno: "EIO" },
    );
  }

  list(prefix: string, after: string): readonly ObjectEntry[] {
    this.#checkOpen("list");
    if (after === "" || this.#names === null) {
      this.#names = this.#attempt("list", () => fs.readdirSync(this.name))
        .filter((name) => OBJECT_NAME.test(name)).sort();
    }
    const entries: ObjectEntry[] = [];
    for (const name of this.#names) {
      if (name <= after || !name.startsWith(prefix)) continue;
      const found = this.#attempt("list", () => {
        return fs.statSync(this.#path(name), { throwIfNoEntry: false });
      });
      if (found?.isFile()) entries.push({ name, size: found.size });
    }
    return entries;
  }

  delete(name: string): void {
    this.#checkWritable("delete");
    this.#attempt("delete", () => fs.rmSync(this.#path(name), { force: true }));
    this.#names = null;
  }

  sync(): void {
    this.#checkOpen("sync");
    if (this.#syncFailure !== undefined) throw syncedNoMore(this.name, this.#syncFailure);
    try {
      this.#attempt("sync", () => syncPath(this.name));
    } catch (error) {
      this.#syncFailure = error;
      throw error;
    }
  }

  /** What the filesystem below leaves to this process. */
  room(): MediumRoom {
    try {
      const { bavail, blocks, bsize } = fs.statfsSync(this.name);
      return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
    } catch (error) {
      if (!(error instanceof Deno.errors.NotCapable)) {
        throw fromSystemError(error, "look at", this.name);
      }
      // Not permitted to look: the filesystem says itself when it is full.
      return { freeBytes: Number.MAX_SAFE_INTEGER, totalBytes: Number.MAX_SAFE_INTEGER };
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#lock?.close();
  }

  #path(name: string): string {
    return `${this.name}/${name}`;
  }

  #attempt<T>(operation: string, call: () => T): T {
    try {
      return call();
    } catch (error) {
      throw fromSystemError(error, operation, this.name);
    }
  }

  #checkOpen(operation: string): void {
    if (this.#closed) throw closed(this.name, operation);
  }

  #checkWritable(operation: string): void {
    this.#checkOpen(operation);
    if (!this.writable) throw readOnly(this.name, operation);
  }
}

/** Opens a directory, locks it, and removes what a crash left half written. */
export function openDirectoryObjects(options: DirectoryStorageOptions): DirectoryObjects {
  const { path } = options;
  try {
    if (options.create) makeDirectory(path);
    const opened = openLock(options);
    const objects = new DirectoryObjects(path, opened);
    try {
      if (opened.writable) removePartials(path);
      if (options.exclusive && objects.list("", "").length > 0) {
        throw new VaultError("conflict", `Cannot open "${path}": it holds a vault already`, {
          operation: "open",
          errno: "EEXIST",
        });
      }
      return objects;
    } catch (error) {
      objects.close();
      throw error;
    }
  } catch (error) {
    throw fromSystemError(error, "open", path);
  }
}

function makeDirectory(path: string): void {
  try {
    fs.mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if (errorCode(error) !== "EEXIST") throw error;
    return;
  }
  const name = path.replace(/\/+$/, "");
  try {
    syncPath(name.slice(0, name.lastIndexOf("/") + 1) || ".");
  } catch (error) {
    // Not permitted to look above: the name of a fresh directory becomes durable in its own time.
    if (!(error instanceof Deno.errors.NotCapable)) throw error;
  }
}

function openLock(
  options: DirectoryStorageOptions,
): { writable: boolean; lock: Deno.FsFile | null } {
  const { path, readOnly: asked, fallbackReadOnly } = options;
  requireDirectory(path);
  if (!asked) {
    try {
      const lock = Deno.openSync(`${path}/${LOCK_NAME}`, {
        write: true,
        create: true,
        mode: 0o600,
      });
      return { writable: true, lock: locked(lock, "exclusive", path) };
    } catch (error) {
      const refused = ["EACCES", "EPERM", "EROFS"].includes(errorCode(error)) ||
        error instanceof Deno.errors.NotCapable;
      if (!refused || !fallbackReadOnly) throw error;
    }
  }
  const name = `${path}/${LOCK_NAME}`;
  // A copy that somebody made may be without it.
  const isThere = fs.statSync(name, { throwIfNoEntry: false }) !== undefined;
  return { writable: false, lock: isThere ? locked(Deno.openSync(name), "shared", path) : null };
}

function requireDirectory(path: string): void {
  if (fs.statSync(path).isDirectory()) return;
  throw Object.assign(new Error("not a directory"), { code: "ENOTDIR" });
}

function locked(file: Deno.FsFile, mode: "exclusive" | "shared", path: string): Deno.FsFile {
  if (file.tryLockSync(mode === "exclusive")) return file;
  file.close();
  throw new VaultError("conflict", `Cannot open "${path}": ${IN_USE}`, {
    operation: "open",
    errno: "EBUSY",
  });
}

function removePartials(path: string): void {
  for (const name of fs.readdirSync(path)) {
    if (name.startsWith(PARTIAL_PREFIX)) fs.rmSync(`${path}/${name}`, { force: true });
  }
}

function writeDurably(path: string, bytes: Uint8Array): void {
  const { O_WRONLY, O_CREAT, O_EXCL } = fs.constants;
  const descriptor = fs.openSync(path, O_WRONLY | O_CREAT | O_EXCL, 0o600);
  try {
    for (let done = 0; done < bytes.length;) {
      done += fs.writeSync(descriptor, bytes, done, bytes.length - done, done);
    }
    fs.fsyncSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
}

/** A link takes no name that is taken. Where there are no links, the lock keeps others on this machine from taking it. */
function nameFile(partial: string, path: string): void {
  try {
    fs.linkSync(partial, path);
  } catch (error) {
    if (!NO_LINKS.includes(errorCode(error))) throw error;
    if (fs.existsSync(path)) throw Object.assign(new Error("exists"), { code: "EEXIST" });
    fs.renameSync(partial, path);
  }
}

function readAt(path: string, offset: number, into: Uint8Array): number {
  const descriptor = fs.openSync(path, fs.constants.O_RDONLY);
  try {
    let done = 0;
    while (done < into.length) {
      const size = fs.readSync(descriptor, into, done, into.length - done, offset + done);
      if (size === 0) break;
      done += size;
    }
    return done;
  } finally {
    fs.closeSync(descriptor);
  }
}

function syncPath(path: string): void {
  const descriptor = fs.openSync(path, fs.constants.O_RDONLY);
  try {
    fs.fsyncSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
}
