import { errnoName } from "../../ffi/libc/errno.ts";
import { addressOf, cString } from "../../ffi/libc/symbols.ts";

const AT_FDCWD = -100;
const SYMBOLS = {
  open: { parameters: ["buffer", "i32", "u32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  mkdir: { parameters: ["buffer", "u32"], result: "i32" },
  mknod: { parameters: ["buffer", "u32", "u64"], result: "i32" },
  mkfifo: { parameters: ["buffer", "u32"], result: "i32" },
  rmdir: { parameters: ["buffer"], result: "i32" },
  unlink: { parameters: ["buffer"], result: "i32" },
  link: { parameters: ["buffer", "buffer"], result: "i32" },
  linkat: { parameters: ["i32", "buffer", "i32", "buffer", "i32"], result: "i32" },
  symlink: { parameters: ["buffer", "buffer"], result: "i32" },
  readlink: { parameters: ["buffer", "buffer", "usize"], result: "i32" },
  rename: { parameters: ["buffer", "buffer"], result: "i32" },
  renameat2: { parameters: ["i32", "buffer", "i32", "buffer", "u32"], result: "i32" },
  chmod: { parameters: ["buffer", "u32"], result: "i32" },
  fchmod: { parameters: ["i32", "u32"], result: "i32" },
  chown: { parameters: ["buffer", "u32", "u32"], result: "i32" },
  lchown: { parameters: ["buffer", "u32", "u32"], result: "i32" },
  truncate: { parameters: ["buffer", "i64"], result: "i32" },
  ftruncate: { parameters: ["i32", "i64"], result: "i32" },
  fallocate: { parameters: ["i32", "i32", "i64", "i64"], result: "i32" },
  lseek: { parameters: ["i32", "i64", "i32"], result: "i64" },
  pwrite: { parameters: ["i32", "buffer", "usize", "i64"], result: "i64" },
  pread: { parameters: ["i32", "buffer", "usize", "i64"], result: "i64" },
  utimensat: { parameters: ["i32", "buffer", "buffer", "i32"], result: "i32" },
  statx: { parameters: ["i32", "buffer", "i32", "u32", "buffer"], result: "i32" },
  access: { parameters: ["buffer", "i32"], result: "i32" },
  umask: { parameters: ["u32"], result: "u32" },
  setxattr: { parameters: ["buffer", "buffer", "buffer", "usize", "i32"], result: "i32" },
  getxattr: { parameters: ["buffer", "buffer", "buffer", "usize"], result: "i64" },
  removexattr: { parameters: ["buffer", "buffer"], result: "i32" },
  syscall: { parameters: ["i64", "i64", "i64", "i64"], result: "i64" },
  __errno_location: { parameters: [], result: "pointer" },
} as const;

/** Numbers of system calls that change one thread's identity; libc's functions change all threads. */
const IDENTITY = Deno.build.arch === "x86_64"
  ? { setresuid: 117n, setresgid: 119n, setgroups: 116n }
  : { setresuid: 147n, setresgid: 149n, setgroups: 159n };
const KEEP = -1n;
const AT_SYMLINK_NOFOLLOW = 0x100;
const STATX_BASIC = 0x7ff;

/** What stat says. Times are nanoseconds. */
export interface Stat {
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly ino: bigint;
  readonly size: number;
  readonly blocks: number;
  readonly atime: bigint;
  readonly ctime: bigint;
  readonly mtime: bigint;
  readonly major: number;
  readonly minor: number;
}

type Symbols = Deno.StaticForeignLibraryInterface<typeof SYMBOLS>;
type Path = string | Uint8Array;

/**
 * Linux's calls on files, for the calling thread, below everything that Deno adds. Each returns its result, or the
 * name of its errno. Paths are relative to `root`.
 */
export class SystemCalls implements Disposable {
  readonly #library = Deno.dlopen("libc.so.6", SYMBOLS);
  readonly #errno: Deno.UnsafePointerView;
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
    const location = this.#library.symbols.__errno_location();
    if (location === null) throw new Error("Cannot find errno");
    this.#errno = new Deno.UnsafePointerView(location);
  }

  [Symbol.dispose](): void {
    this.#library.close();
  }

  /** A path below the root as a C string. */
  path(path: Path): Uint8Array<ArrayBuffer> {
    const head = new TextEncoder().encode(`${this.#root}/`);
    const tail = typeof path === "string" ? new TextEncoder().encode(path) : path;
    const bytes = new Uint8Array(head.length + tail.length + 1);
    bytes.set(head);
    bytes.set(tail, head.length);
    return bytes;
  }

  /** The result of a call: "ok" for 0, a number, or the name of the errno. */
  #result(value: number | bigint): Result {
    if (value < 0) return errnoName(this.#errno.getInt32());
    return Number(value) === 0 ? "ok" : Number(value);
  }

  get #calls(): Symbols {
    return this.#library.symbols;
  }

  /** A descriptor, or the name of the errno. */
  open(path: Path, flags: number, mode = 0o644): number | string {
    const value = this.#calls.open(this.path(path), flags, mode);
    return value < 0 ? errnoName(this.#errno.getInt32()) : value;
  }

  /** Opens and closes. */
  tryOpen(path: Path, flags: number, mode = 0o644): Result {
    const fd = this.open(path, flags, mode);
    return typeof fd === "string" ? fd : this.close(fd);
  }

  /** Runs `act` on an open file; the errno's name where it does not open. */
  with(path: Path, flags: number, act: (fd: number) => Result): Result {
    const fd = this.open(path, flags);
    if (typeof fd === "string") return fd;
    try {
      return act(fd);
    } finally {
      this.close(fd);
    }
  }

  close(fd: number): Result {
    return this.#result(this.#calls.close(fd));
  }

  /** Makes an empty file. */
  create(path: Path, mode = 0o644): Result {
    return this.tryOpen(path, O.CREAT | O.EXCL | O.WRONLY, mode);
  }

  mkdir(path: Path, mode = 0o755): Result {
    return this.#result(this.#calls.mkdir(this.path(path), mode));
  }

  mknod(path: Path, mode: number, device = 0): Result {
    return this.#result(this.#calls.mknod(this.path(path), mode, BigInt(device)));
  }

  mkfifo(path: Path, mode = 0o644): Result {
    return this.#result(this.#calls.mkfifo(this.path(path), mode));
  }

  rmdir(path: Path): Result {
    return this.#result(this.#calls.rmdir(this.path(path)));
  }

  unlink(path: Path): Result {
    return this.#result(this.#calls.unlink(this.path(path)));
  }

  link(from: Path, to: Path): Result {
    return this.#result(this.#calls.link(this.path(from), this.path(to)));
  }

  /** Gives an open file a name through /proc. */
  linkOpen(fd: number, to: Path): Result {
    const from = cString(`/proc/self/fd/${fd}`);
    return this.#result(this.#calls.linkat(AT_FDCWD, from, AT_FDCWD, this.path(to), 0x400));
  }

  symlink(target: string, path: Path): Result {
    return this.#result(this.#calls.symlink(cString(target), this.path(path)));
  }

  readlink(path: Path): string {
    const out = new Uint8Array(8192);
    const length = this.#calls.readlink(this.path(path), out, BigInt(out.length));
    if (length < 0) return errnoName(this.#errno.getInt32());
    return new TextDecoder().decode(out.subarray(0, length));
  }

  rename(from: Path, to: Path, flags = 0): Result {
    const [a, b] = [this.path(from), this.path(to)];
    if (flags === 0) return this.#result(this.#calls.rename(a, b));
    return this.#result(this.#calls.renameat2(AT_FDCWD, a, AT_FDCWD, b, flags));
  }

  chmod(path: Path, mode: number): Result {
    return this.#result(this.#calls.chmod(this.path(path), mode));
  }

  fchmod(fd: number, mode: number): Result {
    return this.#result(this.#calls.fchmod(fd, mode));
  }

  /** -1 leaves an id as it is. */
  chown(path: Path, uid: number, gid: number): Result {
    return this.#result(this.#calls.chown(this.path(path), uid >>> 0, gid >>> 0));
  }

  lchown(path: Path, uid: number, gid: number): Result {
    return this.#result(this.#calls.lchown(this.path(path), uid >>> 0, gid >>> 0));
  }

  truncate(path: Path, size: number): Result {
    return this.#result(this.#calls.truncate(this.path(path), BigInt(size)));
  }

  ftruncate(fd: number, size: number): Result {
    return this.#result(this.#calls.ftruncate(fd, BigInt(size)));
  }

  fallocate(fd: number, mode: number, offset: number, length: number): Result {
    return this.#result(this.#calls.fallocate(fd, mode, BigInt(offset), BigInt(length)));
  }

  lseek(fd: number, offset: number, whence: number): Result {
    return this.#result(this.#calls.lseek(fd, BigInt(offset), whence));
  }

  write(fd: number, text: string, offset = 0): Result {
    const bytes = new TextEncoder().encode(text);
    const length = BigInt(bytes.length);
    return this.#result(this.#calls.pwrite(fd, bytes, length, BigInt(offset)));
  }

  read(fd: number, length: number, offset = 0): string {
    const bytes = new Uint8Array(length);
    const got = Number(this.#calls.pread(fd, bytes, BigInt(length), BigInt(offset)));
    if (got < 0) return errnoName(this.#errno.getInt32());
    return new TextDecoder().decode(bytes.subarray(0, got));
  }

  /** Sets access and modification time, as seconds and nanoseconds; NOW and OMIT as nanoseconds. */
  utimens(path: Path, times: [Time, Time] | null, noFollow = false): Result {
    const view = new BigInt64Array(4);
    times?.forEach(([seconds, nanoseconds], i) => {
      view[2 * i] = BigInt(seconds);
      view[2 * i + 1] = BigInt(nanoseconds);
    });
    const bytes = times === null ? null : new Uint8Array(view.buffer);
    const flags = noFollow ? AT_SYMLINK_NOFOLLOW : 0;
    return this.#result(this.#calls.utimensat(AT_FDCWD, this.path(path), bytes, flags));
  }

  access(path: Path, mode: number): Result {
    return this.#result(this.#calls.access(this.path(path), mode));
  }

  setxattr(path: Path, name: string, value: string, flags = 0): Result {
    const bytes = new TextEncoder().encode(value);
    const size = BigInt(bytes.length);
    return this.#result(
      this.#calls.setxattr(this.path(path), cString(name), bytes, size, flags),
    );
  }

  getxattr(path: Path, name: string): string {
    const out = new Uint8Array(65536);
    const size = BigInt(out.length);
    const got = Number(this.#calls.getxattr(this.path(path), cString(name), out, size));
    if (got < 0) return errnoName(this.#errno.getInt32());
    return new TextDecoder().decode(out.subarray(0, got));
  }

  removexattr(path: Path, name: string): Result {
    return this.#result(this.#calls.removexattr(this.path(path), cString(name)));
  }

  /** What `lstat` says; throws the errno's name. */
  stat(path: Path): Stat {
    const out = new Uint8Array(256);
    const got = this.#calls.statx(AT_FDCWD, this.path(path), AT_SYMLINK_NOFOLLOW, STATX_BASIC, out);
    if (got < 0) throw new Error(errnoName(this.#errno.getInt32()));
    return parseStat(out);
  }

  /** What `fstat` says. */
  fstat(fd: number): Stat {
    const out = new Uint8Array(256);
    const AT_EMPTY_PATH = 0x1000;
    const got = this.#calls.statx(fd, cString(""), AT_EMPTY_PATH, STATX_BASIC, out);
    if (got < 0) throw new Error(errnoName(this.#errno.getInt32()));
    return parseStat(out);
  }

  /** Runs `act` with a umask. The umask belongs to the process: nothing else may run meanwhile. */
  umask<T>(mask: number, act: () => T): T {
    const before = this.#calls.umask(mask);
    try {
      return act();
    } finally {
      this.#calls.umask(before);
    }
  }

  /** Runs `act` as somebody else, with these supplementary groups: this thread only, no capabilities. */
  as<T>(uid: number, gid: number, act: () => T, groups: number[] = []): T {
    const list = new Uint8Array(128);
    new Uint32Array(list.buffer).set(groups);
    const { syscall } = this.#calls;
    const check = (value: bigint) => {
      if (value < 0n) throw new Error(`Cannot change identity: ${this.#errno.getInt32()}`);
    };
    check(syscall(IDENTITY.setgroups, BigInt(groups.length), addressOf(list), 0n));
    check(syscall(IDENTITY.setresgid, KEEP, BigInt(gid), KEEP));
    check(syscall(IDENTITY.setresuid, KEEP, BigInt(uid), KEEP));
    try {
      return act();
    } finally {
      check(syscall(IDENTITY.setresuid, KEEP, 0n, KEEP));
      check(syscall(IDENTITY.setresgid, KEEP, 0n, KEEP));
      check(syscall(IDENTITY.setgroups, 0n, addressOf(list), 0n));
    }
  }
}

/** "ok", a number above zero, or the name of an errno. */
export type Result = string | number;
type Time = readonly [seconds: number, nanoseconds: number];

/** Nanoseconds that mean something else to utimensat. */
export const UTIME = { NOW: 0x3fffffff, OMIT: 0x3ffffffe } as const;

/** Flags of open, which differ between architectures where they say so. */
export const O = {
  RDONLY: 0,
  WRONLY: 1,
  RDWR: 2,
  CREAT: 0o100,
  EXCL: 0o200,
  TRUNC: 0o1000,
  APPEND: 0o2000,
  NONBLOCK: 0o4000,
  DIRECTORY: Deno.build.arch === "x86_64" ? 0o200000 : 0o40000,
  NOFOLLOW: Deno.build.arch === "x86_64" ? 0o400000 : 0o100000,
  TMPFILE: Deno.build.arch === "x86_64" ? 0o20200000 : 0o20040000,
} as const;

/** Types of nodes. */
export const S = {
  IFREG: 0o100000,
  IFDIR: 0o040000,
  IFLNK: 0o120000,
  IFIFO: 0o010000,
  IFSOCK: 0o140000,
  IFCHR: 0o020000,
  IFBLK: 0o060000,
} as const;

function parseStat(bytes: Uint8Array<ArrayBuffer>): Stat {
  const view = new DataView(bytes.buffer);
  const time = (at: number) =>
    view.getBigInt64(at, true) * 1_000_000_000n + BigInt(view.getUint32(at + 8, true));
  return {
    nlink: view.getUint32(16, true),
    uid: view.getUint32(20, true),
    gid: view.getUint32(24, true),
    mode: view.getUint16(28, true),
    ino: view.getBigUint64(32, true),
    size: Number(view.getBigUint64(40, true)),
    blocks: Number(view.getBigUint64(48, true)),
    atime: time(64),
    ctime: time(96),
    mtime: time(112),
    major: view.getUint32(128, true),
    minor: view.getUint32(132, true),
  };
}
