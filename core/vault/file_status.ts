import { dateOf } from "../dates.ts";
import type { Attributes, Time } from "../fs/file_system.ts";
import { directoryType, PERMISSIONS } from "../fs/mode.ts";

/** What a path leads to. */
export type FileType =
  | "file"
  | "directory"
  | "symlink"
  | "fifo"
  | "socket"
  | "character-device"
  | "block-device"
  | "unknown";

const TYPES: ReadonlyMap<number, FileType> = new Map([
  [1, "fifo"],
  [2, "character-device"],
  [4, "directory"],
  [6, "block-device"],
  [8, "file"],
  [10, "symlink"],
  [12, "socket"],
]);

/** The type for a `d_type` of readdir. */
export function typeOf(directoryType: number): FileType {
  return TYPES.get(directoryType) ?? "unknown";
}

/** What `stat` tells about a file. */
export interface FileStatus {
  /** What it is. */
  readonly type: FileType;
  /** Permission bits with setuid, setgid and sticky: `0o644`. */
  readonly mode: number;
  /** Bytes; of a symlink, the bytes of its target. */
  readonly size: number;
  /** Bytes that it takes on the medium, in cells of 4 KiB. */
  readonly allocatedBytes: number;
  /** Names that lead to it. */
  readonly links: number;
  /** Owner. */
  readonly uid: number;
  /** Group. */
  readonly gid: number;
  /** Number of the inode: the same for every name of one file. */
  readonly ino: number;
  /** Of a device: its number as Linux has it. */
  readonly device: number;
  /** Of a directory: files that are made in it get a secret of their own. Of a file: it has one. */
  readonly shreddable: boolean;
  /** Last read, as far as it is noted (relatime). */
  readonly accessed: Date;
  /** Last change of the content. */
  readonly modified: Date;
  /** Last change of the file or its attributes. */
  readonly changed: Date;
  /** The same times to the nanosecond. */
  readonly times: { readonly atime: Time; readonly mtime: Time; readonly ctime: Time };
}

/** How full a vault is. */
export interface SpaceStatus {
  /** What the vault may come to hold. */
  readonly totalBytes: number;
  /** What can still be stored. */
  readonly freeBytes: number;
}

/** Bytes of a unit of `st_blocks`. */
const SECTOR_BYTES = 512;

/** The status that attributes stand for. */
export function statusOf(attributes: Readonly<Attributes>): FileStatus {
  const a = attributes;
  return {
    type: typeOf(directoryType(a.mode)),
    mode: a.mode & PERMISSIONS,
    size: a.size,
    allocatedBytes: a.blocks * SECTOR_BYTES,
    links: a.nlink,
    uid: a.uid,
    gid: a.gid,
    ino: a.ino,
    device: a.rdev,
    shreddable: a.shreddable,
    accessed: dateOfTime(a.atime, a.atimeNs),
    modified: dateOfTime(a.mtime, a.mtimeNs),
    changed: dateOfTime(a.ctime, a.ctimeNs),
    times: {
      atime: { seconds: a.atime, nanoseconds: a.atimeNs },
      mtime: { seconds: a.mtime, nanoseconds: a.mtimeNs },
      ctime: { seconds: a.ctime, nanoseconds: a.ctimeNs },
    },
  };
}

/** A time of a file as callers may give it. */
export type FileTime = Date | Time | "now";

/** The time for the filesystem. */
export function timeOf(time: FileTime): Time | "now" {
  if (!(time instanceof Date)) return time;
  const milliseconds = time.getTime();
  const seconds = Math.floor(milliseconds / 1000);
  return { seconds, nanoseconds: (milliseconds - seconds * 1000) * 1e6 };
}

function dateOfTime(seconds: number, nanoseconds: number): Date {
  return dateOf(seconds * 1000 + Math.floor(nanoseconds / 1e6));
}
