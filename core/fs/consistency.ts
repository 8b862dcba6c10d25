import { VaultError } from "../errors.ts";
import { checkDirent, DIRENT_NAME_AT, direntIno, direntType } from "../format/dirent.ts";
import { decodeExtent, type Extent } from "../format/extent.ts";
import { decodeInode, emptyInode, INODE_FLAG } from "../format/inode.ts";
import { KEY_TYPE, keyBlock, keyCookie, keyIno } from "../format/volume_key.ts";
import { CELL_BYTES } from "../limits.ts";
import type { VolumeStore } from "../volume/volume_store.ts";
import { directoryType, isDirectory, isSymlink } from "./mode.ts";
import { INLINE_BYTES_MAX } from "./stored_data.ts";

/** What {@linkcode checkConsistency} finds. */
export interface ConsistencyReport {
  readonly inodes: number;
  /** One line for each thing that is wrong; inode numbers, never names. */
  readonly problems: string[];
}

/** What is known of an inode: its record, and what other records say about it. */
interface Known {
  readonly mode: number;
  readonly nlink: number;
  readonly size: number;
  readonly cells: number;
  readonly flags: number;
  readonly parent: number;
  links: number;
  subdirectories: number;
  entries: number;
  cellsMet: number;
  parentMet: number;
  isOrphan: boolean;
  hasInline: boolean;
  hasTarget: boolean;
  hasAttributes: boolean;
}

const ROOT_INO = 1;
const NAME_PROBES = 256;
const COOKIE_BASE = 3;

/**
 * Compares every record of a volume's tree with every other: links with names, extents with sizes, flags with what
 * is there. `visitRun` is told about each run of data blocks that a file has, for a check of the blocks themselves.
 */
export function checkConsistency(
  store: VolumeStore,
  visitRun: (firstId: number, count: number) => void = () => {},
): ConsistencyReport {
  const check = new Check(store, visitRun);
  store.tree.scan(new Uint8Array([0]), (key, value) => {
    check.record(key, value);
    return true;
  });
  check.finish();
  return { inodes: check.inodes.size, problems: check.problems };
}

class Check {
  readonly problems: string[] = [];
  readonly inodes = new Map<number, Known>();
  readonly #store: VolumeStore;
  readonly #visitRun: (firstId: number, count: number) => void;
  readonly #inode = emptyInode();
  readonly #extent: Extent = { count: 1, firstId: 0, tailCells: 0, unwritten: false };
  readonly #pending = new Set<number>();
  readonly #ownerless = new Set<number>();
  #extentOwner = 0;
  #extentEnd = 0;

  constructor(store: VolumeStore, visitRun: (firstId: number, count: number) => void) {
    this.#store = store;
    this.#visitRun = visitRun;
  }

  record(key: Uint8Array, value: Uint8Array): void {
    const ino = keyIno(key);
    try {
      if (key[0] === KEY_TYPE.inode) return this.#addInode(ino, value);
      if (key[0] === KEY_TYPE.pending) return void this.#pending.add(ino);
      const known = this.inodes.get(ino);
      if (key[0] === KEY_TYPE.extent) return this.#addExtent(ino, keyBlock(key), value);
      if (known === undefined) return this.#wrong(ino, `a record of type ${key[0]} has no inode`);
      this.#addRecord(known, key, value);
    } catch (error) {
      if (!(error instanceof VaultError)) throw error;
      this.#wrong(ino, error.message);
    }
  }

  finish(): void {
    for (const ino of this.#ownerless) {
      if (!this.#pending.has(ino)) this.#wrong(ino, "extents have no inode");
    }
    for (const [ino, known] of this.inodes) this.#checkInode(ino, known);
    if (!this.inodes.has(ROOT_INO)) this.#wrong(ROOT_INO, "the root directory is missing");
  }

  #addInode(ino: number, value: Uint8Array): void {
    decodeInode(value, this.#inode);
    const { mode, nlink, size, cells, flags, parent } = this.#inode;
    this.inodes.set(ino, {
      mode,
      nlink,
      size,
      cells,
      flags,
      parent,
      links: 0,
      subdirectories: 0,
      entries: 0,
      cellsMet: 0,
      parentMet: 0,
      isOrphan: false,
      hasInline: false,
      hasTarget: false,
      hasAttributes: false,
    });
  }

  #addRecord(known: Known, key: Uint8Array, value: Uint8Array): void {
    const ino = keyIno(key);
    if (key[0] === KEY_TYPE.entry) return this.#addEntry(ino, known, key, value);
    if (key[0] === KEY_TYPE.inline) {
      known.hasInline = true;
      if (value.length === 0 || value.length > Math.min(INLINE_BYTES_MAX, known.size)) {
        this.#wrong(ino, "inline data is longer than the file");
      }
    } else if (key[0] === KEY_TYPE.target) {
      known.hasTarget = true;
      if (value.length !== known.size) this.#wrong(ino, "a symlink's size is not its target's");
    } else if (key[0] === KEY_TYPE.attribute) {
      known.hasAttributes = true;
    } else if (key[0] === KEY_TYPE.orphan) {
      known.isOrphan = true;
    } else {
      this.#wrong(ino, `a record has the unknown type ${key[0]}`);
    }
  }

  #addEntry(ino: number, directory: Known, key: Uint8Array, value: Uint8Array): void {
    checkDirent(value);
    directory.entries++;
    const target = this.inodes.get(direntIno(value));
    if (target === undefined) return this.#wrong(ino, "an entry leads to a missing inode");
    if (direntType(value) !== directoryType(target.mode)) {
      this.#wrong(ino, "an entry has the wrong type");
    }
    target.links++;
    if (isDirectory(target.mode)) {
      target.parentMet = ino;
      directory.subdirectories++;
    }
    const base = this.#store.hashName(value.subarray(DIRENT_NAME_AT)) * NAME_PROBES + COOKIE_BASE;
    const probe = keyCookie(key) - base;
    if (probe < 0 || probe >= NAME_PROBES) this.#wrong(ino, "an entry lies under a wrong cookie");
  }

  #addExtent(ino: number, first: number, value: Uint8Array): void {
    decodeExtent(value, this.#extent);
    const { count, firstId, tailCells, unwritten } = this.#extent;
    if (ino === this.#extentOwner && first < this.#extentEnd) this.#wrong(ino, "extents overlap");
    this.#extentOwner = ino;
    this.#extentEnd = first + count;
    if (!unwritten) this.#visitRun(firstId, count);
    const known = this.inodes.get(ino);
    if (known === undefined) return void this.#ownerless.add(ino);
    const blockCells = this.#store.blockBytes / CELL_BYTES;
    known.cellsMet += count * blockCells - (tailCells === 0 ? 0 : blockCells - tailCells);
    const isBehind = first * this.#store.blockBytes >= known.size;
    if (isBehind && !unwritten && !this.#pending.has(ino)) {
      this.#wrong(ino, "data lies behind the end of the file");
    }
  }

  #checkInode(ino: number, known: Known): void {
    const { mode, nlink, flags } = known;
    const expect = (holds: boolean, claim: string) => {
      if (!holds) this.#wrong(ino, claim);
    };
    if (isDirectory(mode)) {
      const isNamed = known.links === (ino === ROOT_INO ? 0 : 1);
      expect(nlink === 0 || isNamed, `a directory has ${known.links} names`);
      expect(
        nlink === 0 || nlink === 2 + known.subdirectories,
        "a directory's links are miscounted",
      );
      expect(known.size === known.entries, "a directory's entries are miscounted");
      const parent = ino === ROOT_INO ? ROOT_INO : known.parentMet;
      expect(nlink === 0 || known.parent === parent, "a directory has a wrong parent");
    } else {
      expect(nlink === known.links, `${nlink} links, but ${known.links} names`);
      expect(known.cells === known.cellsMet, `${known.cells} cells, but ${known.cellsMet} met`);
    }
    expect((nlink === 0) === known.isOrphan, "orphans and links do not agree");
    expect(known.hasInline === ((flags & INODE_FLAG.inline) !== 0), "inline data and flag differ");
    expect(known.hasTarget === isSymlink(mode), "symlink and target differ");
    const hasAttributes = (flags & INODE_FLAG.attributes) !== 0;
    expect(known.hasAttributes === hasAttributes, "extended attributes and flag differ");
  }

  #wrong(ino: number, problem: string): void {
    this.problems.push(`inode ${ino}: ${problem}`);
  }
}
