import { checkDirent, DIRENT_BYTES_MAX, direntIno, encodeDirent } from "../format/dirent.ts";
import { VaultError } from "../errors.ts";
import { decodeExtent, emptyExtent, type Extent } from "../format/extent.ts";
import {
  decodeInode,
  emptyInode,
  encodeInode,
  type Inode,
  INODE_BYTES,
  INODE_FLAG,
} from "../format/inode.ts";
import {
  encodeEntryKey,
  encodeExtentKey,
  encodeNodeKey,
  ENTRY_KEY_BYTES,
  EXTENT_KEY_BYTES,
  KEY_TYPE,
  keyIno,
  NODE_KEY_BYTES,
  nodeKey,
  ROOT_INO,
} from "../format/volume_key.ts";
import { directoryType, isDirectory, isSymlink, S_IFDIR } from "../fs/mode.ts";
import type { Volume } from "../volume/volume.ts";
import { viewOf } from "../bytes.ts";
import { HoleInodes } from "./hole_inodes.ts";
import type { Loss } from "./lost_files.ts";
import type { CopiedData } from "./salvage_data.ts";
import type { TolerantTree } from "./tolerant_tree.ts";

const LOST_AND_FOUND = "lost+found";
/** As in the entry's format: cookies of names begin above those of "." and "..". */
const COOKIE_BASE = 3;
const NAME_PROBES = 256;
/** Records put as one group. */
const GROUP_RECORDS = 256;
const ATTRIBUTE_FLAGS = INODE_FLAG.attributes | INODE_FLAG.accessAcl | INODE_FLAG.defaultAcl |
  INODE_FLAG.capability;

/** A directory of the new tree. */
interface Directory {
  parent: number;
  entries: number;
  subdirectories: number;
}

/**
 * Makes a tree of files out of the records that are left of one: files that are whole, with their names, and directories.
 * A directory whose record is lost is made anew where its entries are left; what has no name any more goes to `lost+found`.
 */
export class TreeCopy {
  /** Inode → what is lost of it. */
  readonly losses: Map<number, Loss> = new Map();
  /** Number above all inodes. */
  nextIno = 2;
  readonly #tree: TolerantTree;
  readonly #volume: Volume;
  readonly #data: CopiedData;
  readonly #without: ReadonlySet<number>;
  readonly #directories = new Map<number, Directory>([[ROOT_INO, directory(ROOT_INO)]]);
  /** Of all else that is kept: how many names it has. */
  readonly #names = new Map<number, number>();
  /** Directories whose record is there, and those that are made without one. */
  readonly #recorded = new Set<number>();
  readonly #made = new Set<number>([ROOT_INO]);
  /** Whose extended attributes are gone. */
  readonly #bare = new Set<number>();
  readonly #key = new Uint8Array(NODE_KEY_BYTES);
  #records = 0;

  /** `without`: inodes that were being freed. */
  constructor(
    tree: TolerantTree,
    volume: Volume,
    data: CopiedData,
    without: ReadonlySet<number>,
  ) {
    this.#tree = tree;
    this.#volume = volume;
    this.#data = data;
    this.#without = without;
  }

  /** Puts everything but extents; yields after every few records. */
  *run(): Generator<void> {
    const all = () => true;
    this.#tree.scan(new Uint8Array([KEY_TYPE.inode]), all); // finds the holes
    const holes = new HoleInodes(this.#tree.holes);
    yield* this.#each(KEY_TYPE.inode, (key, value) => this.#choose(keyIno(key), value, holes));
    yield* this.#dropData();
    yield* this.#each(KEY_TYPE.entry, (key) => {
      const ino = keyIno(key);
      this.nextIno = Math.max(this.nextIno, ino + 1);
      const isKnown = this.#directories.has(ino) || this.#without.has(ino);
      if (isKnown) return;
      this.#directories.set(ino, directory(0));
      this.#made.add(ino);
      this.losses.set(ino, "inode");
    });
    yield* this.#each(KEY_TYPE.entry, (key, value) => this.#putEntry(key, value));
    this.#findLostAndFound();
    yield* this.#each(KEY_TYPE.inode, (key, value) => this.#putInode(keyIno(key), value));
    this.#makeDirectories();
    for (const type of [KEY_TYPE.inline, KEY_TYPE.attribute, KEY_TYPE.target, KEY_TYPE.pending]) {
      yield* this.#each(type, (key, value) => {
        const ino = keyIno(key);
        const isKept = this.#names.has(ino) || this.#recorded.has(ino);
        if (isKept) this.#put(key, value);
      });
    }
    yield* this.#each(KEY_TYPE.foreign, (key, value) => this.#put(key, value));
    this.#volume.endGroup();
  }

  *#each(
    type: number,
    visit: (key: Uint8Array, value: Uint8Array) => void,
  ): Generator<void> {
    let from: Uint8Array | null = new Uint8Array([type]);
    while (from !== null) {
      let next: Uint8Array | null = null;
      let left = GROUP_RECORDS;
      this.#tree.scan(from, (key, value) => {
        if (key[0] !== type) return false;
        if (left-- === 0) {
          next = key.slice();
          return false;
        }
        visit(key, value);
        return true;
      });
      yield;
      from = next;
    }
  }

  /** The data of files that are not whole, or of which nothing else is left. */
  *#dropData(): Generator<void> {
    for (const ino of this.#data.cells.keys()) {
      if (this.#names.has(ino) || this.#data.lost.has(ino)) continue;
      if (!this.losses.has(ino)) this.losses.set(ino, "inode");
      const keys: Uint8Array[] = [];
      const from = encodeExtentKey(new Uint8Array(EXTENT_KEY_BYTES), ino, 0);
      const extent: Extent = emptyExtent();
      this.#volume.tree.scan(from, (key, value) => {
        if (key[0] !== KEY_TYPE.extent || keyIno(key) !== ino) return false;
        keys.push(key.slice());
        decodeExtent(value, extent);
        if (!extent.unwritten) this.#volume.drop(extent.firstId, extent.count);
        return true;
      });
      for (const key of keys) this.#volume.tree.delete(key);
      this.#volume.endGroup();
      yield;
    }
  }

  #put(key: Uint8Array, value: Uint8Array): void {
    if (++this.#records % GROUP_RECORDS === 0) this.#volume.endGroup();
    this.#volume.admit(GROUP_RECORDS, "write");
    this.#volume.tree.put(key, value);
  }

  /** Decides what becomes of an inode. */
  #choose(ino: number, value: Uint8Array, holes: HoleInodes): void {
    this.nextIno = Math.max(this.nextIno, ino + 1);
    if (this.#without.has(ino)) return;
    const inode = emptyInode();
    decodeInode(value, inode);
    if (isDirectory(inode.mode)) {
      this.#recorded.add(ino);
      if (ino === ROOT_INO) this.#made.delete(ino);
      else this.#directories.set(ino, directory(0));
      if (holes.mayMiss(KEY_TYPE.entry, ino)) this.losses.set(ino, "names");
    } else if (this.#isWhole(ino, inode)) this.#names.set(ino, 0);
    else return void this.losses.set(ino, "data");
    if ((inode.flags & INODE_FLAG.attributes) === 0) return;
    if (!holes.mayMiss(KEY_TYPE.attribute, ino)) return;
    if (!this.losses.has(ino)) this.losses.set(ino, "attributes");
    if (!this.#hasAttribute(ino)) this.#bare.add(ino);
  }

  #isWhole(ino: number, { mode, flags, cells }: Inode): boolean {
    if (this.#data.lost.has(ino) || (this.#data.cells.get(ino) ?? 0) !== cells) return false;
    if ((flags & INODE_FLAG.inline) !== 0 && !this.#has(KEY_TYPE.inline, ino)) return false;
    return !isSymlink(mode) || this.#has(KEY_TYPE.target, ino);
  }

  #has(type: 4 | 6, ino: number): boolean {
    return this.#tree.get(encodeNodeKey(this.#key, type, ino)) !== null;
  }

  #hasAttribute(ino: number): boolean {
    const from = nodeKey(KEY_TYPE.inode, ino);
    from[0] = KEY_TYPE.attribute;
    let found = false;
    this.#tree.scan(from, (key) => {
      found = key[0] === KEY_TYPE.attribute && keyIno(key) === ino;
      return false;
    });
    return found;
  }

  #putEntry(key: Uint8Array, value: Uint8Array): void {
    try {
      checkDirent(value);
    } catch (error) {
      if (error instanceof VaultError) return; // what it should have named is found without a name
      throw error;
    }
    const [at, ino] = [keyIno(key), direntIno(value)];
    const parent = this.#directories.get(at);
    if (parent === undefined) return;
    const child = this.#directories.get(ino);
    if (child === undefined && !this.#names.has(ino)) {
      if (!this.losses.has(ino) && !this.#without.has(ino)) this.losses.set(ino, "inode");
      return;
    }
    parent.entries++;
    if (child !== undefined) {
      parent.subdirectories++;
      child.parent = at;
    } else this.#names.set(ino, this.#names.get(ino)! + 1);
    this.#put(key, value);
  }

  /** Names what has none any more. */
  #findLostAndFound(): void {
    const nameless = [...this.#names].filter(([, names]) => names === 0).map(([ino]) => ino);
    for (const [ino, { parent }] of this.#directories) if (parent === 0) nameless.push(ino);
    if (nameless.length === 0) return;
    const place = this.nextIno++;
    this.#directories.set(place, directory(0));
    this.#made.add(place);
    this.#enter(ROOT_INO, LOST_AND_FOUND, place);
    for (const ino of nameless) {
      this.#enter(place, `#${ino}`, ino);
      if (!this.losses.has(ino)) this.losses.set(ino, "name");
    }
  }

  #enter(at: number, name: string, ino: number): void {
    const bytes = new TextEncoder().encode(name);
    const key = new Uint8Array(ENTRY_KEY_BYTES);
    const hash = this.#volume.hashName(bytes);
    let probe = 0;
    do encodeEntryKey(key, at, hash * NAME_PROBES + COOKIE_BASE + probe++); while (
      this.#volume.tree.get(key) !== null
    );
    const type = this.#directories.has(ino) ? directoryType(S_IFDIR) : this.#typeOf(ino);
    const entry = encodeDirent(new Uint8Array(DIRENT_BYTES_MAX), bytes, { ino, type });
    this.#putEntry(key, entry);
  }

  #typeOf(ino: number): number {
    const record = this.#tree.get(encodeNodeKey(this.#key, KEY_TYPE.inode, ino));
    const inode = emptyInode();
    if (record !== null) decodeInode(record, inode);
    return directoryType(inode.mode);
  }

  #putInode(ino: number, value: Uint8Array): void {
    const found = this.#directories.get(ino);
    const names = this.#names.get(ino);
    if (found === undefined && names === undefined) return;
    const inode = emptyInode();
    decodeInode(value, inode);
    inode.secret = 0; // it is not there any more: what is whole was not under it
    if (this.#bare.has(ino)) inode.flags &= ~ATTRIBUTE_FLAGS;
    if (found !== undefined) this.#putDirectory(ino, inode, found);
    else {
      const cells = this.#data.copiedCells.get(ino) ?? 0;
      this.#encode(ino, { ...inode, nlink: names!, cells });
    }
  }

  #putDirectory(ino: number, inode: Inode, { parent, entries, subdirectories }: Directory): void {
    this.#encode(ino, { ...inode, size: entries, nlink: 2 + subdirectories, parent });
    this.#made.delete(ino);
  }

  #encode(ino: number, inode: Inode): void {
    const value = new Uint8Array(INODE_BYTES);
    encodeInode(inode, viewOf(value));
    this.#put(nodeKey(KEY_TYPE.inode, ino), value);
  }

  /** Directories without a record: theirs for their owner alone. */
  #makeDirectories(): void {
    for (const ino of [...this.#made]) {
      const now = Math.floor(this.#volume.runtime.now() / 1000);
      const times = { atime: now, mtime: now, ctime: now, crtime: now };
      const inode = { ...emptyInode(), mode: S_IFDIR | 0o700, ...times };
      this.#putDirectory(ino, inode, this.#directories.get(ino)!);
    }
  }
}

function directory(parent: number): Directory {
  return { parent, entries: 0, subdirectories: 0 };
}
