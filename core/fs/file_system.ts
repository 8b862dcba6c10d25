import type { LeftWork } from "./left_work.ts";
import type { LockAttributes } from "./lock_attributes.ts";

/**
 * The filesystem as a driver (FUSE, later macFUSE and WinFsp) sees it. Every call is synchronous and atomic; only
 * durability may return a promise. Failures throw {@linkcode PosixError}. Names are bytes: anything but `/` and NUL, 1 to 255.
 *
 * The kernel checks permissions (`default_permissions`); the filesystem does what the kernel leaves to it: ownership
 * of new files, setgid directories, clearing of setuid and setgid, sticky rules, ACL inheritance.
 */
export interface FileSystem {
  /** True where every change answers EROFS. */
  readonly readOnly: boolean;
  /** What changes may put off until their caller has been answered; for a driver. */
  readonly left?: LeftWork;

  lookup(parent: number, name: Uint8Array, out: Attributes): void;
  getattr(ino: number, out: Attributes): void;
  /**
   * What a removed inode was like, where that is still known: somebody may hold it without having it open here (an open
   * fifo, a working directory, O_PATH). False where it is not.
   */
  getattrRemoved?(ino: number, out: Attributes): boolean;
  /** True where entries of a directory come and go without anybody asking here: they must not be remembered. */
  entriesChange?(ino: number): boolean;
  setattr(caller: Caller, ino: number, change: AttributeChange, out: Attributes): void;
  /** Creates any node but a symlink: the type is in `mode` (S_IFREG, S_IFDIR, S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK). */
  mknod(caller: Caller, place: Place, node: NewNode, out: Attributes): void;
  symlink(caller: Caller, place: Place, target: Uint8Array, out: Attributes): void;
  readlink(ino: number): Uint8Array;
  link(ino: number, parent: number, name: Uint8Array, out: Attributes): void;
  unlink(parent: number, name: Uint8Array): void;
  rmdir(parent: number, name: Uint8Array): void;
  rename(from: Place, to: Place, flags: RenameFlags): void;
  /** Makes a regular file without a name, open: it goes with its `release`, or with a crash, unless it was linked. */
  makeUnnamed?(caller: Caller, parent: number, mode: number, out: Attributes): void;

  /** Pins an inode that a driver refers to: an unlinked one lives until its last `forget` and `release`. */
  open(ino: number, flags: number): void;
  release(ino: number): void;
  /**
   * From now on, what is removed and no regular file lives until it is forgotten: somebody may work in a directory, or use a
   * fifo, which the kernel knows and which is not open here.
   */
  holdRemoved?(): void;
  /** The kernel has forgotten an inode. */
  forget?(ino: number): void;
  /** Bytes read, as spans of kernel memory that stay valid until the next call. */
  read(ino: number, offset: number, size: number, out: ReadSpans): void;
  /**
   * Starts a read that other threads finish, where that is possible and pays; null: use `read`. The driver answers
   * other requests meanwhile.
   */
  readLater?(ino: number, offset: number, size: number): PendingRead | null;
  /** Writes `length` bytes that lie at `address` in kernel memory inside `buffer` (null: the memory is not kept). */
  write(ino: number, write: WriteRequest): void;
  fallocate(ino: number, offset: number, length: number, mode: number): void;
  /** SEEK_DATA = 3, SEEK_HOLE = 4. */
  lseek(ino: number, offset: number, whence: number): number;
  /** Copies bytes (never shares blocks); returns how many were copied. */
  copyRange(from: CopyPoint, to: CopyPoint, length: number): number;
  /** Puts this file's data and everything before it on the medium, durably. */
  fsync(ino: number): void | Promise<void>;
  /** Everything, durably. */
  syncAll(): Promise<void>;

  /**
   * Visits entries after the one with `cookie` (0: from the start, with "." and ".." first) until `visit`
   * returns false. Cookies are stable while entries come and go, below 2^53.
   */
  readdir(ino: number, cookie: number, visit: DirectoryVisitor): void;
  /** Of what `ino` lies in: the root directory unless given. */
  statfs(ino?: number): FileSystemStatus;

  /** Extended attributes that lock and unlock files. */
  readonly lockAttributes?: LockAttributes;
  getxattr(ino: number, name: Uint8Array): Uint8Array;
  setxattr(ino: number, name: Uint8Array, value: Uint8Array, flags: number): void;
  listxattr(ino: number): Uint8Array[];
  removexattr(ino: number, name: Uint8Array): void;
}

/** Who asks. */
export interface Caller {
  readonly uid: number;
  readonly gid: number;
  readonly pid: number;
  /** File mode creation mask; applied to new nodes unless a default ACL replaces it. */
  readonly umask: number;
}

/** What `stat` shows; filled in place so that a request allocates nothing. */
export interface Attributes {
  ino: number;
  generation: number;
  size: number;
  /** 512-byte units. */
  blocks: number;
  atime: number;
  atimeNs: number;
  mtime: number;
  mtimeNs: number;
  ctime: number;
  ctimeNs: number;
  mode: number;
  nlink: number;
  uid: number;
  gid: number;
  rdev: number;
  /** Of a directory: files that are made in it get secrets of their own. Of a file: it has one. */
  shreddable: boolean;
}

/** Only what is present is changed. Times: seconds (may be negative) and nanoseconds; "now" takes the clock. */
export interface AttributeChange {
  mode?: number;
  uid?: number;
  gid?: number;
  size?: number;
  atime?: Time | "now";
  mtime?: Time | "now";
  ctime?: Time;
  /** The kernel asks that setuid and setgid be cleared (FATTR_KILL_SUIDGID). */
  killSetId?: boolean;
  /** Of a directory only. */
  shreddable?: boolean;
}

/** A time to the nanosecond. */
export interface Time {
  /** Since 1970; may be negative. */
  readonly seconds: number;
  /** 0 to 999,999,999. */
  readonly nanoseconds: number;
}

export interface NewNode {
  readonly mode: number;
  readonly rdev: number;
}

export interface Place {
  readonly parent: number;
  readonly name: Uint8Array;
}

export interface CopyPoint {
  readonly ino: number;
  readonly offset: number;
}

/**
 * `noReplace`: EEXIST where the target exists; `exchange`: swap the two; `whiteout`: who leaves a character device 0:0 with the old
 * name, by which overlayfs knows what was removed.
 */
export interface RenameFlags {
  readonly noReplace: boolean;
  readonly exchange: boolean;
  readonly whiteout?: Caller;
}

/** The result of a read; `count` entries of both arrays are valid. */
export interface ReadSpans {
  total: number;
  count: number;
  readonly addresses: number[];
  readonly lengths: number[];
}

/** A read on its way: `finish`, use the memory, `release`. */
export interface PendingRead {
  /** Kernel memory, valid between `finish` and `release`. */
  readonly address: number;
  readonly length: number;
  /** True when `finish` does not have to wait. */
  settled(): boolean;
  /** Waits; throws {@linkcode PosixError} (EIO) where the data is damaged. */
  finish(): void;
  /** Gives the memory back, also after a `finish` that threw. */
  release(): void;
}

/**
 * A buffer for one request, owned by the driver. While `references` is above zero the filesystem still uses its memory
 * (data being sealed in place), so the driver must take another.
 */
export interface RequestBuffer {
  readonly address: number;
  references: number;
}

export interface WriteRequest {
  readonly offset: number;
  readonly length: number;
  readonly address: number;
  readonly buffer: RequestBuffer | null;
  /** Clear setuid and setgid (FUSE_WRITE_KILL_SUIDGID). */
  readonly killSetId: boolean;
}

/** `type` is the d_type of readdir (DT_REG = 8, DT_DIR = 4, …). Return false to stop before the next. */
export type DirectoryVisitor = (
  entry: { ino: number; cookie: number; type: number; name: Uint8Array },
) => boolean;

export interface FileSystemStatus {
  readonly blockBytes: number;
  readonly totalBlocks: number;
  readonly freeBlocks: number;
  readonly availableBlocks: number;
  readonly files: number;
  readonly freeFiles: number;
  readonly nameBytesMax: number;
}

/** A POSIX failure with its Linux errno. Frequent ones are made once, without a stack. */
export class PosixError extends Error {
  /** Linux errno, positive. */
  readonly errno: number;
  constructor(errno: number, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "PosixError";
    this.errno = errno;
  }
}

/** Attributes to be filled in. */
export function emptyAttributes(): Attributes {
  const times = { atime: 0, atimeNs: 0, mtime: 0, mtimeNs: 0, ctime: 0, ctimeNs: 0 };
  return {
    ino: 0,
    generation: 0,
    size: 0,
    blocks: 0,
    ...times,
    mode: 0,
    nlink: 0,
    uid: 0,
    gid: 0,
    rdev: 0,
    shreddable: false,
  };
}
