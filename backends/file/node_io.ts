import fs from "node:fs";
import type { OpenMode, PositionedFile, PositionedIo } from "./positioned_io.ts";

/**
 * Positioned I/O over node:fs. Deno serves a read or write with a position by `pread64` and
 * `pwrite64` (seen with strace), so calls may overlap; shared memory is taken as it is. It cannot
 * punch holes, and shows no descriptor, because workers without FFI could not use it.
 */
export const nodeIo: PositionedIo = {
  name: "node",
  open(path, mode) {
    refuseUnfit(path);
    const descriptor = fs.openSync(path, openFlags(mode), 0o600);
    try {
      return new NodeFile(descriptor, Deno.openSync(path, { read: true, write: mode.writable }));
    } catch (error) {
      fs.closeSync(descriptor);
      throw error;
    }
  },
};

class NodeFile implements PositionedFile {
  readonly canPunchHoles = false;
  readonly kind: "file" | "block-device";
  readonly #descriptor: number;
  /** A second open file on the same path: node:fs has no lock and cannot measure a block device. */
  readonly #companion: Deno.FsFile;

  constructor(descriptor: number, companion: Deno.FsFile) {
    this.#descriptor = descriptor;
    this.#companion = companion;
    this.kind = fs.fstatSync(descriptor).isBlockDevice() ? "block-device" : "file";
  }

  read(offset: number, into: Uint8Array): number {
    let done = 0;
    while (done < into.length) {
      const size = uninterrupted(() =>
        fs.readSync(this.#descriptor, into, done, into.length - done, offset + done)
      );
      if (size === 0) break;
      done += size;
    }
    return done;
  }

  write(offset: number, from: Uint8Array): void {
    let done = 0;
    while (done < from.length) {
      done += uninterrupted(() =>
        fs.writeSync(this.#descriptor, from, done, from.length - done, offset + done)
      );
    }
  }

  size(): number {
    return this.kind === "file"
      ? fs.fstatSync(this.#descriptor).size
      : this.#companion.seekSync(0, Deno.SeekMode.End);
  }

  sync(): void {
    uninterrupted(() => fs.fdatasyncSync(this.#descriptor));
  }

  syncAside(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    fs.fdatasync(this.#descriptor, (error) => error === null ? resolve() : reject(error));
    return promise;
  }

  truncate(size: number): void {
    fs.ftruncateSync(this.#descriptor, size);
  }

  allocate(): boolean {
    return false;
  }

  tryLock(mode: "shared" | "exclusive"): boolean {
    return this.#companion.tryLockSync(mode === "exclusive");
  }

  close(): void {
    this.#companion.close();
    fs.closeSync(this.#descriptor);
  }
}

/** Opening a pipe would wait for its other end, so look first. */
function refuseUnfit(path: string): void {
  const found = fs.statSync(path, { throwIfNoEntry: false });
  if (found === undefined || found.isFile() || found.isBlockDevice()) return;
  const code = found.isDirectory() ? "EISDIR" : "EINVAL";
  throw Object.assign(new Error("not a regular file or block device"), { code });
}

function openFlags(mode: OpenMode): number {
  const { O_RDONLY, O_RDWR, O_CREAT, O_EXCL } = fs.constants;
  const access = mode.writable ? O_RDWR : O_RDONLY;
  switch (mode.create) {
    case "never":
      return access;
    case "if-missing":
      return access | O_CREAT;
    case "always":
      return access | O_CREAT | O_EXCL;
  }
}

function uninterrupted<T>(call: () => T): T {
  for (;;) {
    try {
      return call();
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EINTR")) throw error;
    }
  }
}
