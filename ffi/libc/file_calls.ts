/**
 * Linux's calls on files by name: for what the runtime does not show, such as nanoseconds, extended attributes, holes,
 * fifos, and names that are not UTF-8.
 *
 * @module
 */
import { constants as fsConstants } from "node:fs";
import type { Time } from "../../core/fs/file_system.ts";
import { type CallError, callError } from "./call_error.ts";
import { ERRNO } from "./errno.ts";

/** `open` is variadic in C; on Linux (x86-64 and arm64) variadic integers travel like fixed ones. */
const SYMBOLS = {
  open: { parameters: ["buffer", "i32", "u32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  pread64: { parameters: ["i32", "buffer", "usize", "i64"], result: "isize" },
  pwrite64: { parameters: ["i32", "buffer", "usize", "i64"], result: "isize" },
  lseek64: { parameters: ["i32", "i64", "i32"], result: "i64" },
  ftruncate64: { parameters: ["i32", "i64"], result: "i32" },
  getdents64: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  statx: { parameters: ["i32", "buffer", "i32", "u32", "buffer"], result: "i32" },
  mkdir: { parameters: ["buffer", "u32"], result: "i32" },
  mkfifo: { parameters: ["buffer", "u32"], result: "i32" },
  symlink: { parameters: ["buffer", "buffer"], result: "i32" },
  readlink: { parameters: ["buffer", "buffer", "usize"], result: "isize" },
  link: { parameters: ["buffer", "buffer"], result: "i32" },
  rename: { parameters: ["buffer", "buffer"], result: "i32" },
  unlink: { parameters: ["buffer"], result: "i32" },
  rmdir: { parameters: ["buffer"], result: "i32" },
  lchown: { parameters: ["buffer", "u32", "u32"], result: "i32" },
  chmod: { parameters: ["buffer", "u32"], result: "i32" },
  utimensat: { parameters: ["i32", "buffer", "buffer", "i32"], result: "i32" },
  listxattr: { parameters: ["buffer", "buffer", "usize"], result: "isize" },
  getxattr: { parameters: ["buffer", "buffer", "buffer", "usize"], result: "isize" },
  setxattr: { parameters: ["buffer", "buffer", "buffer", "usize", "i32"], result: "i32" },
  __errno_location: { parameters: [], result: "pointer" },
} as const;

type FileSymbols = Deno.StaticForeignLibraryInterface<typeof SYMBOLS>;

const O_CLOEXEC = 0o2000000;
const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;
const STATX_BASIC = 0x7ff;
const STATX_BYTES = 256;
const TIMESPEC_BYTES = 16;
/** Linux gives no longer symlink target, list of attributes and value. */
const ANSWER_BYTES = 64 * 1024;
const ANSWER_SIZE = BigInt(ANSWER_BYTES);
const SEEK_DATA = 3;
const SEEK_HOLE = 4;

/** What statx says. */
export interface StatResult {
  /** Type and permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly links: number;
  readonly size: number;
  /** In units of 512 bytes. */
  readonly blocks: number;
  /** Device and inode, as text. */
  readonly identity: string;
  readonly accessed: Time;
  readonly modified: Time;
}

/** Opens the calls for the calling thread. Paths end with a NUL. Needs `--allow-ffi`. */
export function openFileCalls(): FileCalls {
  return new FileCalls(Deno.dlopen("libc.so.6", SYMBOLS));
}

/** The calls. Each throws a {@linkcode CallError} where it fails. */
export class FileCalls implements Disposable {
  readonly #library: { close(): void };
  readonly #calls: FileSymbols;
  readonly #errno: Deno.UnsafePointerView;
  /** What calls fill; copied from at once. */
  readonly #answer = new Uint8Array(ANSWER_BYTES);

  /** Use {@linkcode openFileCalls}. */
  constructor(library: Deno.DynamicLibrary<typeof SYMBOLS>) {
    this.#library = library;
    this.#calls = library.symbols;
    const location = library.symbols.__errno_location();
    if (location === null) throw new Error("Cannot find errno of this thread");
    this.#errno = new Deno.UnsafePointerView(location);
  }

  [Symbol.dispose](): void {
    this.#library.close();
  }

  /** What a path names; symlinks are followed only where that is asked for. */
  stat(path: CPath, links: "follow" | "keep" = "keep"): StatResult {
    const out = new Uint8Array(STATX_BYTES);
    const flags = links === "keep" ? AT_SYMLINK_NOFOLLOW : 0;
    this.#try("statx", () => this.#calls.statx(AT_FDCWD, path, flags, STATX_BASIC, out));
    return statResult(new DataView(out.buffer));
  }

  /** The names in a directory, without "." and "..". */
  list(path: CPath): Uint8Array[] {
    const names: Uint8Array[] = [];
    using directory = this.open(path, fsConstants.O_RDONLY | fsConstants.O_DIRECTORY);
    const { descriptor } = directory;
    for (;;) {
      const entries = this.#answered(
        "getdents64",
        (out, size) => this.#calls.getdents64(descriptor, out, size),
      );
      if (entries.length === 0) return names;
      addNames(entries, names);
    }
  }

  /** Opens a file; `using` closes it. */
  open(path: CPath, flags: number, mode = 0o666): OpenCallFile {
    const descriptor = this.#try("open", () => this.#calls.open(path, flags | O_CLOEXEC, mode));
    return { descriptor, [Symbol.dispose]: () => void this.#calls.close(descriptor) };
  }

  /** Reads at most what `into` takes; fewer bytes only at the end. */
  read(descriptor: number, offset: number, into: Uint8Array): number {
    return this.#whole(into, (part, done) =>
      this.#try("read", () => {
        const at = BigInt(offset + done);
        return this.#calls.pread64(descriptor, part, BigInt(part.length), at);
      }));
  }

  /** Writes all of `from`. */
  write(descriptor: number, offset: number, from: Uint8Array): void {
    const done = this.#whole(from, (part, done) =>
      this.#try("write", () => {
        const at = BigInt(offset + done);
        return this.#calls.pwrite64(descriptor, part, BigInt(part.length), at);
      }));
    if (done < from.length) throw callError("write", ERRNO.ENOSPC);
  }

  /** The first stretch at or behind `offset` that is no hole; null where the rest is one. */
  dataRun(descriptor: number, offset: number): { from: number; to: number } | null {
    const seek = (at: number, whence: number) =>
      this.#try("lseek", () => this.#calls.lseek64(descriptor, BigInt(at), whence));
    try {
      const from = seek(offset, SEEK_DATA);
      return { from, to: seek(from, SEEK_HOLE) };
    } catch (error) {
      if ((error as CallError).code === "ENXIO") return null;
      throw error;
    }
  }

  /** Sets the length of a file. */
  truncate(descriptor: number, size: number): void {
    this.#try("ftruncate", () => this.#calls.ftruncate64(descriptor, BigInt(size)));
  }

  /** The size of an open file. */
  size(descriptor: number): number {
    return this.#try("lseek", () => this.#calls.lseek64(descriptor, 0n, 2));
  }

  makeDirectory(path: CPath, mode = 0o777): void {
    this.#try("mkdir", () => this.#calls.mkdir(path, mode));
  }

  makeFifo(path: CPath): void {
    this.#try("mkfifo", () => this.#calls.mkfifo(path, 0o666));
  }

  symlink(target: CPath, path: CPath): void {
    this.#try("symlink", () => this.#calls.symlink(target, path));
  }

  readLink(path: CPath): Uint8Array {
    return this.#answered("readlink", (out, size) => this.#calls.readlink(path, out, size)).slice();
  }

  link(existing: CPath, path: CPath): void {
    this.#try("link", () => this.#calls.link(existing, path));
  }

  rename(from: CPath, to: CPath): void {
    this.#try("rename", () => this.#calls.rename(from, to));
  }

  /** Removes a name of anything but a directory. */
  unlink(path: CPath): void {
    this.#try("unlink", () => this.#calls.unlink(path));
  }

  removeDirectory(path: CPath): void {
    this.#try("rmdir", () => this.#calls.rmdir(path));
  }

  /** Does not follow symlinks. */
  chown(path: CPath, uid: number, gid: number): void {
    this.#try("lchown", () => this.#calls.lchown(path, uid, gid));
  }

  /** Follows symlinks: those have no mode of their own. */
  chmod(path: CPath, mode: number): void {
    this.#try("chmod", () => this.#calls.chmod(path, mode));
  }

  /** Sets times of access and change; does not follow symlinks. */
  setTimes(path: CPath, accessed: Time, modified: Time): void {
    const times = new BigInt64Array(2 * TIMESPEC_BYTES / 8);
    [accessed, modified].forEach(({ seconds, nanoseconds }, i) => {
      times[2 * i] = BigInt(seconds);
      times[2 * i + 1] = BigInt(nanoseconds);
    });
    const flags = AT_SYMLINK_NOFOLLOW;
    this.#try("utimensat", () => this.#calls.utimensat(AT_FDCWD, path, times, flags));
  }

  /** Names of the extended attributes. */
  attributeNames(path: CPath): Uint8Array[] {
    const list = this.#answered("listxattr", (out, size) => this.#calls.listxattr(path, out, size));
    const names: Uint8Array[] = [];
    for (let at = 0; at < list.length;) {
      const end = list.indexOf(0, at);
      names.push(list.slice(at, end));
      at = end + 1;
    }
    return names;
  }

  /** The value of one. */
  attribute(path: CPath, name: CPath): Uint8Array {
    const get = this.#calls.getxattr;
    return this.#answered("getxattr", (out, size) => get(path, name, out, size)).slice();
  }

  /** Sets one, new or not. */
  setAttribute(path: CPath, name: CPath, value: Uint8Array): void {
    const bytes = new Uint8Array(value);
    const size = BigInt(bytes.length);
    this.#try("setxattr", () => this.#calls.setxattr(path, name, bytes, size, 0));
  }

  /** Moves as much as there is, in as many calls as it takes. */
  #whole(
    bytes: Uint8Array,
    move: (part: Uint8Array<ArrayBuffer>, done: number) => number,
  ): number {
    let done = 0;
    while (done < bytes.length) {
      // Deno's declaration leaves shared memory out; the call takes it.
      const moved = move(bytes.subarray(done) as Uint8Array<ArrayBuffer>, done);
      if (moved === 0) break;
      done += moved;
    }
    return done;
  }

  /** What a call that returns its length put down; valid until the next. */
  #answered(name: string, call: (out: CPath, size: bigint) => bigint): Uint8Array {
    return this.#answer.subarray(0, this.#try(name, () => call(this.#answer, ANSWER_SIZE)));
  }

  /** The result of a call, repeated while signals interrupt it. */
  #try(name: string, call: () => number | bigint): number {
    for (;;) {
      const result = Number(call());
      if (result >= 0) return result;
      const errno = this.#errno.getInt32();
      if (errno !== ERRNO.EINTR) throw callError(name, errno);
    }
  }
}

/** A path or name as C has it. */
export type CPath = Uint8Array<ArrayBuffer>;

/** An open file. */
export interface OpenCallFile extends Disposable {
  readonly descriptor: number;
}

function statResult(view: DataView): StatResult {
  const u32 = (at: number) => view.getUint32(at, true);
  const u64 = (at: number) => view.getBigUint64(at, true);
  const time = (at: number) => ({
    seconds: Number(view.getBigInt64(at, true)),
    nanoseconds: u32(at + 8),
  });
  return {
    mode: view.getUint16(28, true),
    links: u32(16),
    uid: u32(20),
    gid: u32(24),
    size: Number(u64(40)),
    blocks: Number(u64(48)),
    identity: `${u32(136)}:${u32(140)}:${u64(32)}`,
    accessed: time(64),
    modified: time(112),
  };
}

/** linux_dirent64: inode 8, cookie 8, length of the record u16, type u8, then the name and a NUL. */
function addNames(entries: Uint8Array, names: Uint8Array[]): void {
  const view = new DataView(entries.buffer, entries.byteOffset, entries.length);
  for (let at = 0; at < entries.length; at += view.getUint16(at + 16, true)) {
    const name = entries.slice(at + 19, entries.indexOf(0, at + 19));
    const isDot = name[0] === 0x2e &&
      (name.length === 1 || (name.length === 2 && name[1] === 0x2e));
    if (!isDot) names.push(name);
  }
}
