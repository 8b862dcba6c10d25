import type { Inode } from "../format/inode.ts";
import { INODE_FLAG } from "../format/inode.ts";
import { CELL_BYTES } from "../limits.ts";
import type { BlockBuffer } from "./block_pool.ts";
import type { Compressibility } from "./compressibility.ts";
import type { Attributes } from "./file_system.ts";
import { isDirectory, isRegular, isSymlink } from "./mode.ts";

/** What lies at some blocks of a file. */
export type RangeState = "hole" | "written" | "unwritten";

/** A stretch of file blocks in one state: the extent, or the hole, that a search found last. */
export interface BlockRange {
  first: number;
  /** The block after the last; Infinity for the hole behind everything. */
  end: number;
  /** Id of the first block where the state is "written". */
  firstId: number;
  state: RangeState;
  /** Its blocks may be compressed. */
  packed: boolean;
  /** The block after its last full one: a file's last block may take fewer cells. */
  fullEnd: number;
}

/** An inode in memory: open, changed, or used a moment ago. */
export interface Node {
  readonly ino: number;
  /** The record. `inode.size` is what the tree may say: it covers no data that is still in memory only. */
  readonly inode: Inode;
  /** Bytes of a regular file as its users see it. */
  size: number;
  /** How often it is open. */
  opens: number;
  /** Attributes have changed in memory only. */
  stale: boolean;
  /** Blocks that have changed in memory only, by file block. */
  dirty: Map<number, BlockBuffer> | null;
  /** The range that a search found last; empty after a change. */
  readonly range: BlockRange;
  /** No extent lies at or beyond this block; Infinity where that is not known. */
  extentsBound: number;
  /** How well its data compresses; null where none was tried. */
  compressibility: Compressibility | null;
  /** From 0 on, small reads open parts of blocks; below it, whole ones, so many more times. */
  partReads: number;
  /** How often data of it was put. */
  puts: number;
  /** Data that could not be kept; the next fsync reports it. */
  failure: unknown;
}

/** A node for this record. */
export function nodeOf(ino: number, inode: Inode): Node {
  return {
    ino,
    inode,
    size: inode.size,
    opens: 0,
    stale: false,
    dirty: null,
    range: { first: 0, end: 0, firstId: 0, state: "hole", packed: false, fullEnd: 0 },
    extentsBound: Infinity,
    compressibility: null,
    partReads: 0,
    puts: 0,
    failure: undefined,
  };
}

/** Makes a range a hole. */
export function setHole(range: BlockRange, first: number, end: number): BlockRange {
  range.state = "hole";
  range.first = first;
  range.end = end;
  range.firstId = 0;
  range.packed = false;
  return range;
}

/** The range that a search found last does not hold any more. */
export function forgetRange(node: Node): void {
  setHole(node.range, 0, 0);
}

/** What was found of its extents is not known any more. */
export function forgetExtents(node: Node): void {
  forgetRange(node);
  node.extentsBound = Infinity;
}

/** True while some of the node's data is in memory only. */
export function hasDirtyData(node: Node): boolean {
  return node.dirty !== null && node.dirty.size > 0;
}

/** Links of a directory beyond this are shown as 1, as ext4 does: "unknown". */
export const LINKS_MAX = 65000;
/** Bytes of `st_size` that a directory shows for each of its entries. */
const ENTRY_BYTES_SHOWN = 32;
/** Unit of st_blocks. */
const SECTOR_BYTES = 512;
const CELL_SECTORS = CELL_BYTES / SECTOR_BYTES;
/** Longest inline data; it counts as sectors, because tools take a file without any for a hole. */
const INLINE_BYTES_MAX = 2048;

/** Fills `out` from a record. `size` and `dirtyCells` are those of a regular file in memory. */
export function showInode(ino: number, inode: Inode, out: Attributes): void {
  out.ino = ino;
  out.generation = inode.generation;
  out.mode = inode.mode;
  out.nlink = inode.nlink;
  out.uid = inode.uid;
  out.gid = inode.gid;
  out.rdev = inode.rdev;
  out.shreddable = inode.secret !== 0 || (inode.flags & INODE_FLAG.shreddable) !== 0;
  out.atime = inode.atime;
  out.atimeNs = inode.atimeNs;
  out.mtime = inode.mtime;
  out.mtimeNs = inode.mtimeNs;
  out.ctime = inode.ctime;
  out.ctimeNs = inode.ctimeNs;
  out.size = 0;
  out.blocks = 0;
  if (isRegular(inode.mode)) {
    showSize(inode, inode.size, out);
  } else if (isDirectory(inode.mode)) {
    if (inode.nlink > LINKS_MAX) out.nlink = 1;
    out.size = CELL_BYTES * Math.max(1, Math.ceil(inode.size * ENTRY_BYTES_SHOWN / CELL_BYTES));
    out.blocks = out.size / SECTOR_BYTES;
  } else if (isSymlink(inode.mode)) {
    out.size = inode.size;
  }
}

/** Fills `out` from a node, with its data in memory counted. */
export function showNode(node: Node, blockCells: number, out: Attributes): void {
  showInode(node.ino, node.inode, out);
  if (!isRegular(node.inode.mode)) return;
  showSize(node.inode, node.size, out);
  if (!hasDirtyData(node)) return;
  const known = node.inode.cells;
  const whole = Math.max(known, Math.ceil(node.size / CELL_BYTES));
  const cells = Math.min(known + node.dirty!.size * blockCells, whole);
  out.blocks = cells * CELL_SECTORS;
}

function showSize(inode: Inode, size: number, out: Attributes): void {
  out.size = size;
  out.blocks = inode.cells * CELL_SECTORS;
  if ((inode.flags & INODE_FLAG.inline) !== 0) {
    out.blocks += Math.ceil(Math.min(size, INLINE_BYTES_MAX) / SECTOR_BYTES);
  }
}
