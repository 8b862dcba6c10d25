import { DIRENT_NAME_AT, direntIno } from "../format/dirent.ts";
import { decodeExtent, emptyExtent, type Extent } from "../format/extent.ts";
import { decodeInode, emptyInode, INODE_FLAG } from "../format/inode.ts";
import { encodeNodeKey, KEY_TYPE, keyIno, NODE_KEY_BYTES, ROOT_INO } from "../format/volume_key.ts";
import { isDirectory, isSymlink } from "../fs/mode.ts";
import { HoleInodes } from "./hole_inodes.ts";
import type { LostIds } from "./lost_ids.ts";
import type { TolerantTree } from "./tolerant_tree.ts";

/** Directories above one another that a path is followed through. */
const DEPTH_MAX = 65_536;

/** What is lost of a file. */
export type Loss =
  | "data" // blocks, or where they are
  | "inode" // a name leads to it, nothing else is known
  | "name" // its own: it is in lost+found
  | "names" // of a directory: some or all of its entries
  | "attributes"; // of a file that is whole otherwise: maybe some extended ones

/** A file that is lost, or not whole. */
export interface LostFile {
  /** As far as names can be read: `?` stands for a directory whose name is lost. */
  readonly path: string;
  /** Its inode number. */
  readonly ino: number;
  /** What of it is lost. */
  readonly loss: Loss;
}

interface Name {
  readonly directory: number;
  readonly name: string;
}

/** Names, one by one, the files of a tree that lost blocks or holes of the tree have hurt. */
export function findLostFiles(tree: TolerantTree, lost: LostIds): LostFile[] {
  const losses = lossesOf(tree, lost);
  return nameLosses(tree, losses);
}

/** The same for losses that are known. */
export function nameLosses(tree: TolerantTree, losses: ReadonlyMap<number, Loss>): LostFile[] {
  if (losses.size === 0) return [];
  const names = new Names(tree, losses);
  return [...losses].flatMap(([ino, loss]) => names.paths(ino).map((path) => ({ path, ino, loss })))
    .sort((a, b) => a.path < b.path ? -1 : 1);
}

/** Inode → what is lost of it. */
export function lossesOf(tree: TolerantTree, lost: LostIds): Map<number, Loss> {
  const losses = new Map<number, Loss>();
  const extent: Extent = emptyExtent();
  tree.scan(new Uint8Array([KEY_TYPE.inode]), (key, value) => {
    if (key[0] === KEY_TYPE.extent) {
      decodeExtent(value, extent);
      const isHurt = !extent.unwritten && lost.within(extent.firstId, extent.count);
      if (isHurt) losses.set(keyIno(key), "data");
    }
    return key[0] <= KEY_TYPE.extent || tree.holes.length === 0;
  });
  tree.scan(new Uint8Array([KEY_TYPE.inline]), () => true); // all holes are known then
  const holes = new HoleInodes(tree.holes);
  if (tree.holes.length === 0) return losses;
  addByInode(tree, holes, losses);
  if (holes.touches(KEY_TYPE.inode)) addNameless(tree, holes, losses);
  return losses;
}

/** Inodes whose other records are missing. */
function addByInode(tree: TolerantTree, holes: HoleInodes, losses: Map<number, Loss>): void {
  const inode = emptyInode();
  tree.scan(new Uint8Array([KEY_TYPE.inode]), (key, value) => {
    if (key[0] !== KEY_TYPE.inode) return false;
    const ino = keyIno(key);
    decodeInode(value, inode);
    const { mode, flags, cells } = inode;
    const lacks = (type: number, is: boolean) => is && holes.mayMiss(type, ino);
    if (lacks(KEY_TYPE.entry, isDirectory(mode))) losses.set(ino, "names");
    else if (
      lacks(KEY_TYPE.extent, cells > 0) ||
      lacks(KEY_TYPE.inline, (flags & INODE_FLAG.inline) !== 0) ||
      lacks(KEY_TYPE.target, isSymlink(mode))
    ) losses.set(ino, "data");
    else if (lacks(KEY_TYPE.attribute, (flags & INODE_FLAG.attributes) !== 0)) {
      if (!losses.has(ino)) losses.set(ino, "attributes");
    }
    return true;
  });
}

/** Names that lead to an inode whose record cannot be read. */
function addNameless(tree: TolerantTree, holes: HoleInodes, losses: Map<number, Loss>): void {
  const suspects = new Set<number>();
  tree.scan(new Uint8Array([KEY_TYPE.entry]), (key, value) => {
    if (key[0] !== KEY_TYPE.entry) return false;
    const ino = direntIno(value);
    if (holes.mayMiss(KEY_TYPE.inode, ino)) suspects.add(ino);
    return true;
  });
  const key = new Uint8Array(NODE_KEY_BYTES);
  for (const ino of suspects) {
    if (tree.get(encodeNodeKey(key, KEY_TYPE.inode, ino)) === null) losses.set(ino, "inode");
  }
}

/** The names of some inodes, and of all directories above them: two passes over the entries. */
class Names {
  /** A file may have several. */
  readonly #names = new Map<number, Name[]>();
  readonly #tree: TolerantTree;
  readonly #key = new Uint8Array(NODE_KEY_BYTES);

  constructor(tree: TolerantTree, inos: ReadonlyMap<number, Loss>) {
    this.#tree = tree;
    this.#find(inos);
    const above = new Set<number>();
    const directories = [...this.#names.values()].flat().map(({ directory }) => directory);
    for (const ino of [...inos.keys(), ...directories]) {
      for (let at = ino; at !== ROOT_INO && at !== 0 && !above.has(at);) {
        above.add(at);
        at = this.#parent(at);
      }
    }
    for (const ino of inos.keys()) above.delete(ino);
    this.#find(above);
  }

  #find(inos: { has(ino: number): boolean; readonly size: number }): void {
    if (inos.size === 0) return;
    const text = new TextDecoder();
    this.#tree.scan(new Uint8Array([KEY_TYPE.entry]), (key, value) => {
      if (key[0] !== KEY_TYPE.entry) return false;
      const ino = direntIno(value);
      if (!inos.has(ino)) return true;
      const name = { directory: keyIno(key), name: text.decode(value.slice(DIRENT_NAME_AT)) };
      const known = this.#names.get(ino);
      if (known === undefined) this.#names.set(ino, [name]);
      else known.push(name);
      return true;
    });
  }

  #parent(ino: number): number {
    const record = this.#tree.get(encodeNodeKey(this.#key, KEY_TYPE.inode, ino));
    if (record === null) return this.#names.get(ino)?.[0].directory ?? 0;
    const inode = emptyInode();
    decodeInode(record, inode);
    return inode.parent;
  }

  /** Every path of an inode. */
  paths(ino: number): string[] {
    if (ino === ROOT_INO) return ["/"];
    const names = this.#names.get(ino);
    if (names === undefined) return [`? (inode ${ino})`];
    return names.map(({ directory, name }) => this.#below(directory, name));
  }

  #below(directory: number, name: string): string {
    const parts = [name];
    for (let at = directory; at !== ROOT_INO;) {
      const named = this.#names.get(at)?.[0];
      if (named === undefined || parts.length === DEPTH_MAX) return ["?", ...parts].join("/");
      parts.unshift(named.name);
      at = named.directory;
    }
    return `/${parts.join("/")}`;
  }
}
