/**
 * The kernel's FUSE protocol (include/uapi/linux/fuse.h, 7.38): opcodes, flags, and the offset of every field that this
 * driver reads or writes. Offsets in `*_IN` tables count from the start of the request's body (byte 40 of the request),
 * those in `*_OUT` tables from the start of the structure. The layout is the same on every 64-bit architecture; integers are
 * little-endian on all that Deno runs on.
 */

export const PROTOCOL_MAJOR = 7;
/** The newest minor that the tables below describe. */
export const PROTOCOL_MINOR = 38;
/** RENAME2, LSEEK, `time_gran` and 64-byte init replies are all there from Linux 4.x on. */
export const PROTOCOL_MINOR_MIN = 27;

/** Node id of the root directory, which is also its inode number. */
export const ROOT_NODE = 1;
/** A request is at most its two headers and `max_write` of data. */
export const WRITE_HEADERS_BYTES = 80;
export const PAGE_BYTES = 4096;

export const OPCODE = {
  LOOKUP: 1,
  FORGET: 2,
  GETATTR: 3,
  SETATTR: 4,
  READLINK: 5,
  SYMLINK: 6,
  MKNOD: 8,
  MKDIR: 9,
  UNLINK: 10,
  RMDIR: 11,
  RENAME: 12,
  LINK: 13,
  OPEN: 14,
  READ: 15,
  WRITE: 16,
  STATFS: 17,
  RELEASE: 18,
  FSYNC: 20,
  SETXATTR: 21,
  GETXATTR: 22,
  LISTXATTR: 23,
  REMOVEXATTR: 24,
  FLUSH: 25,
  INIT: 26,
  OPENDIR: 27,
  READDIR: 28,
  RELEASEDIR: 29,
  FSYNCDIR: 30,
  GETLK: 31,
  SETLK: 32,
  SETLKW: 33,
  ACCESS: 34,
  CREATE: 35,
  INTERRUPT: 36,
  BMAP: 37,
  DESTROY: 38,
  IOCTL: 39,
  POLL: 40,
  NOTIFY_REPLY: 41,
  BATCH_FORGET: 42,
  FALLOCATE: 43,
  READDIRPLUS: 44,
  RENAME2: 45,
  LSEEK: 46,
  COPY_FILE_RANGE: 47,
  SETUPMAPPING: 48,
  REMOVEMAPPING: 49,
  SYNCFS: 50,
  TMPFILE: 51,
  STATX: 52,
} as const;

/** fuse_in_header. */
export const IN_HEADER = {
  length: 0,
  opcode: 4,
  unique: 8,
  nodeId: 16,
  uid: 24,
  gid: 28,
  pid: 32,
  bytes: 40,
} as const;

/** What the kernel can be told without having asked; INC_EPOCH from 7.44 on. */
export const NOTICE = { INVAL_INODE: 2, INVAL_ENTRY: 3, INC_EPOCH: 8 } as const;
/** fuse_notify_inval_inode_out. */
export const INVAL_INODE_OUT = { ino: 0, offset: 8, length: 16, bytes: 24 } as const;
/** fuse_notify_inval_entry_out, followed by the name and a NUL. */
export const INVAL_ENTRY_OUT = { parent: 0, nameBytes: 8, flags: 12, bytes: 16 } as const;

/** fuse_out_header. */
export const OUT_HEADER = { length: 0, error: 4, unique: 8, bytes: 16 } as const;

/** fuse_attr. */
export const ATTR = {
  ino: 0,
  size: 8,
  blocks: 16,
  atime: 24,
  mtime: 32,
  ctime: 40,
  atimeNs: 48,
  mtimeNs: 52,
  ctimeNs: 56,
  mode: 60,
  nlink: 64,
  uid: 68,
  gid: 72,
  rdev: 76,
  blockBytes: 80,
  flags: 84,
  bytes: 88,
} as const;

/** fuse_entry_out. */
export const ENTRY_OUT = {
  nodeId: 0,
  generation: 8,
  entryValid: 16,
  attrValid: 24,
  entryValidNs: 32,
  attrValidNs: 36,
  attr: 40,
  bytes: 128,
} as const;

/** fuse_attr_out. */
export const ATTR_OUT = { valid: 0, validNs: 8, unused: 12, attr: 16, bytes: 104 } as const;

/** fuse_open_out. */
export const OPEN_OUT = { fileHandle: 0, flags: 8, padding: 12, bytes: 16 } as const;

/** fuse_kstatfs. */
export const STATFS_OUT = {
  blocks: 0,
  free: 8,
  available: 16,
  files: 24,
  freeFiles: 32,
  blockBytes: 40,
  nameBytes: 44,
  fragmentBytes: 48,
  bytes: 80,
} as const;

/** fuse_init_in, from 7.36 on 64 bytes; before 16. */
export const INIT_IN = {
  major: 0,
  minor: 4,
  maxReadahead: 8,
  flags: 12,
  flags2: 16,
  bytes: 16,
} as const;

/** fuse_init_out. */
export const INIT_OUT = {
  major: 0,
  minor: 4,
  maxReadahead: 8,
  flags: 12,
  maxBackground: 16,
  congestionThreshold: 18,
  maxWrite: 20,
  timeGranularityNs: 24,
  maxPages: 28,
  flags2: 32,
  bytes: 64,
} as const;

/** fuse_setattr_in. */
export const SETATTR_IN = {
  valid: 0,
  handle: 8,
  size: 16,
  atime: 32,
  mtime: 40,
  ctime: 48,
  atimeNs: 56,
  mtimeNs: 60,
  ctimeNs: 64,
  mode: 68,
  uid: 76,
  gid: 80,
  bytes: 88,
} as const;

export const MKNOD_IN = { mode: 0, rdev: 4, umask: 8, bytes: 16 } as const;
export const MKDIR_IN = { mode: 0, umask: 4, bytes: 8 } as const;
export const CREATE_IN = { flags: 0, mode: 4, umask: 8, openFlags: 12, bytes: 16 } as const;
export const OPEN_IN = { flags: 0, openFlags: 4, bytes: 8 } as const;
export const RENAME_IN = { newParent: 0, bytes: 8 } as const;
export const RENAME2_IN = { newParent: 0, flags: 8, bytes: 16 } as const;
export const LINK_IN = { node: 0, bytes: 8 } as const;
/** fuse_read_in; READDIR and READDIRPLUS use it too. */
export const READ_IN = { offset: 8, size: 16, bytes: 40 } as const;
export const WRITE_IN = { offset: 8, size: 16, flags: 20, bytes: 40 } as const;
export const WRITE_OUT = { size: 0, padding: 4, bytes: 8 } as const;
export const FSYNC_IN = { bytes: 16 } as const;
export const RELEASE_IN = { handle: 0, flags: 8, bytes: 24 } as const;
/** fuse_setxattr_in; the last two fields are there only when SETXATTR_EXT was agreed. */
export const SETXATTR_IN = { size: 0, flags: 4, extra: 8, bytes: 8, bytesExtended: 16 } as const;
/** fuse_getxattr_in; LISTXATTR uses it too. */
export const BATCH_FORGET_IN = { count: 0, bytes: 8 } as const;
/** Each of a batch: node id and how often it was looked up. */
export const FORGET_ONE_BYTES = 16;
export const GETXATTR_IN = { size: 0, bytes: 8 } as const;
export const GETXATTR_OUT = { size: 0, padding: 4, bytes: 8 } as const;
export const FALLOCATE_IN = { offset: 8, length: 16, mode: 24, bytes: 32 } as const;
export const LSEEK_IN = { offset: 8, whence: 16, bytes: 24 } as const;
export const LSEEK_OUT = { offset: 0, bytes: 8 } as const;
export const COPY_IN = {
  offset: 8,
  node: 16,
  toHandle: 24,
  toOffset: 32,
  length: 40,
  bytes: 56,
} as const;
export const INTERRUPT_IN = { unique: 0, bytes: 8 } as const;

/** fuse_dirent, followed by the name and padded to 8 bytes. */
export const DIRENT = { ino: 0, cookie: 8, nameBytes: 16, type: 20, name: 24 } as const;

/** fuse_init_in.flags and fuse_init_out.flags. */
export const INIT_FLAG = {
  ASYNC_READ: 1 << 0,
  ATOMIC_O_TRUNC: 1 << 3,
  EXPORT_SUPPORT: 1 << 4,
  BIG_WRITES: 1 << 5,
  DONT_MASK: 1 << 6,
  DO_READDIRPLUS: 1 << 13,
  READDIRPLUS_AUTO: 1 << 14,
  ASYNC_DIO: 1 << 15,
  WRITEBACK_CACHE: 1 << 16,
  PARALLEL_DIROPS: 1 << 18,
  POSIX_ACL: 1 << 20,
  MAX_PAGES: 1 << 22,
  CACHE_SYMLINKS: 1 << 23,
  EXPLICIT_INVAL_DATA: 1 << 25,
  HANDLE_KILLPRIV_V2: 1 << 28,
  SETXATTR_EXT: 1 << 29,
  INIT_EXT: 1 << 30,
} as const;

/** fuse_setattr_in.valid. */
export const FATTR = {
  MODE: 1 << 0,
  UID: 1 << 1,
  GID: 1 << 2,
  SIZE: 1 << 3,
  ATIME: 1 << 4,
  MTIME: 1 << 5,
  HANDLE: 1 << 6,
  ATIME_NOW: 1 << 7,
  MTIME_NOW: 1 << 8,
  CTIME: 1 << 10,
  KILL_SUIDGID: 1 << 11,
} as const;

export const FOPEN_KEEP_CACHE = 1 << 1;
export const OPEN_KILL_SUIDGID = 1 << 0;
/** The kernel writes a page of its own accord: nobody called write. */
export const WRITE_CACHE = 1 << 0;
export const WRITE_KILL_SUIDGID = 1 << 2;
export const SETXATTR_ACL_KILL_SGID = 1 << 0;

export const RENAME_NOREPLACE = 1 << 0;
export const RENAME_EXCHANGE = 1 << 1;
export const RENAME_WHITEOUT = 1 << 2;

/** open(2) flags as the kernel sends them (asm-generic; O_TRUNC, O_CREAT and O_EXCL are the same on arm64). */
export const O_CREAT = 0o100;
export const O_EXCL = 0o200;
export const O_TRUNC = 0o1000;

export const S_IFMT = 0o170000;
export const S_IFREG = 0o100000;
export const S_IFDIR = 0o040000;
export const S_ISUID = 0o4000;
export const S_ISGID = 0o2000;
/** Permission bits with setuid, setgid and sticky. */
export const MODE_BITS = 0o7777;

export const NAME_BYTES_MAX = 255;
/** Linux's limit for a value and for a whole list of extended attributes. */
export const XATTR_BYTES_MAX = 65536;
