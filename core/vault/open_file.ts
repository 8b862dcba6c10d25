import { requireBytes } from "../bytes.ts";
import { VaultError } from "../errors.ts";
import { emptyAttributes, type FileSystem } from "../fs/file_system.ts";
import { nextData, SEEK_HOLE } from "../fs/seek.ts";
import { checkInteger } from "../runtime.ts";
import { type FileStatus, statusOf } from "./file_status.ts";
import type { FileTransfer } from "./file_transfer.ts";
import { asPathError, type FilePath, requireAllOf, shownPath } from "./path_failure.ts";

/** Longest file: 16 TiB. */
const FILE_BYTES_MAX = 2 ** 44;
/** One call reads at most this much; read large files as a stream. */
const READ_BYTES_MAX = 2 ** 31;
/** As `lseek` has them. */

/** What an open file stands on. */
export interface OpenFileParts {
  /** What is behind it. */
  readonly fileSystem: FileSystem;
  /** Moves its data. */
  readonly transfer: FileTransfer;
  /** Waits until a step may run (null: now); throws where it never may. */
  readonly enter: () => Promise<void> | null;
  /** As it was opened, for messages. */
  readonly path: FilePath;
  /** Number of the inode. */
  readonly ino: number;
  /** Opened for writing too. */
  readonly writable: boolean;
  /** Called once, when the file is closed. */
  readonly closed: (file: OpenFile) => void;
}

/** An open file of a vault. It stays readable when its name is removed. Close it, or `await using`. */
export class OpenFile implements AsyncDisposable {
  /** Number of the inode. */
  readonly ino: number;
  readonly #parts: OpenFileParts;
  #open = true;

  /**
   * Use `VaultFiles.open`.
   *
   * @internal
   */
  constructor(parts: OpenFileParts) {
    this.#parts = parts;
    this.ino = parts.ino;
    parts.fileSystem.open(parts.ino, 0);
  }

  /** Up to `size` bytes at `offset`; fewer only at the end of the file. */
  async read(offset: number, size: number): Promise<Uint8Array<ArrayBuffer>> {
    checkInteger("size", size, [0, READ_BYTES_MAX]);
    const left = Math.max(0, (await this.stat()).size - offset);
    const bytes = new Uint8Array(Math.min(size, left));
    return bytes.subarray(0, await this.readInto(offset, bytes));
  }

  /** Fills `out` from `offset`; returns how many bytes there were. */
  async readInto(offset: number, out: Uint8Array): Promise<number> {
    checkInteger("offset", offset, [0, FILE_BYTES_MAX]);
    let done = 0;
    while (done < out.length) {
      const part = out.subarray(done);
      const count = await this.#step(
        "read",
        ({ transfer, ino }) => transfer.read(ino, offset + done, part),
      );
      if (count === 0) break;
      done += count;
    }
    return done;
  }

  /** The first stretch at or behind `offset` that is not a hole; null where only zeros follow. */
  async dataRun(
    offset: number,
  ): Promise<{ readonly from: number; readonly to: number } | null> {
    checkInteger("offset", offset, [0, FILE_BYTES_MAX]);
    return await this.#step("read", ({ fileSystem, ino }) => {
      const from = nextData(fileSystem, ino, offset);
      return from === null ? null : { from, to: fileSystem.lseek(ino, from, SEEK_HOLE) };
    });
  }

  /** Writes all of `data` at `offset`. Up to 1 MiB is one atomic step. */
  async write(offset: number, data: Uint8Array): Promise<void> {
    requireBytes(data, "data");
    checkInteger("offset", offset, [0, FILE_BYTES_MAX]);
    const { length } = data;
    for (let done = 0; done < length;) {
      requireAllOf(data, length, this.#parts.path);
      const part = data.subarray(done);
      done += await this.#change(
        "write",
        ({ transfer, ino }) => transfer.write(ino, offset + done, part),
      );
    }
  }

  /** Cuts the file, or makes it longer with zeros. */
  async truncate(size: number): Promise<void> {
    checkInteger("size", size, [0, FILE_BYTES_MAX]);
    await this.#change(
      "truncate",
      ({ fileSystem, ino }) => fileSystem.setattr(NOBODY, ino, { size }, emptyAttributes()),
    );
  }

  /** Size, times and the rest. */
  async stat(): Promise<FileStatus> {
    return await this.#step("read", ({ fileSystem, ino }) => {
      const attributes = emptyAttributes();
      fileSystem.getattr(ino, attributes);
      return statusOf(attributes);
    });
  }

  /** Makes what was written durable. Inside a transaction, that happens when it commits. */
  async sync(): Promise<void> {
    await this.#step("sync", ({ fileSystem, ino }) => fileSystem.fsync(ino));
  }

  /** Lets the file go. Idempotent. */
  async close(): Promise<void> {
    const { enter } = this.#parts;
    for (let wait = this.#open ? enter() : null; wait !== null; wait = enter()) await wait;
    this.release();
  }

  /** Closes it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Closes at once, whatever is going on. */
  release(): void {
    if (!this.#open) return;
    this.#open = false;
    const { fileSystem, ino, path, closed } = this.#parts;
    closed(this);
    try {
      fileSystem.release(ino);
    } catch (error) {
      throw asPathError(error, "close", path);
    }
  }

  #change<T>(verb: string, action: (parts: OpenFileParts) => T | Promise<T>): Promise<T> {
    const { writable, path } = this.#parts;
    if (!writable) {
      const what = `Cannot ${verb} "${shownPath(path)}"`;
      throw new VaultError("invalid", `${what}: it was opened for reading only`, {
        operation: verb,
        errno: "EBADF",
      });
    }
    return this.#step(verb, action);
  }

  async #step<T>(verb: string, action: (parts: OpenFileParts) => T | Promise<T>): Promise<T> {
    const { enter, path } = this.#parts;
    for (let wait = enter(); wait !== null; wait = enter()) await wait;
    if (!this.#open) {
      throw new VaultError("invalid", `Cannot ${verb} "${shownPath(path)}": it is closed`, {
        operation: verb,
        errno: "EBADF",
      });
    }
    try {
      return await action(this.#parts);
    } catch (error) {
      throw asPathError(error, verb, path);
    }
  }
}

/** Where the filesystem asks for a caller but does not use one. */
const NOBODY = { uid: 0, gid: 0, pid: 0, umask: 0 };
