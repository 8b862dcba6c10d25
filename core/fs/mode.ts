/** Bits of st_mode, as Linux has them. */
export const S_IFMT = 0o170000;
export const S_IFSOCK = 0o140000;
export const S_IFLNK = 0o120000;
export const S_IFREG = 0o100000;
export const S_IFBLK = 0o060000;
export const S_IFDIR = 0o040000;
export const S_IFCHR = 0o020000;
export const S_IFIFO = 0o010000;
export const S_ISUID = 0o4000;
export const S_ISGID = 0o2000;
export const S_IXGRP = 0o010;
/** Everything in a mode but the type. */
export const PERMISSIONS = 0o7777;

/** The d_type of a directory entry for this mode. */
export function directoryType(mode: number): number {
  return (mode & S_IFMT) >>> 12;
}

/** True for a directory. */
export function isDirectory(mode: number): boolean {
  return (mode & S_IFMT) === S_IFDIR;
}

/** True for a regular file. */
export function isRegular(mode: number): boolean {
  return (mode & S_IFMT) === S_IFREG;
}

/** True for a symbolic link. */
export function isSymlink(mode: number): boolean {
  return (mode & S_IFMT) === S_IFLNK;
}

/** The mode that a write or a change of owner leaves: no setuid, and no setgid where it means a group. */
export function withoutSetId(mode: number): number {
  const kept = mode & ~S_ISUID;
  return (kept & S_IXGRP) !== 0 ? kept & ~S_ISGID : kept;
}
