import type { VaultError } from "../errors.ts";
import { emptyInode } from "../format/inode.ts";
import { NAME_BYTES_MAX } from "../format/dirent.ts";
import { CELL_BYTES } from "../limits.ts";
import type { VolumeStore } from "../volume/volume_store.ts";
import { changeAttributes } from "./attribute_change.ts";
import { DOT_COOKIE, DOTDOT_COOKIE } from "./directory.ts";
import { answering, asPosixError, fail } from "./errno.ts";
import { FileOperations } from "./file_operations.ts";
import type {
  AttributeChange,
  Attributes,
  Caller,
  CopyPoint,
  DirectoryVisitor,
  FileSystem,
  FileSystemStatus,
  NewNode,
  PendingRead,
  Place,
  ReadSpans,
  RenameFlags,
  WriteRequest,
} from "./file_system.ts";
import { HalfChanges } from "./half_changes.ts";
import type { ResetReport } from "./kernel_cache.ts";
import type { LeftWork } from "./left_work.ts";
import { directoryType, isDirectory, S_IFDIR } from "./mode.ts";
import { type FileSystemOptions, type FileSystemParts, makeParts } from "./parts.ts";
import { nameUnnamed, type UnnamedFileSystem } from "./unnamed_files.ts";
import { ROOT_INO } from "../format/volume_key.ts";

const DOT = new Uint8Array([0x2e]);
const DOTDOT = new Uint8Array([0x2e, 0x2e]);

/** Opens the filesystem of a volume: makes its root directory where there is none, and finishes what a crash cut off. */
export const openFileSystem = (store: VolumeStore, options: FileSystemOptions = {}) =>
  new PosixFileSystem(store, options);

/** ext4's semantics on a {@linkcode VolumeStore}. Each part is a class of its own; here they meet. */
export class PosixFileSystem implements FileSystem, UnnamedFileSystem {
  readonly readOnly: boolean;
  readonly #store: VolumeStore;
  readonly #parts: FileSystemParts;
  readonly #files: FileOperations;
  readonly #halves: HalfChanges;
  readonly #endGroup = () => this.#store.endGroup();
  #report: ResetReport = { changed: new Set(), stale: [] };

  /** Use {@linkcode openFileSystem}. */
  constructor(store: VolumeStore, options: FileSystemOptions) {
    this.#store = store;
    this.readOnly = store.readOnly;
    this.#parts = makeParts(store, options);
    this.#files = new FileOperations(
      this.#parts,
      !store.readOnly && options.noatime !== true && store.noatime !== true,
    );
    this.#halves = new HalfChanges(store, this.#parts);
    this.#start(options);
  }

  get left(): LeftWork {
    return this.#parts.left;
  }

  lookup(parent: number, name: Uint8Array, out: Attributes): void {
    try {
      this.getattr(this.#parts.names.lookup(parent, name), out);
    } catch (error) {
      throw asPosixError(error);
    }
  }

  getattr(ino: number, out: Attributes): void {
    try {
      if (!this.#parts.nodes.show(ino, out)) fail("ESTALE");
    } catch (error) {
      throw asPosixError(error);
    }
  }

  getattrRemoved(ino: number, out: Attributes): boolean {
    return this.#parts.nodes.showRemoved(ino, out);
  }

  setattr(_caller: Caller, ino: number, change: AttributeChange, out: Attributes): void {
    this.#change(() => {
      changeAttributes(this.#parts, this.#parts.nodes.get(ino), change);
      this.getattr(ino, out);
    });
  }

  mknod(caller: Caller, place: Place, node: NewNode, out: Attributes): void {
    this.#add(out, (names) => names.make(caller, place.parent, place.name, node));
  }

  makeUnnamed(caller: Caller, parent: number, mode: number, out: Attributes): void {
    this.#add(out, (names) => names.makeUnnamed(caller, parent, mode));
  }

  nameUnnamed(ino: number, to: Place): void {
    this.#change(() => {
      this.#parts.admission.write(0);
      nameUnnamed(this.#parts, ino, to);
    });
  }

  symlink(caller: Caller, place: Place, target: Uint8Array, out: Attributes): void {
    this.#add(out, (names) => names.symlink(caller, place.parent, place.name, target));
  }

  readlink(ino: number): Uint8Array {
    return this.#look(() => {
      const target = this.#parts.names.readlink(ino);
      this.#access(ino);
      return target;
    });
  }

  link(ino: number, parent: number, name: Uint8Array, out: Attributes): void {
    this.#add(out, (names) => names.link(ino, parent, name));
  }

  unlink(parent: number, name: Uint8Array): void {
    this.#change(() => {
      this.#parts.admission.remove();
      this.#parts.names.unlink(parent, name);
    });
  }

  rmdir(parent: number, name: Uint8Array): void {
    this.#change(() => {
      this.#parts.admission.remove();
      this.#parts.names.rmdir(parent, name);
    });
  }

  rename(from: Place, to: Place, flags: RenameFlags): void {
    this.#change(() => {
      this.#parts.admission.write(0);
      this.#parts.renamer.rename(from, to, flags);
    });
  }

  open(ino: number, flags: number): void {
    this.#look(() => {
      this.#parts.nodes.trim();
      this.#files.open(this.#parts.nodes.get(ino), flags);
    });
  }

  release(ino: number): void {
    this.#halves.whole(() => {
      this.#parts.stored.inFlight.poll();
      if (this.#parts.nodes.mode(ino) === 0) return; // a rollback took it
      const node = this.#parts.nodes.get(ino);
      if (node.opens > 0) node.opens--;
      if (node.opens > 0 || this.readOnly) return;
      if (node.inode.nlink === 0) this.#parts.removal.released(node);
      else this.#parts.dirty.flush(node);
      this.#store.endGroup();
    });
  }

  holdRemoved(): void {
    this.#parts.removal.hold();
  }

  forget(ino: number): void {
    if (this.#parts.removal.isHeld(ino)) this.#change(() => this.#parts.removal.forgotten(ino));
  }

  read(ino: number, offset: number, size: number, out: ReadSpans): void {
    try {
      this.#parts.stored.inFlight.poll();
      const node = this.#files.file(ino);
      if (offset < 0 || size < 0) fail("EINVAL");
      this.#parts.reader.read(node, offset, size, out);
      if (size > 0) this.#files.access(node);
    } catch (error) {
      throw asPosixError(error);
    }
  }

  readLater(ino: number, offset: number, size: number): PendingRead | null {
    return this.#look(() => {
      const node = this.#files.file(ino);
      const pending = this.#parts.reader.later(node, offset, size);
      if (pending !== null) this.#files.access(node);
      return pending;
    });
  }

  write(ino: number, write: WriteRequest): void {
    this.#change(() => this.#files.write(this.#files.file(ino), write));
  }

  fallocate(ino: number, offset: number, length: number, mode: number): void {
    this.#change(() => this.#files.allocate(ino, { offset, length }, mode));
  }

  lseek(ino: number, offset: number, whence: number): number {
    try {
      return this.#halves.whole(() => this.#files.seek(this.#files.file(ino), offset, whence));
    } finally {
      if (!this.readOnly) this.#store.endGroup();
    }
  }

  copyRange(from: CopyPoint, to: CopyPoint, length: number): number {
    let copied = 0;
    this.#change(() => void (copied = this.#files.copy(from, to, length)));
    return copied;
  }

  fsync(ino: number): void | Promise<void> {
    if (this.readOnly) return;
    let failure: unknown;
    this.#change(() => {
      const node = this.#parts.nodes.get(ino);
      if (isDirectory(node.inode.mode)) this.#flush();
      else this.#parts.dirty.flush(node);
      [failure, node.failure] = [node.failure, undefined];
    });
    if (failure !== undefined) throw asPosixError(failure);
    return answering(() => this.#store.sync());
  }

  async syncAll(): Promise<void> {
    if (this.readOnly) return;
    this.#change(() => this.#flush());
    await answering(() => this.#store.commit());
    this.#parts.dirty.throwLost();
  }

  readdir(ino: number, cookie: number, visit: DirectoryVisitor): void {
    try {
      const { inode } = this.#parts.names.directory(ino);
      this.#access(ino);
      const type = directoryType(S_IFDIR);
      if (cookie < DOT_COOKIE && !visit({ ino, cookie: DOT_COOKIE, type, name: DOT })) return;
      const up = { ino: inode.parent, cookie: DOTDOT_COOKIE, type, name: DOTDOT };
      if (cookie < DOTDOT_COOKIE && !visit(up)) return;
      this.#parts.directories.visit(ino, cookie, visit);
    } catch (error) {
      throw asPosixError(error);
    }
  }

  statfs(): FileSystemStatus {
    const { totalCells, freeCells, inodes, freeInodes = freeCells } = this.#store.space();
    return {
      blockBytes: CELL_BYTES,
      totalBlocks: totalCells,
      freeBlocks: freeCells,
      availableBlocks: freeCells,
      files: inodes === undefined ? totalCells : inodes + freeInodes,
      freeFiles: freeInodes,
      nameBytesMax: NAME_BYTES_MAX,
    };
  }

  getxattr(ino: number, name: Uint8Array): Uint8Array {
    return this.#look(() => this.#parts.xattrs.get(this.#parts.nodes.get(ino), name));
  }

  setxattr(ino: number, name: Uint8Array, value: Uint8Array, flags: number): void {
    this.#change(() => {
      const node = this.#parts.nodes.get(ino);
      this.#parts.admission.write(Math.ceil(value.length / CELL_BYTES));
      this.#parts.xattrs.set(node, name, value, flags);
      this.#parts.clock.changed(node.inode);
      this.#parts.nodes.save(node);
    });
  }

  listxattr(ino: number): Uint8Array[] {
    return this.#look(() => this.#parts.xattrs.list(this.#parts.nodes.get(ino)));
  }

  removexattr(ino: number, name: Uint8Array): void {
    this.#change(() => {
      const node = this.#parts.nodes.get(ino);
      this.#parts.admission.remove();
      this.#parts.xattrs.remove(node, name);
      this.#parts.clock.changed(node.inode);
      this.#parts.nodes.save(node);
    });
  }

  /** Frees up to about `blocks` blocks of deleted files; true where more wait. For a driver's idle time. */
  reclaim(blocks: number): boolean {
    return this.#halves.whole(() => this.#parts.removal.reclaim(blocks));
  }

  /** Gives back request buffers whose data has been sealed by now. */
  poll(): void {
    this.#parts.stored.inFlight.poll();
  }

  /** Puts all data and attributes to the tree and the blocks, so that nothing is in memory only. */
  flush(): void {
    this.#change(() => this.#flush());
  }

  /** Why data that was written could not be put, since the last call; `fsync` of the file says so too. */
  takeFailure(): VaultError | undefined {
    return this.#parts.dirty.takeFailure();
  }

  /** Forgets everything that is in memory only: the tree is another one now. Open files stay open. */
  reset(): void {
    const { changed, stale } = this.#report;
    this.#report = { changed: new Set(), stale: [] };
    this.#parts.dirty.reset(changed);
    this.#parts.stored.reset();
    stale.push(...this.#parts.nodes.reset(changed));
    this.#parts.removal.reset();
  }

  /** The next reset fills this report. */
  reportReset(report: ResetReport): void {
    this.#report = report;
  }

  /** True where a commit would make something durable. */
  get hasUncommitted(): boolean {
    return this.#parts.dirty.hasAny || this.#parts.nodes.hasStale || this.#store.pendingBytes() > 0;
  }

  /** Inodes that have an object in memory: open, changed or lately used ones. */
  get nodesInMemory(): number {
    return this.#parts.nodes.count;
  }

  #start(options: FileSystemOptions): void {
    this.#halves.whole(() => {
      if (this.#parts.nodes.mode(ROOT_INO) === 0) this.#makeRoot(options);
      if (this.readOnly || options.isView === true) return;
      this.#parts.removal.recover();
      this.#store.setFlushHook(() => this.#halves.whole(() => this.#flush()), () => this.reset());
    });
  }

  #makeRoot(options: FileSystemOptions): void {
    if (this.readOnly) fail("EROFS");
    const { uid, gid, mode } = options.root ?? { uid: 0, gid: 0, mode: 0o755 };
    const inode = emptyInode();
    Object.assign(inode, { uid, gid, mode: S_IFDIR | mode & 0o7777, nlink: 2, parent: ROOT_INO });
    this.#parts.admission.write(0);
    this.#parts.clock.tick();
    this.#parts.clock.born(inode);
    this.#parts.nodes.add(ROOT_INO, inode);
    this.#store.endGroup();
  }

  #flush(): void {
    this.#parts.dirty.flushAll(() => this.#store.endGroup());
  }

  /** Adds a name, or a node that is to get one, and shows what is there then. */
  #add(out: Attributes, add: (names: FileSystemParts["names"]) => number): void {
    this.#change(() => {
      this.#parts.admission.write(0);
      this.getattr(add(this.#parts.names), out);
    });
  }

  /** Runs a change as one group. */
  #change(change: () => void): void {
    if (this.readOnly) fail("EROFS");
    try {
      this.left.settle();
      this.#halves.begin();
      this.#parts.stored.inFlight.poll();
      this.#parts.nodes.trim();
      this.#parts.clock.tick();
      change();
    } catch (error) {
      this.#halves.failed(error);
      throw asPosixError(error);
    } finally {
      this.left.do(this.#endGroup);
    }
  }

  /** Runs what makes no group of its own. */
  #look<T>(look: () => T): T {
    try {
      return look();
    } catch (error) {
      throw asPosixError(error);
    }
  }

  #access(ino: number): void {
    this.#files.access(this.#parts.nodes.get(ino));
  }
}
