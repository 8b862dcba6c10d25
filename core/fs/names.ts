import { NAME_BYTES_MAX } from "../format/dirent.ts";
import { emptyInode, type Inode, INODE_FLAG } from "../format/inode.ts";
import { encodeNodeKey, KEY_TYPE, NODE_KEY_BYTES } from "../format/volume_key.ts";
import type { VolumeStore } from "../volume/volume_store.ts";
import type { Clock } from "./clock.ts";
import { checkName, type Directories, isDots } from "./directory.ts";
import { fail } from "./errno.ts";
import type { Caller, NewNode } from "./file_system.ts";
import {
  directoryType,
  isDirectory,
  isRegular,
  PERMISSIONS,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
} from "./mode.ts";
import { LINKS_MAX, type Node, nodeOf } from "./node.ts";
import type { NodeTable } from "./node_table.ts";
import type { Privileges } from "./privileges.ts";
import type { Removal } from "./removal.ts";

/** Longest target of a symlink. */
const TARGET_BYTES_MAX = 4095;
const NODE_TYPES: readonly number[] = [S_IFREG, S_IFDIR, S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK];

/** The parts of the filesystem that names are made of. */
export interface NameParts {
  readonly store: VolumeStore;
  readonly clock: Clock;
  readonly nodes: NodeTable;
  readonly directories: Directories;
  readonly privileges: Privileges;
  readonly removal: Removal;
}

/** Names and what they lead to: making, linking, removing. Space was admitted before. */
export class Names {
  readonly #parts: NameParts;
  readonly #key = new Uint8Array(NODE_KEY_BYTES);

  constructor(parts: NameParts) {
    this.#parts = parts;
  }

  /** The inode that a name leads to; ENOENT, or ENOTDIR where `parent` is no directory. */
  lookup(parent: number, name: Uint8Array): number {
    if (name.length > NAME_BYTES_MAX) this.directory(parent);
    checkName(name);
    if (isDots(name, 1)) return this.directory(parent).ino;
    if (isDots(name, 2)) return this.directory(parent).inode.parent;
    const { ino } = this.#parts.directories.find(parent, name);
    if (ino !== 0) return ino;
    const mode = this.#parts.nodes.mode(parent);
    if (mode === 0) fail("ESTALE");
    return fail(isDirectory(mode) ? "ENOENT" : "ENOTDIR");
  }

  /** Makes any node but a symlink; returns its number. */
  make(caller: Caller, parentIno: number, name: Uint8Array, asked: NewNode): number {
    if (!NODE_TYPES.includes(asked.mode & S_IFMT)) fail("EINVAL");
    const parent = this.#place(parentIno, name);
    const node = this.#newNode(asked.mode);
    if (directoryType(asked.mode) === directoryType(S_IFCHR) || (asked.mode & S_IFMT) === S_IFBLK) {
      node.inode.rdev = asked.rdev;
    }
    this.#parts.privileges.inherit(caller, parent, node);
    this.#inheritSecrecy(parent, node);
    return this.enter(parent, name, node);
  }

  /** A node that stands for something removed, not entered yet. */
  whiteout(caller: Caller, parent: Node): Node {
    const node = this.#newNode(S_IFCHR);
    this.#parts.privileges.inherit(caller, parent, node);
    return node;
  }

  /** Makes a regular file that has no name yet, open; returns its number. */
  makeUnnamed(caller: Caller, parentIno: number, mode: number): number {
    const parent = this.directory(parentIno);
    if (parent.inode.nlink === 0) fail("ENOENT");
    const made = this.#newNode(S_IFREG | mode & PERMISSIONS);
    this.#parts.privileges.inherit(caller, parent, made);
    this.#inheritSecrecy(parent, made);
    made.inode.nlink = 0;
    const { nodes, removal } = this.#parts;
    nodes.add(made.ino, made.inode);
    const node = nodes.get(made.ino);
    node.opens++;
    removal.unlinked(node);
    return made.ino;
  }

  /** Makes a symlink; returns its number. */
  symlink(caller: Caller, parentIno: number, name: Uint8Array, target: Uint8Array): number {
    if (target.length === 0) fail("ENOENT");
    if (target.length > TARGET_BYTES_MAX) fail("ENAMETOOLONG");
    const parent = this.#place(parentIno, name);
    const node = this.#newNode(S_IFLNK | 0o777);
    node.inode.uid = caller.uid;
    node.inode.gid = caller.gid;
    if ((parent.inode.mode & 0o2000) !== 0) node.inode.gid = parent.inode.gid;
    node.inode.size = target.length;
    this.#parts.store.tree.put(encodeNodeKey(this.#key, KEY_TYPE.target, node.ino), target);
    return this.enter(parent, name, node);
  }

  /** The target of a symlink. */
  readlink(ino: number): Uint8Array {
    const mode = this.#parts.nodes.mode(ino);
    if (mode === 0) fail("ESTALE");
    if ((mode & S_IFMT) !== S_IFLNK) fail("EINVAL");
    const target = this.#parts.store.tree.get(encodeNodeKey(this.#key, KEY_TYPE.target, ino));
    return target === null ? fail("EIO") : target.slice();
  }

  /** Gives a node one more name; returns its number. */
  link(ino: number, parentIno: number, name: Uint8Array): number {
    const { nodes, clock, directories } = this.#parts;
    const node = nodes.get(ino);
    if (isDirectory(node.inode.mode)) fail("EPERM");
    const parent = this.#place(parentIno, name);
    // What was unlinked stays so; what never had a name (O_TMPFILE) has no parent either.
    if (node.inode.nlink === 0 && node.inode.parent !== 0) fail("ENOENT");
    if (node.inode.nlink >= LINKS_MAX) fail("EMLINK");
    if (node.inode.nlink === 0) this.#parts.removal.named(node);
    directories.insert(parent.ino, name, { ino, type: directoryType(node.inode.mode) });
    parent.inode.size++;
    clock.modified(parent.inode);
    nodes.save(parent);
    node.inode.nlink++;
    node.inode.parent = parent.ino;
    clock.changed(node.inode);
    nodes.save(node);
    return ino;
  }

  /** Removes the name of anything but a directory. */
  unlink(parentIno: number, name: Uint8Array): void {
    const { parent, node, cookie } = this.#named(parentIno, name);
    if (isDirectory(node.inode.mode)) fail("EISDIR");
    this.leave(parent, cookie);
    this.#parts.nodes.save(parent);
    this.unlinkNode(node);
  }

  /** Removes an empty directory. */
  rmdir(parentIno: number, name: Uint8Array): void {
    if (isDots(name, 1)) fail("EINVAL");
    if (isDots(name, 2)) fail("ENOTEMPTY");
    const { parent, node, cookie } = this.#named(parentIno, name);
    if (!isDirectory(node.inode.mode)) fail("ENOTDIR");
    if (!this.#parts.directories.isEmpty(node.ino)) fail("ENOTEMPTY");
    this.leave(parent, cookie);
    parent.inode.nlink--;
    this.#parts.nodes.save(parent);
    this.unlinkNode(node);
  }

  /** A directory that entries can be added to or taken from; ENOTDIR, or ENOENT where it was removed. */
  directory(ino: number): Node {
    const node = this.#parts.nodes.get(ino);
    if (!isDirectory(node.inode.mode)) fail("ENOTDIR");
    return node;
  }

  /** Takes an entry away. The caller saves the parent. */
  leave(parent: Node, cookie: number): void {
    this.#parts.directories.remove(parent.ino, cookie);
    parent.inode.size--;
    this.#parts.clock.modified(parent.inode);
  }

  /** A name of this node is gone, or leads to another one; with the last one the node goes. */
  unlinkNode(node: Node, isReplaced = false): void {
    const { nodes, clock, removal } = this.#parts;
    node.inode.nlink = isDirectory(node.inode.mode) ? 0 : node.inode.nlink - 1;
    clock.changed(node.inode);
    if (node.inode.nlink === 0) removal.unlinked(node, isReplaced);
    else nodes.save(node);
  }

  /** The directory in which `name` can be made. */
  #place(parentIno: number, name: Uint8Array): Node {
    const parent = this.directory(parentIno);
    if (parent.inode.nlink === 0) fail("ENOENT");
    checkName(name);
    if (isDots(name, 1) || isDots(name, 2)) fail("EEXIST");
    if (this.#parts.directories.find(parentIno, name).ino !== 0) fail("EEXIST");
    return parent;
  }

  #named(parentIno: number, name: Uint8Array): { parent: Node; node: Node; cookie: number } {
    const { nodes, directories } = this.#parts;
    const parent = this.directory(parentIno);
    checkName(name);
    if (isDots(name, 1) || isDots(name, 2)) fail("EISDIR");
    const { ino, cookie } = directories.find(parentIno, name);
    if (ino === 0) fail("ENOENT");
    return { parent, node: nodes.get(ino), cookie };
  }

  #newNode(mode: number): Node {
    const inode: Inode = emptyInode();
    inode.mode = mode & (S_IFMT | PERMISSIONS);
    inode.nlink = 1;
    this.#parts.clock.born(inode);
    return nodeOf(this.#parts.store.nextObjectId(), inode);
  }

  /** What is made in a shreddable directory can be shredded by forgetting a secret. */
  #inheritSecrecy(parent: Node, { ino, inode }: Node): void {
    if ((parent.inode.flags & INODE_FLAG.shreddable) === 0) return;
    if (isDirectory(inode.mode)) inode.flags |= INODE_FLAG.shreddable;
    else if (isRegular(inode.mode)) inode.secret = this.#parts.store.makeSecret?.(ino) ?? 0;
  }

  /** Gives a new node its first name, which is free; returns its number. */
  enter(parent: Node, name: Uint8Array, node: Node): number {
    const { nodes, clock, directories } = this.#parts;
    const { ino, inode } = node;
    directories.insert(parent.ino, name, { ino, type: directoryType(inode.mode) });
    parent.inode.size++;
    inode.parent = parent.ino;
    if (isDirectory(inode.mode)) {
      inode.nlink = 2;
      parent.inode.nlink++;
    }
    clock.modified(parent.inode);
    nodes.save(parent);
    nodes.add(ino, inode);
    return ino;
  }
}
