import { VaultError } from "../errors.ts";
import { compare, concat, encoded, requireBytes } from "../bytes.ts";
import type { KernelMemory } from "../crypto/kernel.ts";
import { isDots } from "../fs/directory.ts";
import { ERRNO, fail } from "../fs/errno.ts";
import {
  type Attributes,
  type Caller,
  emptyAttributes,
  type FileSystem,
  PosixError,
} from "../fs/file_system.ts";
import { isDirectory, isRegular, isSymlink, PERMISSIONS, S_IFREG } from "../fs/mode.ts";
import { type LastName, namesOf, Paths } from "../fs/paths.ts";
import type { UnnamedFileSystem } from "../fs/unnamed_files.ts";
import type { FileLocks } from "./file_locks.ts";
import type { FileLockState, LockableFile } from "./file_lock_options.ts";
import { FileReplacement } from "./file_replacement.ts";
import { type FileType, typeOf } from "./file_status.ts";
import { FileTransfer } from "./file_transfer.ts";
import { OpenFile } from "./open_file.ts";
import { asPathError, type FilePath, requireAllOf, shownPath } from "./path_failure.ts";

/** Symlinks followed to the file that is to be written, as in Linux. */
const SYMLINKS_MAX = 40;
/** Cookies up to this one are "." and "..". */
const DOTS_COOKIE_MAX = 2;
const SLASH = new Uint8Array([0x2f]);
/** Who works through the library: the modes that are asked for are the modes that files get. */
const OWNER: Caller = { uid: 0, gid: 0, pid: 0, umask: 0 };

/** What the files of a vault stand on. */
export interface VaultFilesParts {
  /** What is behind the paths. */
  readonly fileSystem: FileSystem & UnnamedFileSystem;
  /** Memory that data moves through. */
  readonly kernel: KernelMemory;
  /** Owner of what is made; 0 and 0 unless given. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** Waits until a step may run (null: now); throws where it never may. Lets everything in unless given. */
  readonly enter?: () => Promise<void> | null;
  /** Locks of the vault that they are of, and the line of their volume. */
  readonly locks?: { readonly all: FileLocks; readonly line: number };
  /** Shared with others over the same filesystem. */
  readonly transfer?: FileTransfer;
}

/** How to open a file. */
export interface OpenFileOptions {
  /** Reading only unless `"write"`, which is reading and writing. */
  readonly access?: "read" | "write";
  /** `"allow"`: make the file where there is none. `"require"`: there must be none. Both need `"write"`. */
  readonly create?: "allow" | "require";
  /** Cut it to nothing first. */
  readonly truncate?: boolean;
  /** Mode of a file that is made; 0o644 unless given. */
  readonly mode?: number;
}

/** An entry of a directory. */
export interface DirectoryEntry {
  /** The name; bytes that are not UTF-8 show as U+FFFD. */
  readonly name: string;
  /** The name as it is: for names that are not UTF-8. */
  readonly nameBytes: Uint8Array<ArrayBuffer>;
  /** What it is. */
  readonly type: FileType;
  /** Number of the inode. */
  readonly ino: number;
}

/** A regular file, and what locks it. */
export interface AccessedFile extends LockableFile {
  readonly locks: FileLocks;
  state(): FileLockState;
}

/** A path leads nowhere. */
const GONE = new Set<number>([ERRNO.ENOENT, ERRNO.ENOTDIR, ERRNO.ELOOP]);

/** The filesystem as the library uses it: by path, one atomic step at a time, with errors for programs. */
export class FileAccess {
  readonly fs: FileSystem & UnnamedFileSystem;
  readonly paths: Paths;
  readonly caller: Caller;
  readonly #transfer: FileTransfer;
  readonly #locks: VaultFilesParts["locks"];
  readonly #enter: () => Promise<void> | null;
  readonly #opened = new Set<{ release(): void }>();

  constructor(parts: VaultFilesParts) {
    this.fs = parts.fileSystem;
    this.paths = new Paths(parts.fileSystem);
    this.caller = { ...OWNER, ...parts.owner };
    this.#transfer = parts.transfer ?? new FileTransfer(parts.fileSystem, parts.kernel);
    this.#locks = parts.locks;
    this.#enter = parts.enter ?? (() => null);
  }

  /** Runs one step when it is let in. */
  async step<T>(verb: string, path: FilePath, action: () => T | Promise<T>): Promise<T> {
    if (typeof path !== "string") requireBytes(path, "a path");
    for (let wait = this.#enter(); wait !== null; wait = this.#enter()) await wait;
    try {
      return await action();
    } catch (error) {
      throw asPathError(error, verb, path);
    }
  }

  /** What a path leads to, symlinks followed. */
  stat(path: FilePath): Attributes {
    const out = emptyAttributes();
    this.paths.stat(path, out);
    return out;
  }

  /** Removes a name unless it leads to something else by now, or nowhere: a file may have been given another one. */
  removeName(path: FilePath, { ino }: { readonly ino: number }): void {
    try {
      if (this.stat(path).ino !== ino) return;
    } catch (error) {
      const isGone = error instanceof PosixError && GONE.has(error.errno);
      if (isGone) return;
      throw error;
    }
    const last = this.removable(path);
    this.fs.unlink(last.parent, last.name);
  }

  /** A file in place of what is at a path, as a step. */
  replaceFor(path: FilePath, mode: number | undefined): Promise<FileReplacement> {
    return this.step("write", path, () => this.replace(path, mode));
  }

  /** A file of these bytes in place of what is at a path. */
  async writeWhole(path: FilePath, bytes: Uint8Array, mode: number | undefined): Promise<void> {
    const { length } = bytes;
    const file = await this.replaceFor(path, mode);
    try {
      for (let at = 0; at < length;) {
        requireAllOf(bytes, length, path);
        at += await this.step("write", path, () => file.append(bytes.subarray(at)));
      }
      await this.step("write", path, () => file.finish());
    } finally {
      this.letGo(file);
    }
  }

  /** The regular file that a path leads to, and what locks it. */
  lockable(path: FilePath): AccessedFile {
    const { ino, mode } = this.stat(path);
    if (!isRegular(mode)) fail(isDirectory(mode) ? "EISDIR" : "EINVAL");
    if (this.#locks === undefined) fail("EOPNOTSUPP");
    const { all: locks, line } = this.#locks;
    return { line, ino, path: shownPath(path), locks, state: () => locks.state({ line, ino }) };
  }

  /** The same as a step. */
  lockableFor(verb: string, path: FilePath): Promise<AccessedFile> {
    return this.step(verb, path, () => this.lockable(path));
  }

  /** The inode that a path names itself, which may be a symlink. */
  own(path: FilePath): number {
    const out = emptyAttributes();
    this.paths.lstat(path, out);
    return out.ino;
  }

  /** What a path names that is to be removed: refused before anything is gone where it ends with no name. */
  removable(path: FilePath): LastName {
    const name = namesOf(bytesOf(path)).at(-1);
    if (name !== undefined && !isDots(name, 1) && !isDots(name, 2)) return this.paths.last(path);
    const why = "it does not end with a name; the root stays, and . and .. are no names to remove";
    throw new VaultError("invalid", `Cannot remove "${shownPath(path)}": ${why}`);
  }

  /** Makes a directory, fifo or file without data; `mode` has the type, too. */
  make(path: FilePath, mode: number): void {
    const { parent, name } = this.paths.last(path);
    this.fs.mknod(this.caller, { parent, name }, { mode, rdev: 0 }, emptyAttributes());
  }

  /** The entries of a directory, sorted by the bytes of their names. */
  entries(path: FilePath): DirectoryEntry[] {
    const { ino, mode } = this.stat(path);
    if (!isDirectory(mode)) fail("ENOTDIR");
    const entries: DirectoryEntry[] = [];
    this.fs.readdir(ino, 0, (entry) => {
      if (entry.cookie <= DOTS_COOKIE_MAX) return true;
      const nameBytes = entry.name.slice();
      const name = new TextDecoder().decode(nameBytes);
      entries.push({ name, nameBytes, type: typeOf(entry.type), ino: entry.ino });
      return true;
    });
    return entries.sort((a, b) => compare(a.nameBytes, b.nameBytes));
  }

  /** Opens a file, which stays listed until it is closed. */
  open(path: FilePath, options: OpenFileOptions): OpenFile {
    const writable = options.access === "write";
    const { create, truncate } = options;
    if (!writable && (create !== undefined || truncate === true)) fail("EINVAL");
    const ino = this.#openable(path, options);
    const file = new OpenFile({
      fileSystem: this.fs,
      transfer: this.#transfer,
      enter: this.#enter,
      path,
      ino,
      writable,
      closed: (closed) => this.#opened.delete(closed),
    });
    this.#opened.add(file);
    return file;
  }

  /** Begins a file that will take over the place of what `path` leads to. */
  replace(path: FilePath, mode: number | undefined): FileReplacement {
    const { last, ino, mode: old } = this.#target(path);
    if (ino !== 0 && !isRegular(old)) fail(isDirectory(old) ? "EISDIR" : "EINVAL");
    const { fs: fileSystem, caller } = this;
    const parts = { fileSystem, caller, transfer: this.#transfer };
    const file = new FileReplacement(parts, last, { replaced: ino, mode });
    this.#opened.add(file);
    return file;
  }

  /** Gives a file up if it is unfinished. */
  letGo(file: FileReplacement): void {
    this.#opened.delete(file);
    file.release();
  }

  /** Closes every open file and gives up every unfinished one. */
  releaseAll(): void {
    for (const open of [...this.#opened]) open.release();
    this.#opened.clear();
  }

  #openable(path: FilePath, options: OpenFileOptions): number {
    const { last, ino, mode } = this.#target(path);
    if (ino === 0) {
      if (options.create === undefined) fail("ENOENT");
      const node = { mode: S_IFREG | (options.mode ?? 0o644) & PERMISSIONS, rdev: 0 };
      const out = emptyAttributes();
      this.fs.mknod(this.caller, { parent: last.parent, name: last.name }, node, out);
      return out.ino;
    }
    if (options.create === "require") fail("EEXIST");
    if (!isRegular(mode)) fail(isDirectory(mode) ? "EISDIR" : "EINVAL");
    if (options.truncate === true) {
      this.fs.setattr(this.caller, ino, { size: 0 }, emptyAttributes());
    }
    return ino;
  }

  /** The last name of a path, a symlink there followed to where it leads, and what is there (0: nothing). */
  #target(path: FilePath): { last: LastName; ino: number; mode: number } {
    let at = bytesOf(path);
    for (let links = 0; links <= SYMLINKS_MAX; links++) {
      if (isRootPath(at)) fail("EISDIR");
      const last = this.paths.last(at);
      const found = this.#lookup(last);
      if (found === null && at[at.length - 1] === SLASH[0]) fail("EISDIR");
      if (found === null) return { last, ino: 0, mode: 0 };
      if (!isSymlink(found.mode)) return { last, ino: found.ino, mode: found.mode };
      const target = this.fs.readlink(found.ino);
      at = target[0] === SLASH[0] ? target.slice() : joined(directoryOf(at), target);
    }
    return fail("ELOOP");
  }

  #lookup(last: LastName): Attributes | null {
    const out = emptyAttributes();
    return this.paths.find(last, out) ? out : null;
  }
}

/** The bytes of a path, a name or a text. */
export function bytesOf(text: string | Uint8Array): Uint8Array {
  return encoded(text, "data");
}

/** A path below another. */
export function joined(path: Uint8Array, below: Uint8Array): Uint8Array<ArrayBuffer> {
  const needsSlash = path.length > 0 && path[path.length - 1] !== SLASH[0];
  return needsSlash ? concat(path, SLASH, below) : concat(path, below);
}

function isRootPath(path: Uint8Array): boolean {
  return namesOf(path).length === 0;
}

/** Everything of a path before its last name. */
function directoryOf(path: Uint8Array): Uint8Array {
  let end = path.length;
  while (end > 0 && path[end - 1] === SLASH[0]) end--;
  return path.subarray(0, path.lastIndexOf(SLASH[0], end - 1) + 1);
}
