import { type AttributeChange, emptyAttributes } from "../fs/file_system.ts";
import { isDirectory, PERMISSIONS, S_IFDIR, S_IFIFO } from "../fs/mode.ts";
import { checkInteger } from "../runtime.ts";
import {
  bytesOf,
  type DirectoryEntry,
  FileAccess,
  type OpenFileOptions,
  type VaultFilesParts,
} from "./file_access.ts";
import {
  type FileStatus,
  type FileTime,
  type SpaceStatus,
  statusOf,
  timeOf,
} from "./file_status.ts";
import type {
  EraseOptions,
  FileLockState,
  LockOptions,
  UnlockOptions,
} from "./file_lock_options.ts";
import { type WalkedEntry, walkTree } from "./file_walk.ts";
import { readableOf, writableOf } from "./file_streams.ts";
import type { OpenFile } from "./open_file.ts";
import { againIfReplaced, type FilePath, isMissing, shownPath } from "./path_failure.ts";

/** A part of a file. */
export interface FileRange {
  /** Where to begin; 0 unless given. */
  readonly offset?: number;
  /** How many bytes at most; up to the end unless given. */
  readonly length?: number;
}

/**
 * The files of a vault. Paths are POSIX paths from the root of the vault, with or without a slash in front. Every
 * call is one atomic step (data in steps of 1 MiB); calls that run at the same time may interleave between steps.
 *
 * Changes are visible at once and durable after `sync`, `OpenFile.sync`, `Vault.commit`, `Vault.close` or a
 * transaction. Failures are {@linkcode VaultError}s with the errno of POSIX.
 *
 * @example
 * ```ts
 * import { createVault } from "@sigmavault/sigmavault";
 * import assert from "node:assert/strict";
 * await using vault = await createVault({ medium: "memory:", passphrase: "correct horse" });
 * await vault.files.makeDirectory("/notes", { recursive: true });
 * await vault.files.writeFile("/notes/today", "hello");
 * assert.equal(await vault.files.readText("/notes/today"), "hello");
 * assert.deepEqual((await vault.files.list("/notes")).map(({ name }) => name), ["today"]);
 * ```
 */
export class VaultFiles {
  readonly #access: FileAccess;

  /**
   * Sets 1 MiB of kernel memory aside. Use `vault.files`.
   *
   * @internal
   */
  constructor(parts: VaultFilesParts) {
    this.#access = new FileAccess(parts);
  }

  /** What a path leads to. */
  stat(path: FilePath, options: { readonly followSymlinks?: boolean } = {}): Promise<FileStatus> {
    return this.#access.step("read", path, () => {
      const out = emptyAttributes();
      if (options.followSymlinks === false) this.#access.paths.lstat(path, out);
      else this.#access.paths.stat(path, out);
      return statusOf(out);
    });
  }

  /** True where the path leads to something; a symlink to nothing counts as something. */
  async exists(path: FilePath): Promise<boolean> {
    try {
      await this.stat(path, { followSymlinks: false });
      return true;
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
  }

  /** The entries of a directory, sorted by the bytes of their names. */
  list(path: FilePath): Promise<DirectoryEntry[]> {
    return this.#access.step("list", path, () => this.#access.entries(path));
  }

  /** Everything below a directory, depth first, a directory before what it holds. Symlinks are not followed. */
  walk(path: FilePath): AsyncGenerator<WalkedEntry, void, undefined> {
    return walkTree(this, path);
  }

  /** A file's bytes, or a part of them. */
  async readFile(path: FilePath, range: FileRange = {}): Promise<Uint8Array<ArrayBuffer>> {
    return await againIfReplaced(async () => {
      await using file = await this.open(path);
      const { offset = 0, length = 2 ** 44 } = range;
      const { size } = await file.stat();
      return await file.read(offset, Math.min(length, Math.max(0, size - offset)));
    });
  }

  /** A file's text, taken as UTF-8. */
  async readText(path: FilePath): Promise<string> {
    return new TextDecoder().decode(await this.readFile(path));
  }

  /** A file, or a part of it, as a stream that takes constant memory. Cancel it, or read it to its end. */
  async readStream(
    path: FilePath,
    range: FileRange = {},
  ): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    return readableOf(await this.open(path), range);
  }

  /**
   * Writes a whole file: a new one takes the name over when everything is written, so that readers see the old file
   * or the new one, never half. Owner, mode and attributes of the old one stay.
   */
  async writeFile(
    path: FilePath,
    data: Uint8Array | string | ReadableStream<Uint8Array>,
    options: { readonly mode?: number } = {},
  ): Promise<void> {
    if (data instanceof ReadableStream) {
      return await data.pipeTo(await this.writeStream(path, options));
    }
    const bytes = bytesOf(data);
    await againIfReplaced(() => this.#access.writeWhole(path, bytes, options.mode));
  }

  /** A stream into a file, which takes the name over when the stream is closed. Aborting leaves the old file. */
  async writeStream(
    path: FilePath,
    options: { readonly mode?: number } = {},
  ): Promise<WritableStream<Uint8Array>> {
    const file = await this.#access.replaceFor(path, options.mode);
    return writableOf({
      append: (data) => this.#access.step("write", path, () => file.append(data)),
      finish: () => this.#access.step("write", path, () => file.finish()),
      giveUp: () => this.#access.letGo(file),
    });
  }

  /** Opens a file. Close it when it is not needed any more. */
  async open(path: FilePath, options: OpenFileOptions = {}): Promise<OpenFile> {
    return await this.#access.step("open", path, () => this.#access.open(path, options));
  }

  /** Makes a directory. `recursive` makes those above it too, and is content with one that is there. */
  async makeDirectory(
    path: FilePath,
    options: { readonly recursive?: boolean; readonly mode?: number } = {},
  ): Promise<void> {
    const { recursive = false, mode = 0o755 } = options;
    await this.#access.step("make directory", path, () => {
      if (recursive) this.#access.paths.makeDirectories(this.#access.caller, path, mode);
      else this.#access.make(path, S_IFDIR | mode & PERMISSIONS);
    });
  }

  /** Makes a fifo. */
  async makeFifo(path: FilePath, options: { readonly mode?: number } = {}): Promise<void> {
    const mode = (options.mode ?? 0o644) & PERMISSIONS;
    await this.#access.step("make fifo", path, () => this.#access.make(path, S_IFIFO | mode));
  }

  /** Removes a file, a symlink or an empty directory; with `recursive`, a directory with all that is in it. */
  async remove(path: FilePath, options: { readonly recursive?: boolean } = {}): Promise<void> {
    await this.#access.step("remove", path, () => {
      const last = this.#access.removable(path);
      if (options.recursive === true) return this.#access.paths.removeTree(last);
      const out = emptyAttributes();
      this.#access.fs.lookup(last.parent, last.name, out);
      if (isDirectory(out.mode)) this.#access.fs.rmdir(last.parent, last.name);
      else this.#access.fs.unlink(last.parent, last.name);
    });
  }

  /** Gives a file or directory another name, replacing what is there unless told otherwise. */
  async rename(
    from: FilePath,
    to: FilePath,
    options: { readonly replace?: boolean } = {},
  ): Promise<void> {
    const flags = { noReplace: options.replace === false, exchange: false };
    await this.#access.step(
      "rename",
      from,
      () =>
        this.#access.fs.rename(this.#access.paths.last(from), this.#access.paths.last(to), flags),
    );
  }

  /** Makes a symlink at `path` that leads to `target`. */
  async symlink(target: FilePath, path: FilePath): Promise<void> {
    await this.#access.step("make symlink", path, () => {
      const { parent, name } = this.#access.paths.last(path);
      this.#access.fs.symlink(
        this.#access.caller,
        { parent, name },
        bytesOf(target),
        emptyAttributes(),
      );
    });
  }

  /** Where a symlink leads. */
  async readLink(path: FilePath): Promise<string> {
    return shownPath(await this.readLinkBytes(path));
  }

  /** The same as it is: for targets that are not UTF-8. */
  readLinkBytes(path: FilePath): Promise<Uint8Array> {
    const { fs } = this.#access;
    return this.#access.step("read link", path, () => fs.readlink(this.#access.own(path)).slice());
  }

  /** Gives the file at `existing` one more name. */
  async link(existing: FilePath, path: FilePath): Promise<void> {
    await this.#access.step("link", path, () => {
      const { parent, name } = this.#access.paths.last(path);
      this.#access.fs.link(this.#access.own(existing), parent, name, emptyAttributes());
    });
  }

  /** Sets permission bits. */
  async chmod(path: FilePath, mode: number): Promise<void> {
    checkInteger("mode", mode, [0, PERMISSIONS]);
    await this.#change("change mode of", path, (access) => [access.stat(path).ino, { mode }]);
  }

  /** Sets owner and group of a file; of a symlink, its own. */
  async chown(path: FilePath, uid: number, gid: number): Promise<void> {
    for (const id of [uid, gid]) checkInteger("owner", id, [0, 2 ** 32 - 1]);
    await this.#change("change owner of", path, (access) => [access.own(path), { uid, gid }]);
  }

  /** Sets times of access and change; of a symlink, its own. What is left out stays. */
  async utimes(
    path: FilePath,
    times: { readonly accessed?: FileTime; readonly modified?: FileTime },
  ): Promise<void> {
    const { accessed, modified } = times;
    await this.#change("change times of", path, (access) => [access.own(path), {
      ...(accessed === undefined ? {} : { atime: timeOf(accessed) }),
      ...(modified === undefined ? {} : { mtime: timeOf(modified) }),
    }]);
  }

  /** Cuts a file, or makes it longer with zeros that take no space. */
  async truncate(path: FilePath, size: number): Promise<void> {
    checkInteger("size", size, [0, 2 ** 44]);
    await this.#change("truncate", path, (access) => [access.stat(path).ino, { size }]);
  }

  /** An extended attribute, such as `user.origin`. */
  getAttribute(path: FilePath, name: string | Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
    return this.#access.step(
      `read attribute "${shownPath(name)}" of`,
      path,
      () => this.#access.fs.getxattr(this.#access.stat(path).ino, bytesOf(name)).slice(),
    );
  }

  /** Sets an extended attribute: names begin with `user.`, `trusted.` or `security.`. */
  async setAttribute(
    path: FilePath,
    name: string | Uint8Array,
    value: Uint8Array | string,
  ): Promise<void> {
    await this.#access.step(`set attribute "${shownPath(name)}" of`, path, () => {
      const { ino } = this.#access.stat(path);
      this.#access.fs.setxattr(ino, bytesOf(name), bytesOf(value), 0);
    });
  }

  /** Names of the extended attributes. */
  async listAttributes(path: FilePath): Promise<string[]> {
    return (await this.attributeNames(path)).map(shownPath).sort();
  }

  /** The names as they are: for those that are not UTF-8. */
  attributeNames(path: FilePath): Promise<Uint8Array[]> {
    return this.#access.step(
      "list attributes of",
      path,
      () => this.#access.fs.listxattr(this.#access.stat(path).ino).map((name) => name.slice()),
    );
  }

  /** Removes an extended attribute. */
  async removeAttribute(path: FilePath, name: string): Promise<void> {
    await this.#access.step(
      `remove attribute "${name}" of`,
      path,
      () => this.#access.fs.removexattr(this.#access.stat(path).ino, bytesOf(name)),
    );
  }

  /**
   * Marks a directory: every file that is made in it, or in what is made in it, gets a secret of its own, so that
   * {@linkcode shred} has only that to forget. What is there already stays as it is.
   */
  async setShreddable(path: FilePath, shreddable: boolean): Promise<void> {
    await this.#change("mark", path, (access) => [access.stat(path).ino, { shreddable }]);
  }

  /** True where {@linkcode shred} has only a secret of the file to forget, and touches no free cells. */
  async onlyForgets(path: FilePath): Promise<boolean> {
    const file = await this.#access.lockableFor("read", path);
    return await file.locks.onlyForgets(file);
  }

  /** How it is with a file: whether it is locked, and whether that is finished. */
  lockState(path: FilePath): Promise<FileLockState> {
    return this.#access.step("read", path, () => this.#access.lockable(path).state());
  }

  /**
   * Locks a file under a passphrase of its own: nobody who does not know it can read or change its content, in no snapshot or
   * clone either. Its name and what `stat` shows stay. Returns when what it was sealed as before is overwritten.
   *
   * @example
   * ```ts
   * import { createVault } from "@sigmavault/sigmavault";
   * import assert from "node:assert/strict";
   * await using vault = await createVault({ medium: "memory:", passphrase: "correct horse" });
   * await vault.files.writeFile("/diary", "dear diary");
   * await vault.files.lock("/diary", { passphrase: "battery staple" });
   * await assert.rejects(vault.files.readText("/diary"), { kind: "denied" });
   * await vault.files.unlock("/diary", { passphrase: "battery staple" });
   * ```
   */
  async lock(path: FilePath, options: LockOptions): Promise<void> {
    const file = await this.#access.lockableFor("lock", path);
    await file.locks.lock(file, options);
  }

  /** Unlocks a file, for good, or to be read until the vault is closed. After wrong passphrases, others have to wait. */
  async unlock(path: FilePath, options: UnlockOptions): Promise<void> {
    const file = await this.#access.lockableFor("unlock", path);
    await file.locks.unlock(file, options);
  }

  /**
   * Removes a file and makes its content unreadable in the whole vault: in snapshots and clones, which keep its name, too.
   */
  async shred(path: FilePath, options: EraseOptions = {}): Promise<void> {
    const file = await this.#access.lockableFor("shred", path);
    await file.locks.shred(file, options);
    await this.#access.step("remove", path, () => this.#access.removeName(path, file));
    await this.sync();
    await file.locks.forgetIfGone(file);
  }

  /** How much space there is. */
  statfs(): Promise<SpaceStatus> {
    return this.#access.step("read", "/", () => {
      const { blockBytes, totalBlocks, freeBlocks } = this.#access.fs.statfs();
      return { totalBytes: totalBlocks * blockBytes, freeBytes: freeBlocks * blockBytes };
    });
  }

  /** Makes everything durable. Inside a transaction, that happens when it commits. */
  async sync(): Promise<void> {
    await this.#access.step("sync", "/", () => this.#access.fs.fsync(this.#access.stat("/").ino));
  }

  /** Closes every open file and gives up every unfinished one. */
  releaseAll(): void {
    this.#access.releaseAll();
  }

  /** Sets attributes of the inode that `of` finds. */
  async #change(
    verb: string,
    path: FilePath,
    of: (access: FileAccess) => [ino: number, change: AttributeChange],
  ): Promise<void> {
    const { fs, caller } = this.#access;
    await this.#access.step(
      verb,
      path,
      () => fs.setattr(caller, ...of(this.#access), emptyAttributes()),
    );
  }
}
