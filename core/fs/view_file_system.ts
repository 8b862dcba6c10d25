import { DOTDOT_COOKIE } from "./directory.ts";
import { ERRNO, fail } from "./errno.ts";
import {
  type AttributeChange,
  type Attributes,
  type Caller,
  type CopyPoint,
  type DirectoryVisitor,
  emptyAttributes,
  type FileSystem,
  type FileSystemStatus,
  type NewNode,
  type PendingRead,
  type Place,
  PosixError,
  type ReadSpans,
  type RenameFlags,
  type WriteRequest,
} from "./file_system.ts";
import type { LeftWork } from "./left_work.ts";
import type { LockAttributes } from "./lock_attributes.ts";
import { directoryType, S_IFDIR } from "./mode.ts";
import { ROOT_INO } from "../format/volume_key.ts";
import type { View } from "./view.ts";
import { ViewIds } from "./view_ids.ts";

const O_ACCMODE = 3;

/**
 * Several views as one filesystem: each inode of each view has a number of its own, so that no tool takes a file and
 * its image in a snapshot for one file with two names. Nothing is moved, linked or copied from one to another (EXDEV).
 */
export class ViewFileSystem implements FileSystem {
  readonly readOnly: boolean;
  lockAttributes?: LockAttributes;
  readonly #outermost: View;
  readonly #ids: ViewIds<View>;
  readonly #scratch = emptyAttributes();

  /** The outermost view's root is the root of all. */
  constructor(outermost: View, readOnly: boolean) {
    this.#outermost = outermost;
    this.readOnly = readOnly;
    this.#ids = new ViewIds(outermost);
  }

  /** Of the outermost view; the others leave nothing. */
  get left(): LeftWork | undefined {
    return this.#outermost.fileSystem.left;
  }

  /** The node id of a view's inode: what the kernel calls it. */
  idOf(view: View, ino: number): number {
    return this.#ids.idOf(view, ino);
  }

  /** The inode number behind a node id. */
  inodeOf(id: number): number {
    return this.#ids.inoOf(id);
  }

  /** True where a node id is of the outermost view. */
  isOutermost(id: number): boolean {
    return this.#ids.viewOf(id) === this.#outermost;
  }

  /** What the kernel may call an inode, in whatever view. */
  idsOf(ino: number): number[] {
    return this.#ids.allOf(ino);
  }

  /** Views that are opened later do so themselves. */
  holdRemoved(): void {
    this.#outermost.fileSystem.holdRemoved?.();
  }

  forget(id: number): void {
    const view = this.#ids.viewOf(id);
    if (view.isLive) view.fileSystem.forget?.(this.#ids.inoOf(id));
  }

  entriesChange(ino: number): boolean {
    return this.#ids.inoOf(ino) === ROOT_INO && this.#ids.viewOf(ino).changing;
  }

  lookup(parent: number, name: Uint8Array, out: Attributes): void {
    const view = this.#ids.viewOf(parent);
    const ino = this.#ids.inoOf(parent);
    const joined = ino === ROOT_INO ? this.#joined(view, name) : null;
    if (joined === null) view.fileSystem.lookup(ino, name, out);
    else joined.fileSystem.getattr(ROOT_INO, out);
    this.#show(joined ?? view, out);
  }

  /** The view that a name leads to, where the directory has no such entry itself. */
  #joined(view: View, name: Uint8Array): View | null {
    const joined = view.joint(name);
    if (joined === null) return null;
    try {
      view.fileSystem.lookup(ROOT_INO, name, this.#scratch);
      return null;
    } catch (error) {
      if (error instanceof PosixError && error.errno === ERRNO.ENOENT) return joined;
      throw error;
    }
  }

  #show(view: View, out: Attributes): void {
    out.ino = this.#ids.idOf(view, out.ino);
  }

  getattr(id: number, out: Attributes): void {
    const view = this.#ids.viewOf(id);
    view.fileSystem.getattr(this.#ids.inoOf(id), out);
    this.#show(view, out);
  }

  getattrRemoved(id: number, out: Attributes): boolean {
    const view = this.#ids.viewOf(id);
    const known = view.fileSystem.getattrRemoved?.(this.#ids.inoOf(id), out) === true;
    if (known) this.#show(view, out);
    return known;
  }

  setattr(caller: Caller, id: number, change: AttributeChange, out: Attributes): void {
    const view = this.#ids.viewOf(id);
    view.fileSystem.setattr(caller, this.#ids.inoOf(id), change, out);
    this.#show(view, out);
  }

  /** The view whose entry of this name is to be made, changed or removed. */
  #changed({ parent, name }: Place): View {
    const view = this.#ids.viewOf(parent);
    const isJoint = this.#ids.inoOf(parent) === ROOT_INO && this.#joined(view, name) !== null;
    return isJoint ? fail("EROFS") : view;
  }

  #within({ parent, name }: Place): Place {
    return { parent: this.#ids.inoOf(parent), name };
  }

  mknod(caller: Caller, place: Place, node: NewNode, out: Attributes): void {
    const view = this.#changed(place);
    view.fileSystem.mknod(caller, this.#within(place), node, out);
    this.#show(view, out);
  }

  makeUnnamed(caller: Caller, parent: number, mode: number, out: Attributes): void {
    const view = this.#ids.viewOf(parent);
    if (view.fileSystem.makeUnnamed === undefined) fail("EOPNOTSUPP");
    view.fileSystem.makeUnnamed(caller, this.#ids.inoOf(parent), mode, out);
    this.#show(view, out);
    view.pin();
  }

  symlink(caller: Caller, place: Place, target: Uint8Array, out: Attributes): void {
    const view = this.#changed(place);
    view.fileSystem.symlink(caller, this.#within(place), target, out);
    this.#show(view, out);
  }

  readlink(id: number): Uint8Array {
    return this.#ids.viewOf(id).fileSystem.readlink(this.#ids.inoOf(id));
  }

  link(id: number, parent: number, name: Uint8Array, out: Attributes): void {
    const view = this.#changed({ parent, name });
    if (this.#ids.viewOf(id) !== view) fail("EXDEV");
    view.fileSystem.link(this.#ids.inoOf(id), this.#ids.inoOf(parent), name, out);
    this.#show(view, out);
  }

  unlink(parent: number, name: Uint8Array): void {
    this.#changed({ parent, name }).fileSystem.unlink(this.#ids.inoOf(parent), name);
  }

  rmdir(parent: number, name: Uint8Array): void {
    this.#changed({ parent, name }).fileSystem.rmdir(this.#ids.inoOf(parent), name);
  }

  rename(from: Place, to: Place, flags: RenameFlags): void {
    const view = this.#changed(from);
    if (this.#changed(to) !== view) fail("EXDEV");
    view.fileSystem.rename(this.#within(from), this.#within(to), flags);
  }

  open(id: number, flags: number): void {
    const view = this.#ids.viewOf(id);
    const { fileSystem } = view;
    if (fileSystem.readOnly && (flags & O_ACCMODE) !== 0) fail("EROFS");
    fileSystem.open(this.#ids.inoOf(id), flags);
    view.pin();
  }

  release(id: number): void {
    const view = this.#ids.viewOf(id);
    view.unpin();
    view.fileSystem.release(this.#ids.inoOf(id));
  }

  read(id: number, offset: number, size: number, out: ReadSpans): void {
    this.#ids.viewOf(id).fileSystem.read(this.#ids.inoOf(id), offset, size, out);
  }

  readLater(id: number, offset: number, size: number): PendingRead | null {
    const { fileSystem } = this.#ids.viewOf(id);
    return fileSystem.readLater?.(this.#ids.inoOf(id), offset, size) ?? null;
  }

  write(id: number, write: WriteRequest): void {
    this.#ids.viewOf(id).fileSystem.write(this.#ids.inoOf(id), write);
  }

  fallocate(id: number, offset: number, length: number, mode: number): void {
    this.#ids.viewOf(id).fileSystem.fallocate(this.#ids.inoOf(id), offset, length, mode);
  }

  lseek(id: number, offset: number, whence: number): number {
    return this.#ids.viewOf(id).fileSystem.lseek(this.#ids.inoOf(id), offset, whence);
  }

  copyRange(from: CopyPoint, to: CopyPoint, length: number): number {
    const view = this.#ids.viewOf(to.ino);
    if (this.#ids.viewOf(from.ino) !== view) fail("EXDEV");
    const within = ({ ino, offset }: CopyPoint) => ({ ino: this.#ids.inoOf(ino), offset });
    return view.fileSystem.copyRange(within(from), within(to), length);
  }

  fsync(id: number): void | Promise<void> {
    return this.#ids.viewOf(id).fileSystem.fsync(this.#ids.inoOf(id));
  }

  syncAll(): Promise<void> {
    return this.#outermost.fileSystem.syncAll();
  }

  readdir(id: number, cookie: number, visit: DirectoryVisitor): void {
    const view = this.#ids.viewOf(id);
    const ino = this.#ids.inoOf(id);
    const up = ino === ROOT_INO ? view.up : null;
    let isFull = false;
    view.fileSystem.readdir(ino, cookie, (entry) => {
      const leadsOut = up !== null && entry.cookie === DOTDOT_COOKIE;
      const shown = this.#ids.idOf(leadsOut ? up : view, entry.ino);
      isFull = !visit(shown === entry.ino ? entry : { ...entry, ino: shown });
      return !isFull;
    });
    if (isFull || ino !== ROOT_INO) return;
    const type = directoryType(S_IFDIR);
    for (const joint of view.joints()) {
      if (joint.cookie <= cookie || this.#joined(view, joint.name) === null) continue;
      const entry = { ino: this.#ids.idOf(joint.view, ROOT_INO), cookie: joint.cookie, type };
      if (!visit({ ...entry, name: joint.name })) return;
    }
  }

  statfs(id: number = ROOT_INO): FileSystemStatus {
    return this.#ids.viewOf(id).fileSystem.statfs(this.#ids.inoOf(id));
  }

  getxattr(id: number, name: Uint8Array): Uint8Array {
    return this.#ids.viewOf(id).fileSystem.getxattr(this.#ids.inoOf(id), name);
  }

  setxattr(id: number, name: Uint8Array, value: Uint8Array, flags: number): void {
    this.#ids.viewOf(id).fileSystem.setxattr(this.#ids.inoOf(id), name, value, flags);
  }

  listxattr(id: number): Uint8Array[] {
    return this.#ids.viewOf(id).fileSystem.listxattr(this.#ids.inoOf(id));
  }

  removexattr(id: number, name: Uint8Array): void {
    this.#ids.viewOf(id).fileSystem.removexattr(this.#ids.inoOf(id), name);
  }
}
