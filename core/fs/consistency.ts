import { VaultError } from "../errors.ts";
import { checkDirent, DIRENT_NAME_AT, direntIno, direntType } from "../format/dirent.ts";
import { decodeExtent, emptyExtent, type Extent } from "../format/extent.ts";
import { decodeForeign } from "../format/foreign_block.ts";
import { decodeInode, emptyInode, INODE_FLAG } from "../format/inode.ts";
import { KEY_TYPE, keyBlock, keyCookie, keyIno, ROOT_INO } from "../format/volume_key.ts";
import { CELL_BYTES } from "../limits.ts";
import type { VolumeStore } from "../volume/volume_store.ts";
import { InodeTable, KNOWN } from "./inode_table.ts";
import { directoryType, isDirectory, isRegular, S_IFDIR, S_IFLNK } from "./mode.ts";
import { INLINE_BYTES_MAX } from "./stored_data.ts";

const NAME_PROBES = 256;
const COOKIE_BASE = 3;
const DIRECTORY = directoryType(S_IFDIR);
const SYMLINK = directoryType(S_IFLNK);
/** Inodes settled before others get a turn. */
const INODES_PER_TURN = 4096;

/** What a check of records is given. */
export interface ConsistencyParts {
  /** The volume that the records are of. */
  readonly volume: Pick<VolumeStore, "blockBytes" | "hashName">;
  /** Cells that data blocks take as they are stored. */
  readonly storedCells: (firstId: number, count: number) => number;
  /** Told about each thing that is wrong, with inode numbers and never names. */
  readonly wrong: (problem: string) => void;
  /** Told about each run of data blocks that a file has. */
  readonly visitRun?: (firstId: number, count: number) => void;
}

/**
 * Compares every record of a volume's tree with every other: links with names, extents with sizes, flags with what is
 * there. It is given all records in the order of their keys, which has all inodes first; and keeps 26 bytes of each.
 */
export class ConsistencyCheck {
  /** Regular files among the inodes. */
  files = 0;
  /** Directories, the root among them. */
  directories = 0;
  readonly #inodes = new InodeTable();
  readonly #parts: ConsistencyParts;
  readonly #inode = emptyInode();
  readonly #extent: Extent = emptyExtent();
  /** Numbers of inodes that are being freed: their extents are what is left of them. */
  readonly #ownerless = new Set<number>();
  #hasRecords = false;
  #extentOwner = 0;
  #extentEnd = 0;

  constructor(parts: ConsistencyParts) {
    this.#parts = parts;
  }

  /** The next record. */
  record(key: Uint8Array, value: Uint8Array): void {
    this.#hasRecords = true;
    const ino = keyIno(key);
    try {
      if (key[0] === KEY_TYPE.inode) return this.#addInode(ino, value);
      if (key[0] === KEY_TYPE.extent) return this.#addExtent(ino, keyBlock(key), value);
      if (key[0] === KEY_TYPE.pending) return this.#addPending(ino);
      if (key[0] === KEY_TYPE.foreign) return void decodeForeign(value);
      if (!this.#inodes.at(ino)) return this.#wrong(ino, `a record of type ${key[0]} has no inode`);
      this.#addRecord(key, value);
    } catch (error) {
      if (!(error instanceof VaultError)) throw error;
      this.#wrong(ino, error.message);
    }
  }

  /** All records were there: settles what was met of each inode, in pieces. */
  *finish(): Generator<void> {
    for (const ino of this.#ownerless) this.#wrong(ino, "extents have no inode");
    let count = 0;
    for (const ino of this.#inodes.all()) {
      this.#settle(ino);
      if (++count % INODES_PER_TURN === 0) yield;
    }
    // A volume that nobody has opened has nothing at all yet: who opens it makes its root directory.
    if (this.#hasRecords && !this.#inodes.at(ROOT_INO)) {
      this.#wrong(ROOT_INO, "the root directory is missing");
    }
  }

  #addInode(ino: number, value: Uint8Array): void {
    decodeInode(value, this.#inode);
    const { mode, nlink, size, cells, flags, parent } = this.#inode;
    const inodes = this.#inodes;
    if (!inodes.add(ino)) return this.#wrong(ino, "an inode's record is out of order");
    inodes.bits = directoryType(mode) |
      (nlink === 0 ? KNOWN.unlinked : 0) |
      ((flags & INODE_FLAG.inline) === 0 ? 0 : KNOWN.inlineFlag) |
      ((flags & INODE_FLAG.attributes) === 0 ? 0 : KNOWN.attributesFlag);
    if (isRegular(mode)) this.files++;
    if (isDirectory(mode)) {
      this.directories++;
      inodes.size = parent;
      inodes.balance = size;
      inodes.links = nlink - 2;
    } else {
      inodes.size = size;
      inodes.balance = cells;
      inodes.links = nlink;
    }
  }

  #addRecord(key: Uint8Array, value: Uint8Array): void {
    const ino = keyIno(key);
    const inodes = this.#inodes;
    if (key[0] === KEY_TYPE.entry) return this.#addEntry(ino, key, value);
    if (key[0] === KEY_TYPE.inline) {
      inodes.bits |= KNOWN.inline;
      if (value.length === 0 || value.length > Math.min(INLINE_BYTES_MAX, inodes.size)) {
        this.#wrong(ino, "inline data is longer than the file");
      }
    } else if (key[0] === KEY_TYPE.target) {
      inodes.bits |= KNOWN.target;
      if (value.length !== inodes.size) this.#wrong(ino, "a symlink's size is not its target's");
    } else if (key[0] === KEY_TYPE.attribute) {
      inodes.bits |= KNOWN.attributes;
    } else if (key[0] === KEY_TYPE.orphan) {
      inodes.bits |= KNOWN.orphan;
    } else {
      this.#wrong(ino, `a record has the unknown type ${key[0]}`);
    }
  }

  #addEntry(ino: number, key: Uint8Array, value: Uint8Array): void {
    const inodes = this.#inodes;
    checkDirent(value);
    inodes.balance--;
    const isDirectoryEntry = direntType(value) === DIRECTORY;
    if (isDirectoryEntry) inodes.links--;
    if (!inodes.at(direntIno(value))) {
      return this.#wrong(ino, "an entry leads to a missing inode");
    }
    const type = inodes.bits & KNOWN.type;
    if (direntType(value) !== type) this.#wrong(ino, "an entry has the wrong type");
    inodes.bits |= (inodes.bits & KNOWN.named) === 0 ? KNOWN.named : KNOWN.namedAgain;
    if (type !== DIRECTORY) inodes.links--;
    else if (inodes.size !== ino) inodes.bits |= KNOWN.wrongParent;
    const hash = this.#parts.volume.hashName(value.subarray(DIRENT_NAME_AT));
    const probe = keyCookie(key) - hash * NAME_PROBES - COOKIE_BASE;
    if (probe < 0 || probe >= NAME_PROBES) this.#wrong(ino, "an entry lies under a wrong cookie");
  }

  #addExtent(ino: number, first: number, value: Uint8Array): void {
    decodeExtent(value, this.#extent);
    const { volume: { blockBytes }, storedCells, visitRun } = this.#parts;
    const { count, firstId, tailCells, unwritten, packed } = this.#extent;
    if (ino === this.#extentOwner && first < this.#extentEnd) this.#wrong(ino, "extents overlap");
    this.#extentOwner = ino;
    this.#extentEnd = first + count;
    if (!unwritten) visitRun?.(firstId, count);
    const inodes = this.#inodes;
    if (!inodes.at(ino)) return void this.#ownerless.add(ino);
    const blockCells = blockBytes / CELL_BYTES;
    inodes.balance -= packed
      ? storedCells(firstId, count)
      : count * blockCells - (tailCells === 0 ? 0 : blockCells - tailCells);
    if (first * blockBytes >= inodes.size && !unwritten) inodes.bits |= KNOWN.dataBehind;
  }

  #addPending(ino: number): void {
    this.#ownerless.delete(ino);
    if (this.#inodes.at(ino)) this.#inodes.bits |= KNOWN.pending;
  }

  #settle(ino: number): void {
    const { bits, balance, links } = this.#inodes;
    const has = (bit: number) => (bits & bit) !== 0;
    const expect = (holds: boolean, claim: string) => {
      if (!holds) this.#wrong(ino, claim);
    };
    if ((bits & KNOWN.type) === DIRECTORY) this.#settleDirectory(ino, expect);
    else {
      expect(links === 0, `${Math.abs(links)} ${links > 0 ? "more" : "fewer"} links than names`);
      expect(balance === 0, `its cells are miscounted by ${Math.abs(balance)}`);
      const isBehind = has(KNOWN.dataBehind) && !has(KNOWN.pending);
      expect(!isBehind, "data lies behind the end of the file");
    }
    expect(has(KNOWN.unlinked) === has(KNOWN.orphan), "orphans and links do not agree");
    expect(has(KNOWN.inline) === has(KNOWN.inlineFlag), "inline data and flag differ");
    expect(has(KNOWN.target) === ((bits & KNOWN.type) === SYMLINK), "symlink and target differ");
    const attributesAgree = has(KNOWN.attributes) === has(KNOWN.attributesFlag);
    expect(attributesAgree, "extended attributes and flag differ");
  }

  #settleDirectory(ino: number, expect: (holds: boolean, claim: string) => void): void {
    const { bits, balance, links, size: parent } = this.#inodes;
    expect(balance === 0, "a directory's entries are miscounted");
    if ((bits & KNOWN.unlinked) !== 0) return;
    const named = bits & (KNOWN.named | KNOWN.namedAgain);
    const isRoot = ino === ROOT_INO;
    expect(named === (isRoot ? 0 : KNOWN.named), "a directory has not just one name");
    expect(links === 0, "a directory's links are miscounted");
    const hasParent = isRoot ? parent === ROOT_INO : (bits & KNOWN.wrongParent) === 0;
    expect(hasParent, "a directory has a wrong parent");
  }

  #wrong(ino: number, problem: string): void {
    this.#parts.wrong(`inode ${ino}: ${problem}`);
  }
}
