import { assert } from "../assert.ts";
import { VaultError } from "../errors.ts";

/** An inode as it is stored (RECORDS: inode). Times are seconds, maybe negative, and nanoseconds. */
export interface Inode {
  mode: number;
  nlink: number;
  uid: number;
  gid: number;
  rdev: number;
  generation: number;
  /** Bytes of a file or symlink; of a directory: how many entries it has. */
  size: number;
  atime: number;
  atimeNs: number;
  mtime: number;
  mtimeNs: number;
  ctime: number;
  ctimeNs: number;
  crtime: number;
  crtimeNs: number;
  /** The parent of a directory, for ".."; of anything else where it was named last: one of its names may be there. */
  parent: number;
  /** Cells (4 KiB) that the extents of a file take. */
  cells: number;
  flags: number;
  /** Of a file in a shreddable directory: the id of the secret that its blocks are sealed under; else 0. */
  secret: number;
}

/** Bits of {@linkcode Inode.flags}. */
export const INODE_FLAG = {
  /** Block 0 lies in the tree, under the inline key. */
  inline: 1,
  /** There is at least one extended attribute. */
  attributes: 2,
  /** There is an access ACL that says more than the mode. */
  accessAcl: 4,
  /** There is a default ACL. */
  defaultAcl: 8,
  /** There are file capabilities, which a write drops. */
  capability: 16,
  /** Of a directory: files that are made in it get secrets of their own. */
  shreddable: 32,
} as const;

/** Length of an inode record. */
export const INODE_BYTES = 104;

const FLAGS_KNOWN = 63;
const TWO_32 = 4294967296;
const NANOSECONDS = 1_000_000_000;
/** Seconds stay within ±2^43: what ext4 stores and far more, and exact in a number. */
const SECONDS_MAX = 2 ** 43;

/** An inode with every field zero, to be filled in place. */
export function emptyInode(): Inode {
  return {
    mode: 0,
    nlink: 0,
    uid: 0,
    gid: 0,
    rdev: 0,
    generation: 0,
    size: 0,
    atime: 0,
    atimeNs: 0,
    mtime: 0,
    mtimeNs: 0,
    ctime: 0,
    ctimeNs: 0,
    crtime: 0,
    crtimeNs: 0,
    parent: 0,
    cells: 0,
    flags: 0,
    secret: 0,
  };
}

/** Writes `inode` into `view`, which is {@linkcode INODE_BYTES} long. */
export function encodeInode(inode: Inode, view: DataView): void {
  assert(view.byteLength === INODE_BYTES, "an inode record has its length");
  view.setUint16(0, inode.mode, true);
  view.setUint16(2, inode.flags, true);
  view.setUint32(4, inode.nlink, true);
  view.setUint32(8, inode.uid, true);
  view.setUint32(12, inode.gid, true);
  view.setUint32(16, inode.rdev, true);
  view.setUint32(20, inode.generation, true);
  putWide(view, 24, inode.size);
  putWide(view, 32, inode.atime);
  putWide(view, 40, inode.mtime);
  putWide(view, 48, inode.ctime);
  putWide(view, 56, inode.crtime);
  view.setUint32(64, inode.atimeNs, true);
  view.setUint32(68, inode.mtimeNs, true);
  view.setUint32(72, inode.ctimeNs, true);
  view.setUint32(76, inode.crtimeNs, true);
  putWide(view, 80, inode.parent);
  putWide(view, 88, inode.cells);
  putWide(view, 96, inode.secret);
}

/** Fills `inode` from a record. */
export function decodeInode(bytes: Uint8Array, inode: Inode): void {
  if (bytes.length !== INODE_BYTES) throw corrupt("wrong length");
  const view = new DataView(bytes.buffer, bytes.byteOffset, INODE_BYTES);
  inode.mode = view.getUint16(0, true);
  inode.flags = view.getUint16(2, true);
  inode.nlink = view.getUint32(4, true);
  inode.uid = view.getUint32(8, true);
  inode.gid = view.getUint32(12, true);
  inode.rdev = view.getUint32(16, true);
  inode.generation = view.getUint32(20, true);
  inode.size = count(view, 24);
  inode.atime = seconds(view, 32);
  inode.mtime = seconds(view, 40);
  inode.ctime = seconds(view, 48);
  inode.crtime = seconds(view, 56);
  inode.atimeNs = nanoseconds(view, 64);
  inode.mtimeNs = nanoseconds(view, 68);
  inode.ctimeNs = nanoseconds(view, 72);
  inode.crtimeNs = nanoseconds(view, 76);
  inode.parent = count(view, 80);
  inode.cells = count(view, 88);
  inode.secret = count(view, 96);
  if (inode.flags > FLAGS_KNOWN) throw corrupt("unknown flags");
}

/** Nearest second that a record can hold. */
export function clampSeconds(value: number): number {
  return Math.max(-SECONDS_MAX, Math.min(SECONDS_MAX, value));
}

function putWide(view: DataView, at: number, value: number): void {
  view.setUint32(at, value >>> 0, true);
  view.setInt32(at + 4, Math.floor(value / TWO_32), true);
}

function wide(view: DataView, at: number): number {
  return view.getInt32(at + 4, true) * TWO_32 + view.getUint32(at, true);
}

function count(view: DataView, at: number): number {
  const value = wide(view, at);
  if (value < 0 || value > Number.MAX_SAFE_INTEGER) throw corrupt("a number is out of range");
  return value;
}

function seconds(view: DataView, at: number): number {
  const value = wide(view, at);
  if (Math.abs(value) > SECONDS_MAX) throw corrupt("a time is out of range");
  return value;
}

function nanoseconds(view: DataView, at: number): number {
  const value = view.getUint32(at, true);
  if (value >= NANOSECONDS) throw corrupt("nanoseconds are out of range");
  return value;
}

function corrupt(why: string): VaultError {
  return new VaultError("corrupt", `Cannot read an inode: ${why}`);
}

/** True where two inodes differ in their access times at most. */
export function isSameButAccess(a: Inode, b: Inode): boolean {
  const fields = Object.keys(a) as (keyof Inode)[];
  return fields.every((name) => name === "atime" || name === "atimeNs" || a[name] === b[name]);
}
