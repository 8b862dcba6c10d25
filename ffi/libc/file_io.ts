import { constants } from "node:os";
import { constants as fsConstants } from "node:fs";
import { dirname } from "node:path";
import { type CallError, callError } from "./call_error.ts";
import type { KeptSpace } from "../../core/storage/storage_backend.ts";
import type { OpenMode, PositionedFile, PositionedIo } from "../../backends/file/positioned_io.ts";

/**
 * `open` is variadic in C; on Linux (x86-64 and arm64) variadic integers travel like fixed ones.
 * Memory is passed as `buffer`: measured as fast as a cached address, and it takes shared memory too.
 */
const SYMBOLS = {
  open: { parameters: ["buffer", "i32", "u32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  pread64: { parameters: ["i32", "buffer", "usize", "i64"], result: "isize" },
  pwrite64: { parameters: ["i32", "buffer", "usize", "i64"], result: "isize" },
  lseek64: { parameters: ["i32", "i64", "i32"], result: "i64" },
  fdatasync: { parameters: ["i32"], result: "i32" },
  fdatasyncAside: { name: "fdatasync", parameters: ["i32"], result: "i32", nonblocking: true },
  ftruncate64: { parameters: ["i32", "i64"], result: "i32" },
  fallocate64: { parameters: ["i32", "i32", "i64", "i64"], result: "i32" },
  flock: { parameters: ["i32", "i32"], result: "i32" },
  statx: { parameters: ["i32", "buffer", "i32", "u32", "buffer"], result: "i32" },
  __errno_location: { parameters: [], result: "pointer" },
} as const;

type FileSymbols = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

const O_CLOEXEC = 0o2000000;
const SEEK_END = 2;
const LOCK_SHARED_AT_ONCE = 1 | 4;
const LOCK_EXCLUSIVE_AT_ONCE = 2 | 4;
const FALLOCATE = { "punch-hole": 0x01 | 0x02, "zero-range": 0x01 | 0x10 };
/** Together with O_DIRECTORY, what Linux calls O_TMPFILE. */
const UNNAMED_FILE = 0o20000000;
const AT_FDCWD = -100;
const AT_EMPTY_PATH = 0x1000;
const STATX_TYPE = 1;
const STATX_BYTES = 256;
/** stx_dev_major and stx_dev_minor, u32 each. */
const STATX_DEVICE_AT = 136;
/** stx_mode, u16. */
const STATX_MODE_AT = 28;
const MODE_TYPE = 0o170000;
const MODE_DIRECTORY = 0o040000;
const MODE_BLOCK_DEVICE = 0o060000;
const MODE_FILE = 0o100000;
/** Linux transfers at most this many bytes in one call. */
const TRANSFER_BYTES_MAX = 0x7ffff000;

/**
 * Positioned I/O by libc, or undefined where it cannot be had: not Linux, or no `--allow-ffi`.
 * Belongs to the thread that made it, because errno does.
 */
export function libcFileIo(): PositionedIo | undefined {
  if (Deno.build.os !== "linux") return undefined;
  if (Deno.permissions.querySync({ name: "ffi" }).state !== "granted") return undefined;
  const { symbols } = Deno.dlopen("libc.so.6", SYMBOLS);
  const location = symbols.__errno_location();
  if (location === null) return undefined;
  const errno = new Deno.UnsafePointerView(location);
  const calls: Calls = { symbols, failure: (call) => callError(call, errno.getInt32()) };
  return { name: "libc", open: (path, mode) => open(calls, path, mode) };
}

/** libc and the error of the last call that failed. */
interface Calls {
  readonly symbols: FileSymbols;
  failure(call: string): CallError;
}

function open(calls: Calls, path: string, mode: OpenMode): PositionedFile {
  const { O_RDONLY, O_RDWR, O_CREAT, O_EXCL, O_NONBLOCK } = fsConstants;
  const bytes = new TextEncoder().encode(path + "\0");
  const isDevice = fileType(calls, AT_FDCWD, bytes) === MODE_BLOCK_DEVICE;
  let flags = (mode.writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK;
  if (isDevice) flags |= mode.writable ? O_EXCL : 0; // refuses a device that is mounted
  else if (mode.create !== "never") flags |= O_CREAT | (mode.create === "always" ? O_EXCL : 0);
  const descriptor = uninterrupted(
    calls,
    "open",
    () => calls.symbols.open(bytes, flags, 0o600),
  );
  const type = fileType(calls, descriptor, new Uint8Array(1));
  if (type === MODE_FILE || type === MODE_BLOCK_DEVICE) {
    const kind = type === MODE_BLOCK_DEVICE ? "block-device" : "file";
    const keeps = kind === "file" && mode.writable;
    return new LibcFile(calls, descriptor, { kind, keepsBeside: keeps ? path : null });
  }
  calls.symbols.close(descriptor);
  throw callError("open", constants.errno[type === MODE_DIRECTORY ? "EISDIR" : "EINVAL"]);
}

/** The type bits of a file's mode, or 0 where there is none. */
function fileType(calls: Calls, directory: number, path: Uint8Array<ArrayBuffer>): number {
  const status = new Uint8Array(STATX_BYTES);
  const result = calls.symbols.statx(directory, path, AT_EMPTY_PATH, STATX_TYPE, status);
  if (result !== 0) return 0;
  return new DataView(status.buffer).getUint16(STATX_MODE_AT, true) & MODE_TYPE;
}

/** The device that an open file lies on. */
function deviceOf(calls: Calls, descriptor: number): bigint {
  const status = new Uint8Array(STATX_BYTES);
  const path = new Uint8Array(1);
  uninterrupted(
    calls,
    "statx",
    () => calls.symbols.statx(descriptor, path, AT_EMPTY_PATH, STATX_TYPE, status),
  );
  return new DataView(status.buffer).getBigUint64(STATX_DEVICE_AT, true);
}

/**
 * A file without a name beside another one, which is gone with the process; null where its filesystem has none, or this process may
 * not write there.
 */
function openUnnamed(calls: Calls, beside: number, path: string): UnnamedSpace | null {
  const { O_RDWR, O_DIRECTORY } = fsConstants;
  const flags = O_RDWR | O_DIRECTORY | UNNAMED_FILE | O_CLOEXEC;
  try {
    const directory = new TextEncoder().encode(dirname(Deno.realPathSync(path)) + "\0");
    const descriptor = uninterrupted(
      calls,
      "open",
      () => calls.symbols.open(directory, flags, 0o600),
    );
    const space = new UnnamedSpace(calls, descriptor);
    if (deviceOf(calls, descriptor) === deviceOf(calls, beside) && space.works()) return space;
    space.close();
    return null;
  } catch {
    return null; // the medium is as good without
  }
}

/** What is tried, whether space can be kept. */
const PROBE_BYTES = 4096;

/** Space that belongs to a file without a name. */
class UnnamedSpace implements KeptSpace {
  readonly descriptor: number;
  readonly #calls: Calls;

  constructor(calls: Calls, descriptor: number) {
    this.#calls = calls;
    this.descriptor = descriptor;
  }

  bytes(): number {
    return Number(this.#call("lseek", ({ lseek64 }) => lseek64(this.descriptor, 0n, SEEK_END)));
  }

  resize(bytes: number): boolean {
    const before = this.bytes();
    try {
      if (bytes > before && !this.#grow(before, bytes)) {
        this.#cut(before);
        return false;
      }
    } catch {
      return false; // more than a file may have, for example
    }
    if (bytes < before) this.#cut(bytes);
    return true;
  }

  /** False where the filesystem keeps no space for a file: ext2 and ext3, for example. A full one may. */
  works(): boolean {
    try {
      if (this.#grow(0, PROBE_BYTES)) this.#cut(0);
      return true;
    } catch {
      return false;
    }
  }

  /** False where there is no room. */
  #grow(from: number, to: number): boolean {
    try {
      const [offset, size] = [BigInt(from), BigInt(to - from)];
      this.#call("fallocate", ({ fallocate64 }) => fallocate64(this.descriptor, 0, offset, size));
      return true;
    } catch (error) {
      if (["ENOSPC", "EDQUOT"].includes((error as CallError).code)) return false;
      throw error;
    }
  }

  #cut(bytes: number): void {
    this.#call("ftruncate", ({ ftruncate64 }) => ftruncate64(this.descriptor, BigInt(bytes)));
  }

  #call<T extends number | bigint>(name: string, call: (symbols: FileSymbols) => T): T {
    return uninterrupted(this.#calls, name, () => call(this.#calls.symbols));
  }

  close(): void {
    this.#calls.symbols.close(this.descriptor);
  }
}

/** Repeats a call while signals interrupt it; throws its error otherwise. */
function uninterrupted<T extends number | bigint>(calls: Calls, name: string, call: () => T): T {
  for (;;) {
    const result = call();
    if (result >= 0) return result;
    const failure = calls.failure(name);
    if (failure.code !== "EINTR") throw failure;
  }
}

/** What an open file is used for. */
interface FileRole {
  readonly kind: "file" | "block-device";
  readonly keepsBeside: string | null;
}

class LibcFile implements PositionedFile {
  readonly kind: "file" | "block-device";
  readonly descriptor: number;
  readonly canPunchHoles = true;
  readonly #calls: Calls;
  readonly #symbols: FileSymbols;
  /** Its path, where space may be kept beside it. */
  readonly #keepsBeside: string | null;
  #kept: UnnamedSpace | null | undefined;

  constructor(calls: Calls, descriptor: number, { kind, keepsBeside }: FileRole) {
    this.#calls = calls;
    this.#symbols = calls.symbols;
    this.descriptor = descriptor;
    this.kind = kind;
    this.#keepsBeside = keepsBeside;
  }

  read(offset: number, into: Uint8Array): number {
    return this.#transfer("pread64", offset, into);
  }

  write(offset: number, from: Uint8Array): void {
    const done = this.#transfer("pwrite64", offset, from);
    if (done < from.length) throw callError("pwrite64", constants.errno.ENOSPC);
  }

  size(): number {
    return Number(
      uninterrupted(
        this.#calls,
        "lseek",
        () => this.#symbols.lseek64(this.descriptor, 0n, SEEK_END),
      ),
    );
  }

  sync(): void {
    uninterrupted(this.#calls, "fdatasync", () => this.#symbols.fdatasync(this.descriptor));
  }

  async syncAside(): Promise<void> {
    // errno belongs to the pool's thread, and asking again would hide the error: Linux reports it once.
    if (await this.#symbols.fdatasyncAside(this.descriptor) !== 0) {
      throw callError("fdatasync", constants.errno.EIO);
    }
  }

  truncate(size: number): void {
    const length = BigInt(size);
    uninterrupted(
      this.#calls,
      "ftruncate",
      () => this.#symbols.ftruncate64(this.descriptor, length),
    );
  }

  allocate(mode: "punch-hole" | "zero-range", range: { offset: number; size: number }): boolean {
    const [offset, size] = [BigInt(range.offset), BigInt(range.size)];
    const flags = FALLOCATE[mode];
    try {
      uninterrupted(
        this.#calls,
        "fallocate",
        () => this.#symbols.fallocate64(this.descriptor, flags, offset, size),
      );
      return true;
    } catch (error) {
      const { code } = error as { code?: string };
      if (code === "EOPNOTSUPP" || code === "ENOTSUP" || code === "ENOSYS") return false;
      throw error;
    }
  }

  tryLock(mode: "shared" | "exclusive"): boolean {
    const operation = mode === "exclusive" ? LOCK_EXCLUSIVE_AT_ONCE : LOCK_SHARED_AT_ONCE;
    try {
      uninterrupted(this.#calls, "flock", () => this.#symbols.flock(this.descriptor, operation));
      return true;
    } catch (error) {
      const { code } = error as { code?: string };
      if (code === "EAGAIN" || code === "EWOULDBLOCK") return false;
      throw error;
    }
  }

  keptSpace(): KeptSpace | null {
    if (this.#kept !== undefined) return this.#kept;
    const path = this.#keepsBeside;
    this.#kept = path === null ? null : openUnnamed(this.#calls, this.descriptor, path);
    return this.#kept;
  }

  close(): void {
    this.#kept?.close();
    this.#symbols.close(this.descriptor);
  }

  #transfer(call: "pread64" | "pwrite64", offset: number, bytes: Uint8Array): number {
    let done = 0;
    while (done < bytes.length) {
      const size = Math.min(bytes.length - done, TRANSFER_BYTES_MAX);
      // Deno's declaration leaves shared memory out; the call takes it.
      const part = bytes.subarray(done, done + size) as Uint8Array<ArrayBuffer>;
      const result = this.#symbols[call](
        this.descriptor,
        part,
        BigInt(size),
        BigInt(offset + done),
      );
      if (result < 0n) {
        const failure = this.#calls.failure(call);
        if (failure.code !== "EINTR") throw failure;
      } else if (result === 0n) break;
      else done += Number(result);
    }
    return done;
  }
}
