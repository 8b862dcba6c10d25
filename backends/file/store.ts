import { statfsSync, statSync } from "node:fs";
import { VaultError } from "../../core/errors.ts";
import {
  type DirectAccess,
  givenUpBytes,
  type KeptSpace,
  type MediumRoom,
  type StorageBackend,
  type StorageCapabilities,
} from "../../core/storage/storage_backend.ts";
import {
  beyondEnd,
  checkRange,
  closed,
  full,
  readOnly,
  syncedNoMore,
} from "../../core/storage/medium_errors.ts";
import { checkPathOptions, type FileStorageOptions } from "./config.ts";
import { nodeIo } from "./node_io.ts";
import type { OpenMode, PositionedFile, PositionedIo } from "./positioned_io.ts";
import { isReadOnlyDevice } from "./read_only_device.ts";
import { errorCode, fromSystemError, IN_USE, isFull } from "./system_error.ts";

/** Unit of what a file takes. */
const SECTOR_BYTES = 512;
/** Logical sectors of block devices are at most this long. */
const DEVICE_SECTOR_BYTES_MAX = 4096;
const UNKNOWN_ROOM: MediumRoom = {
  freeBytes: Number.MAX_SAFE_INTEGER,
  totalBytes: Number.MAX_SAFE_INTEGER,
};

/**
 * Opens a regular file or block device as a medium and locks it: a writer excludes every other
 * opener, readers exclude writers.
 *
 * @example
 * ```ts
 * import { openFileStorage } from "./store.ts";
 * import assert from "node:assert/strict";
 * const path = await Deno.makeTempFile();
 * const medium = await openFileStorage({ path });
 * await medium.write(0, new Uint8Array([1, 2, 3]));
 * await medium.sync();
 * assert.equal(await medium.size(), 3);
 * await medium.close();
 * await Deno.remove(path);
 * ```
 */
// deno-lint-ignore require-await
export async function openFileStorage(options: FileStorageOptions): Promise<StorageBackend> {
  checkPathOptions(options);
  const { path } = options;
  const io = options.io ?? nodeIo;
  try {
    const { file, writable } = openWritableOrNot(io, options);
    try {
      lock(file, writable, path);
      return new FileStorage(file, { name: path, writable, sizeMax: options.sizeMax });
    } catch (error) {
      file.close();
      throw error;
    }
  } catch (error) {
    throw fromSystemError(error, "open", path);
  }
}

function openWritableOrNot(
  io: PositionedIo,
  options: FileStorageOptions,
): { file: PositionedFile; writable: boolean } {
  const { path, create, exclusive, readOnly: asked, fallbackReadOnly } = options;
  const mode: OpenMode = {
    writable: asked !== true,
    create: create ? (exclusive ? "always" : "if-missing") : "never",
  };
  try {
    return { file: openAs(io, path, mode), writable: mode.writable };
  } catch (error) {
    const refused = ["EACCES", "EPERM", "EROFS"].includes(errorCode(error)) ||
      error instanceof Deno.errors.NotCapable;
    if (errorCode(error) === "EISDIR") requireAlive(io, path);
    if (!refused || !fallbackReadOnly || !mode.writable) throw error;
    return { file: io.open(path, { writable: false, create: "never" }), writable: false };
  }
}

/** Throws ENOTCONN where a mount has died: who opens it for writing is only told that it is a directory. */
function requireAlive(io: PositionedIo, path: string): void {
  try {
    io.open(path, { writable: false, create: "never" }).close();
  } catch (error) {
    if (errorCode(error) === "ENOTCONN") throw error;
  }
}

function openAs(io: PositionedIo, path: string, mode: OpenMode): PositionedFile {
  const file = io.open(path, mode);
  if (!mode.writable || file.kind !== "block-device" || !isReadOnlyDevice(path)) return file;
  file.close();
  throw Object.assign(new Error("a device that takes no writes"), { code: "EROFS" });
}

function lock(file: PositionedFile, writable: boolean, path: string): void {
  if (file.tryLock(writable ? "exclusive" : "shared")) return;
  throw new VaultError(
    "conflict",
    `Cannot open "${path}": ${IN_USE}`,
    {
      operation: "open",
      errno: "EBUSY",
    },
  );
}

/** How an opened file behaves as a medium. */
interface FileStorageSettings {
  readonly name: string;
  readonly writable: boolean;
  readonly sizeMax?: number;
}

/**
 * Reads and writes run on the calling thread, because a file answers at once; only `sync`, which
 * waits for the disk, runs aside.
 */
class FileStorage implements StorageBackend {
  readonly name: string;
  readonly supportsSparse: boolean;
  readonly capabilities: StorageCapabilities;
  readonly direct: DirectAccess;
  readonly #file: PositionedFile;
  readonly #sizeMax: number;
  /** The end as far as this opener made or saw it; a file that is shorter was cut by someone else. */
  #knownEnd: number;
  #closed = false;
  /** A failed sync may have dropped dirty pages, so a later one that succeeds proves nothing. */
  #syncFailure: VaultError | undefined;
  #syncing: Promise<void> = Promise.resolve();

  constructor(file: PositionedFile, settings: FileStorageSettings) {
    const { name, writable } = settings;
    const resizable = file.kind === "file";
    this.#file = file;
    this.name = name;
    this.supportsSparse = resizable;
    this.capabilities = {
      overwrite: true,
      resize: writable && resizable,
      discard: writable && file.canPunchHoles,
      writable,
    };
    this.#knownEnd = file.size();
    this.#sizeMax = Math.min(
      settings.sizeMax ?? Number.MAX_SAFE_INTEGER,
      resizable ? Number.MAX_SAFE_INTEGER : this.#knownEnd,
    );
    this.direct = {
      read: (offset, into) => this.#read(offset, into),
      write: (offset, from) => this.#write(offset, from),
      size: () => this.#size(),
      sync: () => this.#sync(),
      syncLater: () => this.sync(),
      truncate: (size) => this.#truncate(size),
      discard: (offset, size) => this.#discard(offset, size),
      descriptor: file.descriptor,
      room: resizable ? () => this.#room() : undefined,
      keptSpace: writable && resizable ? () => this.#keptSpace() : undefined,
    };
  }

  #keptSpace(): KeptSpace | null {
    return this.#closed ? null : this.#file.keptSpace?.() ?? null;
  }

  /** False where it cannot be told. */
  #isWhole(): boolean {
    try {
      const { blocks, size } = statSync(this.name);
      return blocks * SECTOR_BYTES >= size;
    } catch {
      return false;
    }
  }

  /** What the filesystem below leaves to this process. */
  #room(): MediumRoom {
    try {
      const { bavail, blocks, bsize } = statfsSync(this.name);
      const isWhole = () => this.#isWhole();
      return { freeBytes: bavail * bsize, totalBytes: blocks * bsize, isWhole };
    } catch (error) {
      // Not permitted to look, or moved elsewhere: the medium says itself when it is full.
      const isGone = errorCode(error) === "ENOENT";
      if (isGone || error instanceof Deno.errors.NotCapable) return UNKNOWN_ROOM;
      throw fromSystemError(error, "look at", this.name);
    }
  }

  // deno-lint-ignore require-await
  async read(offset: number, size: number): Promise<Uint8Array<ArrayBuffer>> {
    checkRange(this.name, offset, size);
    this.#checkOpen("read");
    if (offset + size > this.#knownEnd && offset + size > this.#size()) {
      throw beyondEnd(this.name, { offset, size }, this.#size());
    }
    const bytes = new Uint8Array(size);
    this.#read(offset, bytes);
    return bytes;
  }

  // deno-lint-ignore require-await
  async write(offset: number, data: Uint8Array): Promise<void> {
    this.#write(offset, data);
  }

  // deno-lint-ignore require-await
  async size(): Promise<number> {
    return this.#size();
  }

  async sync(): Promise<void> {
    this.#checkOpen("sync");
    this.#checkSyncable();
    const syncing = this.#file.syncAside().catch((error) => {
      throw this.#syncFailed(error);
    });
    this.#syncing = Promise.allSettled([this.#syncing, syncing]).then(() => {});
    await syncing;
  }

  // deno-lint-ignore require-await
  async truncate(size: number): Promise<void> {
    this.#truncate(size);
  }

  // deno-lint-ignore require-await
  async discard(offset: number, size: number): Promise<void> {
    this.#discard(offset, size);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#syncing;
    this.#file.close();
  }

  #read(offset: number, into: Uint8Array): void {
    checkRange(this.name, offset, into.length);
    this.#checkOpen("read");
    const size = this.#attempt("read", () => this.#file.read(offset, into));
    if (size === into.length) return;
    const end = this.#size();
    if (offset + into.length > this.#knownEnd) {
      throw beyondEnd(this.name, { offset, size: into.length }, end);
    }
    throw new VaultError(
      "corrupt",
      `Cannot read "${this.name}" at ${offset}+${into.length}: ` +
        `the medium was truncated from ${this.#knownEnd} to ${end} bytes`,
      { operation: "read", errno: "EIO" },
    );
  }

  #write(offset: number, from: Uint8Array): void {
    checkRange(this.name, offset, from.length);
    this.#checkWritable("write");
    const end = offset + from.length;
    if (end > this.#sizeMax) throw full(this.name, `it may not grow beyond ${this.#sizeMax} bytes`);
    this.#attempt("write", () => this.#writeAll(offset, from));
    if (end > this.#knownEnd) this.#knownEnd = end;
  }

  /** Where the storage below is full, what was kept for this file gives way. */
  #writeAll(offset: number, from: Uint8Array): void {
    for (let isLast = false;;) {
      try {
        return this.#file.write(offset, from);
      } catch (error) {
        if (!isFull(error) || isLast) throw error;
        // Another thread may have given up the rest meanwhile: one more try.
        isLast = !this.#giveUpKept(givenUpBytes(from.length));
      }
    }
  }

  #giveUpKept(most: number): boolean {
    const kept = this.#file.keptSpace?.() ?? null;
    const bytes = kept?.bytes() ?? 0;
    return bytes > 0 && kept!.resize(Math.max(0, bytes - most));
  }

  #size(): number {
    this.#checkOpen("measure");
    const size = this.#attempt("measure", () => this.#file.size());
    if (size > this.#knownEnd) this.#knownEnd = size;
    return size;
  }

  #sync(): void {
    this.#checkOpen("sync");
    this.#checkSyncable();
    try {
      this.#file.sync();
    } catch (error) {
      throw this.#syncFailed(error);
    }
  }

  #truncate(size: number): void {
    checkRange(this.name, size, 0);
    this.#checkWritable("resize");
    if (size > this.#sizeMax) {
      throw full(this.name, `it may not grow beyond ${this.#sizeMax} bytes`);
    }
    if (!this.capabilities.resize) {
      if (size === this.#size()) return;
      throw new VaultError(
        "invalid",
        `Cannot resize "${this.name}": a block device has a fixed size`,
        {
          operation: "resize",
        },
      );
    }
    this.#attempt("resize", () => this.#file.truncate(size));
    this.#knownEnd = size;
  }

  #discard(offset: number, size: number): void {
    checkRange(this.name, offset, size);
    this.#checkWritable("discard");
    if (!this.capabilities.discard) return;
    // Devices discard whole sectors only; what sticks out may keep its content.
    const unit = this.#file.kind === "block-device" ? DEVICE_SECTOR_BYTES_MAX : 1;
    const start = Math.ceil(offset / unit) * unit;
    const end = Math.floor(Math.min(offset + size, this.#size()) / unit) * unit;
    if (end <= start) return;
    this.#attempt("discard", () => {
      this.#file.allocate("punch-hole", { offset: start, size: end - start });
    });
  }

  #attempt<T>(operation: string, call: () => T): T {
    try {
      return call();
    } catch (error) {
      throw fromSystemError(error, operation, this.name);
    }
  }

  #syncFailed(error: unknown): VaultError {
    this.#syncFailure = fromSystemError(error, "sync", this.name);
    return this.#syncFailure;
  }

  #checkSyncable(): void {
    if (this.#syncFailure === undefined) return;
    throw syncedNoMore(this.name, this.#syncFailure);
  }

  #checkOpen(operation: string): void {
    if (this.#closed) throw closed(this.name, operation);
  }

  #checkWritable(operation: string): void {
    this.#checkOpen(operation);
    if (!this.capabilities.writable) throw readOnly(this.name, operation);
  }
}
