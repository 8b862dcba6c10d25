import type { Attributes, Time } from "../../core/fs/file_system.ts";
import { SparseBytes } from "./sparse_bytes.ts";

export const S_IFMT = 0o170000;
export const S_IFREG = 0o100000;
export const S_IFDIR = 0o040000;
export const S_IFLNK = 0o120000;
export const S_ISUID = 0o4000;
export const S_ISGID = 0o2000;
const S_IXGRP = 0o010;
const DAY_SECONDS = 86400;
const UNITS_IN_PAGE = 8;

/** Bytes as a key of a Map, one UTF-16 unit a byte. */
export function keyOf(name: Uint8Array): string {
  let key = "";
  for (const byte of name) key += String.fromCharCode(byte);
  return key;
}

/** A time of a clock in milliseconds. */
export function timeOf(milliseconds: number): Time {
  const seconds = Math.floor(milliseconds / 1000);
  const nanoseconds = Math.min(999_999_999, Math.floor((milliseconds - seconds * 1000) * 1e6));
  return { seconds, nanoseconds };
}

/** A directory's entry. Cookies grow with the time of entering, so that they are stable. */
export interface MemoryEntry {
  readonly name: Uint8Array;
  readonly ino: number;
  readonly cookie: number;
}

/** An inode of the memory filesystem. */
export class MemoryNode {
  mode: number;
  nlink = 1;
  uid = 0;
  gid = 0;
  rdev = 0;
  /** Open handles that drivers hold. */
  pins = 0;
  atime: Time;
  mtime: Time;
  ctime: Time;
  target: Uint8Array = new Uint8Array();
  /** A directory's own parent. */
  parent: number;
  nextCookie = 3;
  readonly ino: number;
  readonly data = new SparseBytes();
  readonly entries = new Map<string, MemoryEntry>();
  readonly xattrs = new Map<string, { name: Uint8Array; value: Uint8Array }>();

  constructor(ino: number, mode: number, birth: { parent: number; time: Time }) {
    this.ino = ino;
    this.mode = mode;
    this.parent = birth.parent;
    this.atime = this.mtime = this.ctime = birth.time;
    if (this.isDirectory) this.nlink = 2;
  }

  get isDirectory(): boolean {
    return (this.mode & S_IFMT) === S_IFDIR;
  }

  get isRegular(): boolean {
    return (this.mode & S_IFMT) === S_IFREG;
  }

  get isSymlink(): boolean {
    return (this.mode & S_IFMT) === S_IFLNK;
  }

  enter(name: Uint8Array, ino: number): void {
    this.entries.set(keyOf(name), { name: name.slice(), ino, cookie: this.nextCookie++ });
  }

  /** The content changed. */
  touch(now: Time): void {
    this.mtime = this.ctime = now;
  }

  /** Someone read: relatime, so only where the access time says less than it should. */
  accessed(now: Time): void {
    const old = now.seconds - this.atime.seconds >= DAY_SECONDS;
    if (old || !later(this.atime, this.mtime) || !later(this.atime, this.ctime)) this.atime = now;
  }

  /** Clears setuid, setgid (of what a group may execute) and capabilities, as Linux does on write and chown. */
  dropPrivileges(): void {
    if (this.isDirectory) return;
    this.mode &= ~S_ISUID;
    if (this.mode & S_IXGRP) this.mode &= ~S_ISGID;
    this.xattrs.delete("security.capability");
  }

  describe(out: Attributes): void {
    out.ino = this.ino;
    out.generation = 0;
    out.size = this.isSymlink ? this.target.length : this.data.size;
    out.blocks = this.data.pageCount * UNITS_IN_PAGE;
    out.atime = this.atime.seconds;
    out.atimeNs = this.atime.nanoseconds;
    out.mtime = this.mtime.seconds;
    out.mtimeNs = this.mtime.nanoseconds;
    out.ctime = this.ctime.seconds;
    out.ctimeNs = this.ctime.nanoseconds;
    out.mode = this.mode;
    out.nlink = this.nlink;
    out.uid = this.uid;
    out.gid = this.gid;
    out.rdev = this.rdev;
  }
}

function later(a: Time, b: Time): boolean {
  return a.seconds > b.seconds || (a.seconds === b.seconds && a.nanoseconds > b.nanoseconds);
}
