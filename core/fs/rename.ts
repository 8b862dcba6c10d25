import { checkName, isDots } from "./directory.ts";
import { VaultError } from "../errors.ts";
import { type ErrnoName, fail } from "./errno.ts";
import type { Place, RenameFlags } from "./file_system.ts";
import { directoryType, isDirectory } from "./mode.ts";
import type { NameParts, Names } from "./names.ts";
import type { Node } from "./node.ts";

/** Directories between a place and the root; more are a loop, which only damage can make. */
const DEPTH_MAX = 1 << 20;

/** One side of a rename. */
interface Side {
  readonly parent: Node;
  readonly name: Uint8Array;
  /** Null where the name is free. */
  readonly node: Node | null;
  readonly cookie: number;
}

/** Moves names. `beforeReplace` is told about the node that takes over a name, before anything changes. */
export class Renamer {
  readonly #parts: NameParts;
  readonly #names: Names;
  readonly #beforeReplace: (node: Node) => void;

  constructor(parts: NameParts, names: Names, beforeReplace: (node: Node) => void) {
    this.#parts = parts;
    this.#names = names;
    this.#beforeReplace = beforeReplace;
  }

  /** POSIX rename, and Linux's RENAME_NOREPLACE, RENAME_EXCHANGE and RENAME_WHITEOUT. */
  rename(from: Place, to: Place, flags: RenameFlags): void {
    if (flags.exchange && (flags.noReplace || flags.whiteout)) fail("EINVAL");
    const parents = [this.#names.directory(from.parent), this.#names.directory(to.parent)];
    checkName(to.name);
    const source = this.#side(parents[0], from.name);
    const target = this.#side(parents[1], to.name);
    if (source.node === null) return fail("ENOENT");
    if (target.parent.inode.nlink === 0) fail("ENOENT");
    if (target.node !== null && flags.noReplace) fail("EEXIST");
    if (target.node === null && flags.exchange) fail("ENOENT");
    this.#checkOutside(source.node, target.parent, "EINVAL");
    if (flags.exchange && target.node !== null) {
      this.#checkOutside(target.node, source.parent, "EINVAL");
      this.#exchange(source, source.node, target, target.node);
      return;
    }
    if (source.node === target.node) return;
    if (target.node !== null) {
      this.#checkOutside(target.node, source.parent, "ENOTEMPTY");
      this.#checkReplaceable(source.node, target.node);
    }
    // First: it may be one file more than the quota allows.
    const left = flags.whiteout && this.#names.whiteout(flags.whiteout, source.parent);
    this.#move(source, source.node, target);
    if (left) this.#names.enter(source.parent, source.name, left);
  }

  #side(parent: Node, name: Uint8Array): Side {
    checkName(name);
    if (isDots(name, 1) || isDots(name, 2)) fail("EBUSY");
    const { ino, cookie } = this.#parts.directories.find(parent.ino, name);
    const node = ino === 0 ? null : this.#parts.nodes.get(ino);
    return { parent, name, node, cookie };
  }

  #checkReplaceable(source: Node, target: Node): void {
    if (isDirectory(source.inode.mode)) {
      if (!isDirectory(target.inode.mode)) fail("ENOTDIR");
      if (!this.#parts.directories.isEmpty(target.ino)) fail("ENOTEMPTY");
    } else if (isDirectory(target.inode.mode)) {
      fail("EISDIR");
    }
  }

  /** A directory cannot be moved below itself, nor replaced by what lies below it. */
  #checkOutside(node: Node, parent: Node, errno: ErrnoName): void {
    if (!isDirectory(node.inode.mode) || node.inode.parent === parent.ino) return;
    let at = parent;
    for (let depth = 0; depth < DEPTH_MAX; depth++) {
      if (at.ino === node.ino) fail(errno);
      if (at.inode.parent === at.ino) return;
      at = this.#parts.nodes.get(at.inode.parent);
    }
    throw new VaultError("corrupt", "Cannot rename: directories form a loop");
  }

  #move(source: Side, node: Node, target: Side): void {
    const { directories, nodes, clock } = this.#parts;
    const entry = { ino: node.ino, type: directoryType(node.inode.mode) };
    if (target.node === null) {
      directories.insert(target.parent.ino, target.name, entry);
      target.parent.inode.size++;
    } else {
      this.#beforeReplace(node);
      directories.replace(target.parent.ino, target, entry);
      if (isDirectory(target.node.inode.mode)) target.parent.inode.nlink--;
    }
    this.#names.leave(source.parent, source.cookie);
    clock.modified(target.parent.inode);
    reparent(node, source.parent, target.parent);
    clock.changed(node.inode);
    nodes.save(node);
    nodes.save(source.parent);
    if (target.parent !== source.parent) nodes.save(target.parent);
    if (target.node !== null) this.#names.unlinkNode(target.node, true);
  }

  #exchange(a: Side, nodeA: Node, b: Side, nodeB: Node): void {
    const { directories, nodes, clock } = this.#parts;
    if (nodeA === nodeB) return;
    const entryOf = (node: Node) => ({ ino: node.ino, type: directoryType(node.inode.mode) });
    directories.replace(a.parent.ino, a, entryOf(nodeB));
    directories.replace(b.parent.ino, b, entryOf(nodeA));
    reparent(nodeA, a.parent, b.parent);
    reparent(nodeB, b.parent, a.parent);
    for (const node of [nodeA, nodeB]) clock.changed(node.inode);
    for (const parent of [a.parent, b.parent]) clock.modified(parent.inode);
    for (const node of new Set([nodeA, nodeB, a.parent, b.parent])) nodes.save(node);
  }
}

function reparent(node: Node, from: Node, to: Node): void {
  node.inode.parent = to.ino;
  if (!isDirectory(node.inode.mode)) return;
  from.inode.nlink--;
  to.inode.nlink++;
}
