import type { Operation, OperationEntry } from "./exchange.ts";
import { getattr, setattr } from "./operations/attributes.ts";
import * as control from "./operations/control.ts";
import * as data from "./operations/data.ts";
import { readdir, readdirplus } from "./operations/directories.ts";
import * as names from "./operations/names.ts";
import { create, createUnnamed, open, opendir, release } from "./operations/opening.ts";
import { getxattr, listxattr, removexattr, setxattr } from "./operations/xattrs.ts";
import * as protocol from "./protocol.ts";
import { OPCODE } from "./protocol.ts";

/** Opcode, operation, bytes of the fixed part of its body. Opcodes that are missing here answer ENOSYS. */
const TABLE: readonly (readonly [number, Operation, number])[] = [
  [OPCODE.LOOKUP, names.lookup, 0],
  [OPCODE.FORGET, control.forget, 0],
  [OPCODE.BATCH_FORGET, control.batchForget, protocol.BATCH_FORGET_IN.bytes],
  [OPCODE.GETATTR, getattr, 0],
  [OPCODE.SETATTR, setattr, protocol.SETATTR_IN.bytes],
  [OPCODE.READLINK, names.readlink, 0],
  [OPCODE.SYMLINK, names.symlink, 0],
  [OPCODE.MKNOD, names.mknod, protocol.MKNOD_IN.bytes],
  [OPCODE.MKDIR, names.mkdir, protocol.MKDIR_IN.bytes],
  [OPCODE.UNLINK, names.unlink, 0],
  [OPCODE.RMDIR, names.rmdir, 0],
  [OPCODE.RENAME, names.rename, protocol.RENAME_IN.bytes],
  [OPCODE.RENAME2, names.rename2, protocol.RENAME2_IN.bytes],
  [OPCODE.LINK, names.link, protocol.LINK_IN.bytes],
  [OPCODE.OPEN, open, protocol.OPEN_IN.bytes],
  [OPCODE.CREATE, create, protocol.CREATE_IN.bytes],
  [OPCODE.READ, data.read, protocol.READ_IN.bytes],
  [OPCODE.WRITE, data.write, protocol.WRITE_IN.bytes],
  [OPCODE.FALLOCATE, data.fallocate, protocol.FALLOCATE_IN.bytes],
  [OPCODE.LSEEK, data.lseek, protocol.LSEEK_IN.bytes],
  [OPCODE.COPY_FILE_RANGE, data.copyFileRange, protocol.COPY_IN.bytes],
  [OPCODE.STATFS, control.statfs, 0],
  [OPCODE.RELEASE, release, protocol.RELEASE_IN.bytes],
  [OPCODE.RELEASEDIR, release, protocol.RELEASE_IN.bytes],
  [OPCODE.FSYNC, control.fsync, protocol.FSYNC_IN.bytes],
  [OPCODE.FSYNCDIR, control.fsync, protocol.FSYNC_IN.bytes],
  [OPCODE.SYNCFS, control.syncfs, 0],
  [OPCODE.SETXATTR, setxattr, protocol.SETXATTR_IN.bytes],
  [OPCODE.GETXATTR, getxattr, protocol.GETXATTR_IN.bytes],
  [OPCODE.LISTXATTR, listxattr, protocol.GETXATTR_IN.bytes],
  [OPCODE.REMOVEXATTR, removexattr, 0],
  [OPCODE.OPENDIR, opendir, protocol.OPEN_IN.bytes],
  [OPCODE.READDIR, readdir, protocol.READ_IN.bytes],
  [OPCODE.READDIRPLUS, readdirplus, protocol.READ_IN.bytes],
  [OPCODE.INIT, control.init, protocol.INIT_IN.bytes],
  [OPCODE.INTERRUPT, control.interrupt, protocol.INTERRUPT_IN.bytes],
  [OPCODE.ACCESS, control.agree, 0],
  [OPCODE.DESTROY, control.agree, 0],
  [OPCODE.NOTIFY_REPLY, control.ignore, 0],
  [OPCODE.IOCTL, control.ioctl, 0],
  [OPCODE.FLUSH, control.decline, 0],
  [OPCODE.POLL, control.decline, 0],
  [OPCODE.BMAP, control.decline, 0],
  [OPCODE.TMPFILE, createUnnamed, protocol.CREATE_IN.bytes],
  [OPCODE.STATX, control.decline, 0],
  [OPCODE.GETLK, control.decline, 0],
  [OPCODE.SETLK, control.decline, 0],
  [OPCODE.SETLKW, control.decline, 0],
];

/** The operations by opcode. */
export const OPERATIONS: readonly (OperationEntry | undefined)[] = TABLE.reduce(
  (table: (OperationEntry | undefined)[], [opcode, run, bodyBytesMin]) => {
    table[opcode] = { run, bodyBytesMin };
    return table;
  },
  Array.from({ length: OPCODE.STATX + 1 }, () => undefined),
);

/** Requests whose body begins with the handle that they go through. */
export const WITH_HANDLE: ReadonlySet<number> = new Set([
  OPCODE.READ,
  OPCODE.WRITE,
  OPCODE.FSYNC,
  OPCODE.FSYNCDIR,
  OPCODE.FALLOCATE,
  OPCODE.LSEEK,
  OPCODE.COPY_FILE_RANGE,
  OPCODE.READDIR,
  OPCODE.READDIRPLUS,
]);

/**
 * Changes that may leave work until they are answered: whoever asks for one waits for it, and often asks for the next. Not
 * COPY_FILE_RANGE, which writes many times from the same memory.
 */
export const LEAVING: ReadonlySet<number> = new Set([
  OPCODE.WRITE,
  OPCODE.SETATTR,
  OPCODE.CREATE,
  OPCODE.MKNOD,
  OPCODE.MKDIR,
  OPCODE.SYMLINK,
  OPCODE.LINK,
  OPCODE.UNLINK,
  OPCODE.RMDIR,
  OPCODE.RENAME,
  OPCODE.RENAME2,
]);

/** Requests that must never be answered, not even with an error. */
export const UNANSWERED: ReadonlySet<number> = new Set([
  OPCODE.FORGET,
  OPCODE.BATCH_FORGET,
  OPCODE.INTERRUPT,
  OPCODE.NOTIFY_REPLY,
]);
