import { CELL_BYTES, MIB } from "../limits.ts";
import { emptyInode } from "../format/inode.ts";
import { NAME_BYTES_MAX } from "../format/dirent.ts";
import type { VolumeStore } from "../volume/volume_store.ts";
import { Admission } from "./admission.ts";
import { changeAttributes, FILE_BYTES_MAX } from "./attribute_change.ts";
import { Clock } from "./clock.ts";
import { Directories, DOT_COOKIE, DOTDOT_COOKIE } from "./directory.ts";
import { DirtyData } from "./dirty_data.ts";
import { asPosixError, fail } from "./errno.ts";
import { FileCopier } from "./file_copy.ts";
import { FileReader } from "./file_read.ts";
import { FALLOC_KEEP_SIZE, FALLOC_PUNCH_HOLE, FALLOC_ZERO_RANGE, FileSpace } from "./file_space.ts";
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
  WriteRequest,
} from "./file_system.ts";
import { FileWriter } from "./file_write.ts";
import { directoryType, isDirectory, isRegular, S_IFDIR } from "./mode.ts";
import { Names } from "./names.ts";
import type { Node } from "./node.ts";
import { NodeTable } from "./node_table.ts";
import { Privileges } from "./privileges.ts";
import { Removal } from "./removal.ts";
import { Renamer } from "./rename.ts";
import { StoredData } from "./stored_data.ts";
import { XattrRules } from "./xattr_rules.ts";
import { XattrStore } from "./xattr_store.ts";

/** Inode number of the root directory. */
export const ROOT_INO = 1;

/** How a filesystem behaves. */
export interface FileSystemOptions {
  /** Never update access times by itself. Default: relatime. */
  readonly noatime?: boolean;
  /** Kernel memory for dirty and cached blocks together. Default: 16 MiB. */
  readonly blockMemoryBytes?: number;
  /** Owner and mode of the root directory, used when it is made. Default: 0, 0, 0o755. */
  readonly root?: { readonly uid: number; readonly gid: number; readonly mode: number };
}

const BLOCK_MEMORY_BYTES = 16 * MIB;
const DOT = new Uint8Array([0x2e]);
const DOTDOT = new Uint8Array([0x2e, 0x2e]);

/** Opens the filesystem of a volume: makes its root directory where there is none, and finishes what a crash cut off. */
export function openFileSystem(
  store: VolumeStore,
  options: FileSystemOptions = {},
): PosixFileSystem {
  return new PosixFileSystem(store, options);
}

/** ext4's semantics on a {@linkcode VolumeStore}. Each part is a class of its own; here they meet. */
export class PosixFileSystem implements FileSystem {
  readonly readOnly: boolean;
  readonly #store: VolumeStore;
  readonly #clock: Clock;
  readonly #nodes: NodeTable;
  readonly #directories: Directories;
  readonly #stored: StoredData;
  readonly #dirty: DirtyData;
  readonly #reader: FileReader;
  readonly #writer: FileWriter;
  readonly #space: FileSpace;
  readonly #copier: FileCopier;
  readonly #privileges: Privileges;
  readonly #xattrs: XattrRules;
  readonly #removal: Removal;
  readonly #admission: Admission;
  readonly #names: Names;
  readonly #renamer: Renamer;
  readonly #keepsAccessTimes: boolean;

  /** Use {@linkcode openFileSystem}. */
  constructor(store: VolumeStore, options: FileSystemOptions) {
    this.#store = store;
    this.readOnly = store.readOnly;
    this.#keepsAccessTimes = !store.readOnly && options.noatime !== true;
    this.#clock = new Clock(store.runtime);
    const nodes = this.#nodes = new NodeTable(store);
    this.#directories = new Directories(store);
    const stored = this.#stored = new StoredData(
      store,
      options.blockMemoryBytes ?? BLOCK_MEMORY_BYTES,
    );
    const dirty = this.#dirty = new DirtyData(stored, nodes);
    this.#reader = new FileReader(stored);
    const writer = this.#writer = new FileWriter(stored, dirty, nodes);
    const xattrs = new XattrStore(store);
    this.#privileges = new Privileges(xattrs);
    this.#xattrs = new XattrRules(xattrs, this.#privileges);
    const removal = this.#removal = new Removal(store, { nodes, stored, dirty, xattrs });
    this.#space = new FileSpace({ stored, dirty, writer, nodes, removal });
    this.#copier = new FileCopier(store.kernel, this.#reader);
    this.#admission = new Admission(store, removal);
    const parts = {
      store,
      clock: this.#clock,
      nodes,
      directories: this.#directories,
      privileges: this.#privileges,
      removal,
    };
    this.#names = new Names(parts);
    this.#renamer = new Renamer(parts, this.#names, (node) => dirty.flush(node));
    this.#start(options);
  }

  lookup(parent: number, name: Uint8Array, out: Attributes): void {
    try {
      this.getattr(this.#names.lookup(parent, name), out);
    } catch (error) {
      throw asPosixError(error);
    }
  }

  getattr(ino: number, out: Attributes): void {
    try {
      if (!this.#nodes.show(ino, out)) fail("ENOENT");
    } catch (error) {
      throw asPosixError(error);
    }
  }

  setattr(_caller: Caller, ino: number, change: AttributeChange, out: Attributes): void {
    this.#change(() => {
      const parts = {
        clock: this.#clock,
        nodes: this.#nodes,
        space: this.#space,
        privileges: this.#privileges,
        admission: this.#admission,
      };
      changeAttributes(parts, this.#nodes.get(ino), change);
      this.getattr(ino, out);
    });
  }

  mknod(caller: Caller, parent: number, name: Uint8Array, node: NewNode, out: Attributes): void {
    this.#change(() => {
      this.#admission.write(0);
      this.getattr(this.#names.make(caller, parent, name, node), out);
    });
  }

  symlink(
    caller: Caller,
    parent: number,
    name: Uint8Array,
    target: Uint8Array,
    out: Attributes,
  ): void {
    this.#change(() => {
      this.#admission.write(0);
      this.getattr(this.#names.symlink(caller, parent, name, target), out);
    });
  }

  readlink(ino: number): Uint8Array {
    try {
      const target = this.#names.readlink(ino);
      this.#access(ino);
      return target;
    } catch (error) {
      throw asPosixError(error);
    }
  }

  link(ino: number, parent: number, name: Uint8Array, out: Attributes): void {
    this.#change(() => {
      this.#admission.write(0);
      this.#names.link(ino, parent, name);
      this.getattr(ino, out);
    });
  }

  unlink(parent: number, name: Uint8Array): void {
    this.#change(() => {
      this.#admission.remove(0);
      this.#names.unlink(parent, name);
    });
  }

  rmdir(parent: number, name: Uint8Array): void {
    this.#change(() => {
      this.#admission.remove(0);
      this.#names.rmdir(parent, name);
    });
  }

  rename(from: Place, to: Place, flags: RenameFlags): void {
    this.#change(() => {
      this.#admission.write(0);
      this.#renamer.rename(from, to, flags);
    });
  }

  open(ino: number, _flags: number): void {
    try {
      this.#nodes.trim();
      this.#nodes.get(ino).opens++;
    } catch (error) {
      throw asPosixError(error);
    }
  }

  release(ino: number): void {
    try {
      this.#stored.inFlight.poll();
      const node = this.#nodes.get(ino);
      if (node.opens > 0) node.opens--;
      if (node.opens > 0 || this.readOnly) return;
      if (node.inode.nlink === 0) this.#removal.released(node);
      else this.#dirty.flush(node);
      this.#store.endGroup();
    } catch (error) {
      throw asPosixError(error);
    }
  }

  read(ino: number, offset: number, size: number, out: ReadSpans): void {
    try {
      this.#stored.inFlight.poll();
      const node = this.#file(ino);
      if (offset < 0 || size < 0) fail("EINVAL");
      this.#reader.read(node, offset, size, out);
      if (size > 0) this.#accessNode(node);
    } catch (error) {
      throw asPosixError(error);
    }
  }

  write(ino: number, write: WriteRequest): void {
    this.#begin();
    try {
      this.#write(this.#file(ino), write);
    } catch (error) {
      throw asPosixError(error);
    } finally {
      this.#store.endGroup();
    }
  }

  fallocate(ino: number, offset: number, length: number, mode: number): void {
    this.#change(() => {
      const node = this.#nodes.get(ino);
      if (!isRegular(node.inode.mode)) fail("ENODEV");
      if (offset < 0 || length <= 0) fail("EINVAL");
      if (offset + length > FILE_BYTES_MAX) fail("EFBIG");
      this.#allocate(node, [offset, offset + length], mode);
      this.#privileges.drop(node, false);
      this.#clock.modified(node.inode);
      this.#nodes.save(node);
    });
  }

  lseek(ino: number, offset: number, whence: number): number {
    try {
      const node = this.#file(ino);
      if (whence !== 3 && whence !== 4) fail("EINVAL");
      if (!this.readOnly) this.#dirty.flush(node);
      return this.#space.seek(node, offset, whence);
    } catch (error) {
      throw asPosixError(error);
    } finally {
      if (!this.readOnly) this.#store.endGroup();
    }
  }

  copyRange(from: CopyPoint, to: CopyPoint, length: number): number {
    let copied = 0;
    this.#change(() => {
      const source = this.#file(from.ino);
      const target = this.#file(to.ino);
      if (from.offset < 0 || to.offset < 0 || length < 0) fail("EINVAL");
      const available = Math.max(0, Math.min(length, source.size - from.offset));
      const isApart = Math.abs(from.offset - to.offset) >= available;
      if (source === target && available > 0 && !isApart) fail("EINVAL");
      const range = { offset: from.offset, length: available };
      copied = this.#copier.copy(source, range, (address, at, count) => {
        const offset = to.offset + at;
        this.#write(target, { offset, length: count, address, buffer: null, killSetId: false });
      });
      if (copied > 0) this.#accessNode(source);
    });
    return copied;
  }

  fsync(ino: number): void | Promise<void> {
    if (this.readOnly) return;
    this.#change(() => {
      const node = this.#nodes.get(ino);
      if (isDirectory(node.inode.mode)) this.#flush();
      else this.#dirty.flush(node);
      const { failure } = node;
      node.failure = undefined;
      if (failure !== undefined) throw failure;
    });
    return this.#store.sync();
  }

  async syncAll(): Promise<void> {
    if (this.readOnly) return;
    this.#change(() => this.#flush());
    try {
      await this.#store.commit();
    } catch (error) {
      throw asPosixError(error);
    }
  }

  readdir(ino: number, cookie: number, visit: DirectoryVisitor): void {
    try {
      const { inode } = this.#names.directory(ino);
      this.#access(ino);
      if (inode.nlink === 0) return;
      const type = directoryType(S_IFDIR);
      if (cookie < DOT_COOKIE && !visit({ ino, cookie: DOT_COOKIE, type, name: DOT })) return;
      const up = { ino: inode.parent, cookie: DOTDOT_COOKIE, type, name: DOTDOT };
      if (cookie < DOTDOT_COOKIE && !visit(up)) return;
      this.#directories.visit(ino, cookie, visit);
    } catch (error) {
      throw asPosixError(error);
    }
  }

  statfs(): FileSystemStatus {
    const { totalCells, freeCells } = this.#store.space();
    return {
      blockBytes: CELL_BYTES,
      totalBlocks: totalCells,
      freeBlocks: freeCells,
      availableBlocks: freeCells,
      files: totalCells,
      freeFiles: freeCells,
      nameBytesMax: NAME_BYTES_MAX,
    };
  }

  getxattr(ino: number, name: Uint8Array): Uint8Array {
    try {
      return this.#xattrs.get(this.#nodes.get(ino), name);
    } catch (error) {
      throw asPosixError(error);
    }
  }

  setxattr(_caller: Caller, ino: number, name: Uint8Array, value: Uint8Array, flags: number): void {
    this.#change(() => {
      const node = this.#nodes.get(ino);
      this.#admission.write(Math.ceil(value.length / CELL_BYTES));
      this.#xattrs.set(node, name, value, flags);
      this.#clock.changed(node.inode);
      this.#nodes.save(node);
    });
  }

  listxattr(ino: number): Uint8Array[] {
    try {
      return this.#xattrs.list(this.#nodes.get(ino));
    } catch (error) {
      throw asPosixError(error);
    }
  }

  removexattr(ino: number, name: Uint8Array): void {
    this.#change(() => {
      const node = this.#nodes.get(ino);
      this.#admission.remove(0);
      this.#xattrs.remove(node, name);
      this.#clock.changed(node.inode);
      this.#nodes.save(node);
    });
  }

  /** Frees up to about `blocks` blocks of deleted files; true where more wait. For a driver's idle time. */
  reclaim(blocks: number): boolean {
    try {
      return this.#removal.reclaim(blocks);
    } catch (error) {
      throw asPosixError(error);
    }
  }

  /** Gives back request buffers whose data has been sealed by now. For a driver that waits for one. */
  poll(): void {
    this.#stored.inFlight.poll();
  }

  /** True where a commit would make something durable. */
  get hasUncommitted(): boolean {
    return this.#dirty.hasAny || this.#nodes.hasStale || this.#store.pendingBytes() > 0;
  }

  #start(options: FileSystemOptions): void {
    try {
      if (this.#nodes.mode(ROOT_INO) === 0) this.#makeRoot(options);
      if (this.readOnly) return;
      this.#removal.recover();
      this.#store.setFlushHook(() => this.#flush());
    } catch (error) {
      throw asPosixError(error);
    }
  }

  #makeRoot(options: FileSystemOptions): void {
    if (this.readOnly) fail("EROFS");
    const { uid, gid, mode } = options.root ?? { uid: 0, gid: 0, mode: 0o755 };
    const inode = emptyInode();
    Object.assign(inode, { uid, gid, mode: S_IFDIR | mode & 0o7777, nlink: 2, parent: ROOT_INO });
    this.#admission.write(0);
    this.#clock.tick();
    this.#clock.born(inode);
    this.#nodes.add(ROOT_INO, inode);
    this.#store.endGroup();
  }

  #flush(): void {
    this.#dirty.flushAll(() => this.#store.endGroup());
  }

  #begin(): void {
    if (this.readOnly) fail("EROFS");
    this.#stored.inFlight.poll();
    this.#nodes.trim();
    this.#clock.tick();
  }

  /** Runs a change as one group. */
  #change(change: () => void): void {
    this.#begin();
    try {
      change();
    } catch (error) {
      throw asPosixError(error);
    } finally {
      this.#store.endGroup();
    }
  }

  #file(ino: number): Node {
    const node = this.#nodes.get(ino);
    if (isRegular(node.inode.mode)) return node;
    return fail(isDirectory(node.inode.mode) ? "EISDIR" : "EINVAL");
  }

  #write(node: Node, write: WriteRequest): void {
    const { offset, length } = write;
    if (offset < 0 || length < 0) fail("EINVAL");
    if (offset + length > FILE_BYTES_MAX) fail("EFBIG");
    if (length === 0) return;
    this.#admission.write(this.#writer.cells(node, offset, length));
    if (this.#privileges.drop(node, write.killSetId)) this.#nodes.save(node);
    this.#clock.modified(node.inode);
    this.#writer.write(node, write);
    this.#nodes.touch(node);
  }

  #allocate(node: Node, [offset, end]: [number, number], mode: number): void {
    const keepsSize = (mode & FALLOC_KEEP_SIZE) !== 0;
    const action = mode & ~FALLOC_KEEP_SIZE;
    const edges = 2 * this.#stored.blockCells;
    if (action === FALLOC_PUNCH_HOLE && keepsSize) {
      this.#admission.remove(edges);
      this.#space.punch(node, offset, end);
    } else if (action === 0 || action === FALLOC_ZERO_RANGE) {
      const cells = this.#space.allocateCells(node, offset, end);
      this.#admission.write(cells + (action === 0 ? 0 : edges));
      if (action === FALLOC_ZERO_RANGE) this.#space.punch(node, offset, end);
      this.#space.allocate(node, offset, end);
      if (!keepsSize && end > node.size) this.#space.truncate(node, end);
    } else {
      fail("EOPNOTSUPP");
    }
  }

  #access(ino: number): void {
    if (this.#keepsAccessTimes) this.#accessNode(this.#nodes.get(ino));
  }

  #accessNode(node: Node): void {
    if (!this.#keepsAccessTimes) return;
    this.#clock.tick();
    if (this.#clock.accessed(node.inode)) this.#nodes.touch(node);
  }
}
