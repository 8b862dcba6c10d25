import type {
  AttributeChange,
  Attributes,
  Caller,
  CopyPoint,
  DirectoryVisitor,
  FileSystem,
  FileSystemStatus,
  NewNode,
  Place,
  ReadSpans,
  RenameFlags,
  Time,
  WriteRequest,
} from "../../core/fs/file_system.ts";
import type { Runtime } from "../../core/runtime.ts";
import { ERRNO } from "../../ffi/libc/errno.ts";
import type { KernelMemory } from "../../ffi/libfuse3/request_buffers.ts";
import { checkFallocate, FALLOCATE } from "./memory_fallocate.ts";
import { keyOf, MemoryNode, S_IFDIR, S_IFLNK, S_IFMT, S_ISGID, timeOf } from "./memory_node.ts";
import { checkRename } from "./memory_rename.ts";
import { MemoryXattrs } from "./memory_xattrs.ts";
import { ACCESS_ACL, aclAfterChmod, aclOfNewNode, DEFAULT_ACL } from "./posix_acl.ts";
import { fail } from "./posix_failure.ts";

const ROOT = 1;
const SEEK_DATA = 3;
/** The largest file of the product: 16 TiB. */
const FILE_BYTES_MAX = 2 ** 44;
const READ_BYTES_MAX = 1024 * 1024;
const NAME_BYTES_MAX = 255;
const DOT = new Uint8Array([0x2e]);
const DOT_DOT = new Uint8Array([0x2e, 0x2e]);

/** A filesystem in Maps: the model that real ones are compared to, and what the driver's tests mount. */
export class MemoryFileSystem implements FileSystem {
  readonly readOnly: boolean;
  readonly #nodes = new Map<number, MemoryNode>();
  readonly #kernel: KernelMemory;
  readonly #runtime: Pick<Runtime, "now">;
  readonly #xattrs: MemoryXattrs;
  /** Kernel memory that the latest read lies in. */
  readonly #readAddress: number;
  #nextIno = ROOT + 1;

  constructor(kernel: KernelMemory, runtime: Pick<Runtime, "now">, readOnly = false) {
    this.readOnly = readOnly;
    this.#kernel = kernel;
    this.#runtime = runtime;
    this.#readAddress = kernel.reserve(READ_BYTES_MAX);
    this.#xattrs = new MemoryXattrs();
    this.#nodes.set(
      ROOT,
      new MemoryNode(ROOT, S_IFDIR | 0o755, { parent: ROOT, time: this.#now() }),
    );
  }

  /** Inodes in memory, unlinked but open ones too. */
  get nodeCount(): number {
    return this.#nodes.size;
  }

  lookup(parent: number, name: Uint8Array, out: Attributes): void {
    this.#child(this.#directory(parent), name).describe(out);
  }

  getattr(ino: number, out: Attributes): void {
    this.#node(ino).describe(out);
  }

  setattr(_caller: Caller, ino: number, change: AttributeChange, out: Attributes): void {
    const node = this.#change(ino);
    const now = this.#now();
    if (change.size !== undefined) this.#resize(node, change.size, now);
    if (change.mode !== undefined) this.#chmod(node, change.mode);
    if (change.uid !== undefined || change.gid !== undefined) {
      node.uid = change.uid ?? node.uid;
      node.gid = change.gid ?? node.gid;
      node.dropPrivileges();
    }
    if (change.killSetId === true) node.dropPrivileges();
    if (change.atime !== undefined) node.atime = change.atime === "now" ? now : change.atime;
    if (change.mtime !== undefined) node.mtime = change.mtime === "now" ? now : change.mtime;
    node.ctime = change.ctime ?? now;
    node.describe(out);
  }

  mknod(caller: Caller, place: Place, made: NewNode, out: Attributes): void {
    const { parent, name } = place;
    const directory = this.#vacant(parent, name);
    const node = this.#make(caller, directory, made.mode);
    node.rdev = made.rdev;
    const defaults = directory.xattrs.get(DEFAULT_ACL);
    if (defaults === undefined) {
      node.mode &= ~caller.umask;
    } else {
      const { acl, bits } = aclOfNewNode(defaults.value, node.mode);
      node.mode = (node.mode & ~0o777) | bits;
      if (acl !== null) this.#xattrs.put(node, ACCESS_ACL, acl);
      if (node.isDirectory) this.#xattrs.put(node, DEFAULT_ACL, defaults.value.slice());
    }
    if (node.isDirectory) directory.nlink++;
    this.#attach(directory, name, node, out);
  }

  symlink(caller: Caller, place: Place, target: Uint8Array, out: Attributes): void {
    const { parent, name } = place;
    const directory = this.#vacant(parent, name);
    if (target.length === 0) fail(ERRNO.ENOENT);
    if (target.length > 4095) fail(ERRNO.ENAMETOOLONG);
    const node = this.#make(caller, directory, S_IFLNK | 0o777);
    node.target = target.slice();
    this.#attach(directory, name, node, out);
  }

  readlink(ino: number): Uint8Array {
    const node = this.#node(ino);
    if (!node.isSymlink) fail(ERRNO.EINVAL);
    if (!this.readOnly) node.accessed(this.#now());
    return node.target.slice();
  }

  link(ino: number, parent: number, name: Uint8Array, out: Attributes): void {
    const node = this.#change(ino);
    if (node.isDirectory) fail(ERRNO.EPERM);
    const directory = this.#vacant(parent, name);
    if (node.nlink === 0) fail(ERRNO.ENOENT);
    node.nlink++;
    node.ctime = this.#now();
    this.#attach(directory, name, node, out);
  }

  unlink(parent: number, name: Uint8Array): void {
    this.#writable();
    const directory = this.#directory(parent);
    const node = this.#child(directory, name);
    if (node.isDirectory) fail(ERRNO.EISDIR);
    this.#detach(directory, name, node);
  }

  rmdir(parent: number, name: Uint8Array): void {
    this.#writable();
    const directory = this.#directory(parent);
    const node = this.#child(directory, name);
    if (!node.isDirectory) fail(ERRNO.ENOTDIR);
    if (node.entries.size > 0) fail(ERRNO.ENOTEMPTY);
    this.#detach(directory, name, node);
  }

  rename(from: Place, to: Place, flags: RenameFlags): void {
    this.#writable();
    const source = this.#directory(from.parent);
    const goal = this.#directory(to.parent);
    if (to.name.length > NAME_BYTES_MAX) fail(ERRNO.ENAMETOOLONG);
    const node = this.#child(source, from.name);
    const entry = goal.entries.get(keyOf(to.name));
    const other = entry === undefined ? null : this.#node(entry.ino);
    const move = { node, source, goal, other, flags };
    if (checkRename(move, (ino) => this.#node(ino)) === "nothing") return;
    const now = this.#now();
    if (other !== null && !flags.exchange) this.#detach(goal, to.name, other);
    source.entries.delete(keyOf(from.name));
    if (other !== null && flags.exchange) {
      source.enter(from.name, other.ino);
      this.#moved(other, source, goal);
      other.ctime = now;
    }
    goal.enter(to.name, node.ino);
    this.#moved(node, goal, source);
    node.ctime = now;
    source.touch(now);
    goal.touch(now);
  }

  open(ino: number, _flags: number): void {
    this.#node(ino).pins++;
  }

  release(ino: number): void {
    const node = this.#node(ino);
    if (node.pins === 0) throw new Error(`Released inode ${ino} more often than opened`);
    node.pins--;
    this.#drop(node);
  }

  read(ino: number, offset: number, size: number, out: ReadSpans): void {
    const node = this.#regular(ino);
    const total = Math.max(0, Math.min(size, node.data.size - offset, READ_BYTES_MAX));
    const address = this.#readAddress;
    node.data.read(offset, this.#kernel.bytes.subarray(address, address + total));
    if (!this.readOnly) node.accessed(this.#now());
    out.total = total;
    out.count = total === 0 ? 0 : 1;
    out.addresses[0] = address;
    out.lengths[0] = total;
  }

  write(ino: number, write: WriteRequest): void {
    this.#writable();
    const node = this.#regular(ino);
    const { offset, length, address } = write;
    if (offset + length > FILE_BYTES_MAX) fail(ERRNO.EFBIG);
    node.data.write(offset, this.#kernel.bytes.subarray(address, address + length));
    if (write.killSetId) node.dropPrivileges();
    if (length > 0) node.touch(this.#now());
  }

  fallocate(ino: number, offset: number, length: number, mode: number): void {
    const node = this.#change(ino);
    checkFallocate(node, { offset, length, mode }, FILE_BYTES_MAX);
    const end = offset + length;
    if (mode & (FALLOCATE.punchHole | FALLOCATE.zeroRange)) node.data.punch(offset, length);
    if ((mode & FALLOCATE.keepSize) === 0 && end > node.data.size) node.data.size = end;
    node.touch(this.#now());
  }

  lseek(ino: number, offset: number, whence: number): number {
    const node = this.#regular(ino);
    if (offset >= node.data.size) fail(ERRNO.ENXIO);
    return node.data.seek(offset, whence === SEEK_DATA ? "data" : "hole") ?? fail(ERRNO.ENXIO);
  }

  copyRange(from: CopyPoint, to: CopyPoint, length: number): number {
    this.#writable();
    const source = this.#regular(from.ino);
    const goal = this.#regular(to.ino);
    const overlaps = from.offset < to.offset + length && to.offset < from.offset + length;
    if (source === goal && overlaps) fail(ERRNO.EINVAL);
    const size = Math.max(0, Math.min(length, source.data.size - from.offset));
    if (to.offset + size > FILE_BYTES_MAX) fail(ERRNO.EFBIG);
    if (size === 0) return 0;
    const bytes = new Uint8Array(size);
    source.data.read(from.offset, bytes);
    goal.data.write(to.offset, bytes);
    const now = this.#now();
    source.accessed(now);
    goal.touch(now);
    return size;
  }

  fsync(ino: number): void {
    this.#node(ino);
  }

  syncAll(): Promise<void> {
    return Promise.resolve();
  }

  readdir(ino: number, cookie: number, visit: DirectoryVisitor): void {
    const node = this.#directory(ino);
    if (!this.readOnly) node.accessed(this.#now());
    const type = S_IFDIR >> 12;
    if (cookie < 1 && !visit({ ino, cookie: 1, type, name: DOT })) return;
    if (cookie < 2 && !visit({ ino: node.parent, cookie: 2, type, name: DOT_DOT })) return;
    for (const entry of node.entries.values()) {
      if (entry.cookie <= cookie) continue;
      const child = this.#node(entry.ino);
      if (!visit({ ...entry, type: (child.mode & S_IFMT) >> 12 })) return;
    }
  }

  statfs(): FileSystemStatus {
    return {
      blockBytes: 4096,
      totalBlocks: 2 ** 20,
      freeBlocks: 2 ** 19,
      availableBlocks: 2 ** 19,
      files: 2 ** 20,
      freeFiles: 2 ** 20 - this.#nodes.size,
      nameBytesMax: NAME_BYTES_MAX,
    };
  }

  getxattr(ino: number, name: Uint8Array): Uint8Array {
    return this.#xattrs.get(this.#node(ino), keyOf(name));
  }

  setxattr(ino: number, name: Uint8Array, value: Uint8Array, flags: number): void {
    const node = this.#change(ino);
    this.#xattrs.set(node, keyOf(name), { value, flags });
    node.ctime = this.#now();
  }

  listxattr(ino: number): Uint8Array[] {
    return [...this.#node(ino).xattrs.values()].map(({ name }) => name.slice());
  }

  removexattr(ino: number, name: Uint8Array): void {
    const node = this.#change(ino);
    if (!node.xattrs.delete(keyOf(name))) fail(ERRNO.ENODATA);
    node.ctime = this.#now();
  }

  #now(): Time {
    return timeOf(this.#runtime.now());
  }

  #writable(): void {
    if (this.readOnly) fail(ERRNO.EROFS);
  }

  #node(ino: number): MemoryNode {
    return this.#nodes.get(ino) ?? fail(ERRNO.ESTALE);
  }

  /** A node that is about to be changed. */
  #change(ino: number): MemoryNode {
    this.#writable();
    return this.#node(ino);
  }

  #directory(ino: number): MemoryNode {
    const node = this.#node(ino);
    return node.isDirectory ? node : fail(ERRNO.ENOTDIR);
  }

  #regular(ino: number): MemoryNode {
    const node = this.#node(ino);
    if (node.isDirectory) fail(ERRNO.EISDIR);
    return node.isRegular ? node : fail(ERRNO.EINVAL);
  }

  #child(directory: MemoryNode, name: Uint8Array): MemoryNode {
    const entry = directory.entries.get(keyOf(name));
    if (entry === undefined) fail(name.length > NAME_BYTES_MAX ? ERRNO.ENAMETOOLONG : ERRNO.ENOENT);
    return this.#node(entry.ino);
  }

  /** The directory `parent`, in which `name` can be made. */
  #vacant(parent: number, name: Uint8Array): MemoryNode {
    this.#writable();
    const directory = this.#directory(parent);
    if (directory.nlink === 0) fail(ERRNO.ENOENT);
    if (name.length > NAME_BYTES_MAX) fail(ERRNO.ENAMETOOLONG);
    if (directory.entries.has(keyOf(name))) fail(ERRNO.EEXIST);
    return directory;
  }

  #make(caller: Caller, directory: MemoryNode, mode: number): MemoryNode {
    const ino = this.#nextIno++;
    const node = new MemoryNode(ino, mode, { parent: directory.ino, time: this.#now() });
    node.uid = caller.uid;
    node.gid = caller.gid;
    if (directory.mode & S_ISGID) {
      node.gid = directory.gid;
      if (node.isDirectory) node.mode |= S_ISGID;
    }
    this.#nodes.set(ino, node);
    return node;
  }

  #attach(directory: MemoryNode, name: Uint8Array, node: MemoryNode, out: Attributes): void {
    directory.enter(name, node.ino);
    directory.touch(this.#now());
    node.describe(out);
  }

  #detach(directory: MemoryNode, name: Uint8Array, node: MemoryNode): void {
    const now = this.#now();
    directory.entries.delete(keyOf(name));
    directory.touch(now);
    if (node.isDirectory) {
      directory.nlink--;
      node.nlink = 0;
    } else node.nlink--;
    node.ctime = now;
    this.#drop(node);
  }

  #drop(node: MemoryNode): void {
    if (node.nlink === 0 && node.pins === 0) this.#nodes.delete(node.ino);
  }

  /** `node` went from the directory `old` to `parent`: a directory's ".." is one of the links of its parent. */
  #moved(node: MemoryNode, parent: MemoryNode, old: MemoryNode): void {
    if (!node.isDirectory) return;
    node.parent = parent.ino;
    old.nlink--;
    parent.nlink++;
  }

  #resize(node: MemoryNode, size: number, now: Time): void {
    if (node.isDirectory) fail(ERRNO.EISDIR);
    if (!node.isRegular) fail(ERRNO.EINVAL);
    if (size > FILE_BYTES_MAX) fail(ERRNO.EFBIG);
    node.data.truncate(size);
    node.mtime = now;
  }

  #chmod(node: MemoryNode, mode: number): void {
    node.mode = (node.mode & S_IFMT) | (mode & 0o7777);
    const acl = node.xattrs.get(ACCESS_ACL);
    if (acl !== undefined) acl.value = aclAfterChmod(acl.value, mode);
  }
}
