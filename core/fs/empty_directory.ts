import type { Time } from "./file_system.ts";
import type {
  Attributes,
  DirectoryVisitor,
  FileSystem,
  FileSystemStatus,
  ReadSpans,
} from "./file_system.ts";
import { DOT_COOKIE, DOTDOT_COOKIE } from "./directory.ts";
import { fail } from "./errno.ts";
import { directoryType, S_IFDIR } from "./mode.ts";
import { ROOT_INO } from "../format/volume_key.ts";

const DOT = new Uint8Array([0x2e]);
const DOTDOT = new Uint8Array([0x2e, 0x2e]);

/** What a directory without a medium shows of itself. */
export interface EmptyDirectoryOptions {
  readonly owner: { readonly uid: number; readonly gid: number };
  /** Of all its times. */
  readonly time: Time;
  /** What statfs answers there. */
  readonly status: () => FileSystemStatus;
  /** Makes everything durable that is reached by it; it has nothing of its own. */
  readonly syncAll?: () => Promise<void>;
}

/** A filesystem of one directory that has no entries of its own and never changes: a place for joints of a view. */
export class EmptyDirectory implements FileSystem {
  readonly readOnly = true;
  readonly #options: EmptyDirectoryOptions;

  constructor(options: EmptyDirectoryOptions) {
    this.#options = options;
  }

  #require(ino: number): void {
    if (ino !== ROOT_INO) fail("ESTALE");
  }

  lookup(parent: number): void {
    this.#require(parent);
    fail("ENOENT");
  }

  getattr(ino: number, out: Attributes): void {
    this.#require(ino);
    const { owner: { uid, gid }, time: { seconds, nanoseconds } } = this.#options;
    const times = { atime: seconds, mtime: seconds, ctime: seconds };
    const parts = { atimeNs: nanoseconds, mtimeNs: nanoseconds, ctimeNs: nanoseconds };
    // One link says that nobody counted the directories below.
    const node = {
      ino,
      generation: 0,
      size: 0,
      blocks: 0,
      mode: S_IFDIR | 0o555,
      nlink: 1,
      rdev: 0,
      shreddable: false,
    };
    Object.assign(out, node, times, parts, { uid, gid });
  }

  setattr(): void {
    fail("EROFS");
  }

  mknod(): void {
    fail("EROFS");
  }

  symlink(): void {
    fail("EROFS");
  }

  readlink(): Uint8Array {
    return fail("EINVAL");
  }

  link(): void {
    fail("EROFS");
  }

  unlink(): void {
    fail("EROFS");
  }

  rmdir(): void {
    fail("EROFS");
  }

  rename(): void {
    fail("EROFS");
  }

  open(ino: number): void {
    this.#require(ino);
  }

  release(): void {}

  read(_ino: number, _offset: number, _size: number, _out: ReadSpans): void {
    fail("EISDIR");
  }

  write(): void {
    fail("EISDIR");
  }

  fallocate(): void {
    fail("EROFS");
  }

  lseek(): number {
    return fail("EINVAL");
  }

  copyRange(): number {
    return fail("EISDIR");
  }

  fsync(): void {}

  syncAll(): Promise<void> {
    return this.#options.syncAll?.() ?? Promise.resolve();
  }

  readdir(ino: number, cookie: number, visit: DirectoryVisitor): void {
    this.#require(ino);
    const type = directoryType(S_IFDIR);
    if (cookie < DOT_COOKIE && !visit({ ino, cookie: DOT_COOKIE, type, name: DOT })) return;
    if (cookie < DOTDOT_COOKIE) visit({ ino, cookie: DOTDOT_COOKIE, type, name: DOTDOT });
  }

  statfs(): FileSystemStatus {
    return this.#options.status();
  }

  getxattr(): Uint8Array {
    return fail("ENODATA");
  }

  setxattr(): void {
    fail("EROFS");
  }

  listxattr(): Uint8Array[] {
    return [];
  }

  removexattr(): void {
    fail("EROFS");
  }
}
