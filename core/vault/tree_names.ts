import { VaultError } from "../errors.ts";
import { DIRENT_NAME_AT, direntIno } from "../format/dirent.ts";
import { decodeInode, emptyInode, type Inode } from "../format/inode.ts";
import {
  encodeEntryKey,
  encodeNodeKey,
  ENTRY_KEY_BYTES,
  KEY_TYPE,
  keyIno,
  NODE_KEY_BYTES,
  ROOT_INO,
} from "../format/volume_key.ts";
import { isDirectory } from "../fs/mode.ts";
import { joined } from "./file_access.ts";

/** Directories above one another that a path is followed through: more are damage. */
const DEPTH_MAX = 65_536;
/** Entries looked at before pages are let go. */
const ENTRIES_PER_SCAN = 4096;
const ROOT_PATH = new Uint8Array([0x2f]);
const NO_NAME = new Uint8Array(0);

/** A volume's tree, to be read. */
export interface TreeReader {
  get(key: Uint8Array): Uint8Array | null;
  scan(from: Uint8Array, visit: (key: Uint8Array, value: Uint8Array) => boolean): void;
  /** Lets pages go that do not fit into the cache. */
  trim(): void;
}

/** A name in a directory, and what it leads to. */
export interface NamedInode {
  readonly directory: number;
  readonly name: Uint8Array<ArrayBuffer>;
  readonly ino: number;
  /** As in `d_type`. */
  readonly type: number;
}

/** The names of inodes in one state of a volume. A directory knows its parent; whose child a file is, only the entries say. */
export class TreeNames {
  readonly #tree: TreeReader;
  readonly #key = new Uint8Array(NODE_KEY_BYTES);
  readonly #directories = new Map<number, NamedInode>();
  readonly #paths = new Map<number, Uint8Array<ArrayBuffer>>([[ROOT_INO, ROOT_PATH]]);

  /** Over one tree. */
  constructor(tree: TreeReader) {
    this.#tree = tree;
  }

  /** True where there is such an inode. */
  has(ino: number): boolean {
    return this.#inode(ino) !== null;
  }

  #inode(ino: number): Inode | null {
    const record = this.#tree.get(encodeNodeKey(this.#key, KEY_TYPE.inode, ino));
    if (record === null) return null;
    const inode = emptyInode();
    decodeInode(record, inode);
    return inode;
  }

  /** All names of these inodes. Looks through the directories where they were named last; through all, where a name is elsewhere. */
  namesOf(inos: ReadonlySet<number>): NamedInode[] {
    const directories = new Set<number>();
    const others = new Set<number>();
    for (const ino of inos) {
      const inode = this.#inode(ino);
      if (inode !== null) (isDirectory(inode.mode) ? directories : others).add(ino);
    }
    this.#findDirectories(directories);
    const names = [...directories].map((ino) =>
      ino === ROOT_INO
        ? { directory: ROOT_INO, name: NO_NAME, ino, type: 4 }
        : this.#directories.get(ino)
    );
    return [...names.filter((name) => name !== undefined), ...this.#namesOfFiles(others)];
  }

  #namesOfFiles(inos: ReadonlySet<number>): NamedInode[] {
    const found: NamedInode[] = [];
    const missing = new Map<number, number>();
    const places = new Map<number, Set<number>>();
    for (const ino of inos) {
      const { nlink, parent } = this.#inode(ino) ?? emptyInode();
      missing.set(ino, nlink);
      const place = places.get(parent);
      if (place === undefined) places.set(parent, new Set([ino]));
      else place.add(ino);
    }
    for (const [directory, here] of places) {
      this.#scanEntries(directory, here, (named) => {
        found.push(named);
        missing.set(named.ino, missing.get(named.ino)! - 1);
      });
    }
    const elsewhere = new Set([...inos].filter((ino) => missing.get(ino)! > 0));
    if (elsewhere.size === 0) return found;
    const sure = found.filter(({ ino }) => !elsewhere.has(ino));
    this.#scanEntries(null, elsewhere, (named) => void sure.push(named));
    return sure;
  }

  /** Finds the paths of the directories that these lie in, all at once: each directory on the way is looked through once. */
  prepare(entries: readonly { readonly directory: number }[]): void {
    const wanted = new Set<number>();
    for (const { directory } of entries) {
      for (let at = directory; at !== ROOT_INO && !wanted.has(at);) {
        wanted.add(at);
        at = this.#inode(at)?.parent ?? ROOT_INO;
      }
    }
    this.#findDirectories(wanted);
  }

  #findDirectories(inos: ReadonlySet<number>): void {
    const byParent = new Map<number, Set<number>>();
    for (const ino of inos) {
      if (ino === ROOT_INO || this.#directories.has(ino)) continue;
      const parent = this.#inode(ino)?.parent ?? ROOT_INO;
      const children = byParent.get(parent);
      if (children === undefined) byParent.set(parent, new Set([ino]));
      else children.add(ino);
    }
    for (const [parent, children] of byParent) {
      this.#scanEntries(parent, children, (named) => {
        this.#directories.set(named.ino, named);
        // A directory has one name.
        children.delete(named.ino);
        return children.size > 0;
      });
    }
  }

  /** Visits the entries of a directory, or of all, that lead to one of `inos`, until `visit` returns false. */
  #scanEntries(
    directory: number | null,
    inos: ReadonlySet<number>,
    visit: (named: NamedInode) => boolean | void,
  ): void {
    let from: Uint8Array | null = encodeEntryKey(
      new Uint8Array(ENTRY_KEY_BYTES),
      directory ?? 0,
      0,
    );
    while (from !== null) {
      let next: Uint8Array | null = null;
      let left = ENTRIES_PER_SCAN;
      this.#tree.scan(from, (key, value) => {
        if (key[0] !== KEY_TYPE.entry) return false;
        if (directory !== null && keyIno(key) !== directory) return false;
        if (left-- === 0) {
          next = key.slice();
          return false;
        }
        const ino = direntIno(value);
        if (!inos.has(ino)) return true;
        const name = value.slice(DIRENT_NAME_AT) as Uint8Array<ArrayBuffer>;
        return visit({ directory: keyIno(key), name, ino, type: value[6] }) !== false;
      });
      this.#tree.trim();
      from = next;
    }
  }

  /** The path of a directory that was prepared. */
  pathOf(ino: number): Uint8Array<ArrayBuffer> {
    const below: NamedInode[] = [];
    let path = this.#paths.get(ino);
    for (let at = ino; path === undefined; path = this.#paths.get(at)) {
      const named = this.#directories.get(at);
      if (named === undefined || below.length === DEPTH_MAX) {
        throw new VaultError("corrupt", `Cannot find the path of directory ${ino}; run "check"`);
      }
      below.push(named);
      at = named.directory;
    }
    for (const named of below.reverse()) {
      path = joined(path, named.name);
      this.#paths.set(named.ino, path);
    }
    return path;
  }
}
