import { type Caller, type FileSystem, PosixError } from "../../../core/fs/file_system.ts";
import { ERRNO } from "../../libc/errno.ts";
import type { Exchange, Operation } from "../exchange.ts";
import {
  LINK_IN,
  MKDIR_IN,
  MKNOD_IN,
  MODE_BITS,
  RENAME2_IN,
  RENAME_EXCHANGE,
  RENAME_IN,
  RENAME_NOREPLACE,
  RENAME_WHITEOUT,
  S_IFDIR,
} from "../protocol.ts";
import { NO_TIMEOUTS } from "../reply.ts";
import { isDots } from "../request.ts";

const DOT_DOT_BYTES = 2;
const invalidRename = new PosixError(ERRNO.EINVAL, "Cannot rename: unknown flags");

/** Where a directory's ".." leads: the listing always begins with "." and "..". */
function parentOf(fileSystem: FileSystem, ino: number): number {
  let parent = ino;
  fileSystem.readdir(ino, 0, (entry) => {
    if (entry.name.length !== DOT_DOT_BYTES || !isDots(entry.name)) return true;
    parent = entry.ino;
    return false;
  });
  return parent;
}

export const lookup: Operation = ({ fileSystem, settings, request, reply, attributes }) => {
  const name = request.lookupName(0);
  const changes = fileSystem.entriesChange?.(request.nodeId) === true;
  const timeouts = changes ? NO_TIMEOUTS : settings.timeouts;
  try {
    // "." and ".." are asked for by handles that outlived the kernel's memory (NFS, open_by_handle_at).
    if (isDots(name)) {
      const node = request.nodeId;
      fileSystem.getattr(name.length === 1 ? node : parentOf(fileSystem, node), attributes);
    } else {
      fileSystem.lookup(request.nodeId, name, attributes);
    }
  } catch (error) {
    const absent = error instanceof PosixError && error.errno === ERRNO.ENOENT;
    const { negative } = timeouts;
    if (!absent || (negative.seconds === 0 && negative.nanoseconds === 0)) throw error;
    return reply.negativeEntry(negative);
  }
  return reply.entry(0, attributes, timeouts);
};

/** Makes a node for the caller, with the umask that came with the request. */
export function makeNode(
  { fileSystem, request, attributes }: Exchange,
  name: Uint8Array,
  node: { mode: number; rdev: number; umask: number },
): void {
  const caller: Caller = request.caller;
  request.caller.umask = node.umask & 0o777;
  fileSystem.mknod(caller, { parent: request.nodeId, name }, node, attributes);
}

export const mknod: Operation = (exchange) => {
  const { request, reply, attributes, settings } = exchange;
  makeNode(exchange, request.name(MKNOD_IN.bytes), {
    mode: request.u32(MKNOD_IN.mode),
    rdev: request.u32(MKNOD_IN.rdev),
    umask: request.u32(MKNOD_IN.umask),
  });
  return reply.entry(0, attributes, settings.timeouts);
};

export const mkdir: Operation = (exchange) => {
  const { request, reply, attributes, settings } = exchange;
  makeNode(exchange, request.name(MKDIR_IN.bytes), {
    mode: S_IFDIR | (request.u32(MKDIR_IN.mode) & MODE_BITS),
    rdev: 0,
    umask: request.u32(MKDIR_IN.umask),
  });
  return reply.entry(0, attributes, settings.timeouts);
};

export const symlink: Operation = ({ fileSystem, request, reply, attributes, settings }) => {
  const name = request.name(0);
  const from = name.length + 1;
  const target = request.copy(from, request.end(from));
  fileSystem.symlink(request.caller, { parent: request.nodeId, name }, target, attributes);
  return reply.entry(0, attributes, settings.timeouts);
};

export const readlink: Operation = ({ fileSystem, request, reply }) =>
  reply.data(fileSystem.readlink(request.nodeId));

export const link: Operation = ({ fileSystem, request, reply, attributes, settings }) => {
  const name = request.name(LINK_IN.bytes);
  fileSystem.link(request.node(LINK_IN.node), request.nodeId, name, attributes);
  return reply.entry(0, attributes, settings.timeouts);
};

export const unlink: Operation = ({ fileSystem, request }) => {
  fileSystem.unlink(request.nodeId, request.name(0));
  return 0;
};

export const rmdir: Operation = ({ fileSystem, request }) => {
  fileSystem.rmdir(request.nodeId, request.name(0));
  return 0;
};

/** Moves the first name after the fixed part `namesAt` to the second one. */
function move({ fileSystem, request }: Exchange, namesAt: number, flags: number): number {
  const known = RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT;
  if ((flags & ~known) !== 0) throw invalidRename;
  const name = request.name(namesAt);
  const newName = request.name(namesAt + name.length + 1);
  fileSystem.rename(
    { parent: request.nodeId, name },
    { parent: request.node(RENAME_IN.newParent), name: newName },
    {
      noReplace: (flags & RENAME_NOREPLACE) !== 0,
      exchange: (flags & RENAME_EXCHANGE) !== 0,
      whiteout: (flags & RENAME_WHITEOUT) !== 0 ? request.caller : undefined,
    },
  );
  return 0;
}

export const rename: Operation = (exchange) => move(exchange, RENAME_IN.bytes, 0);

export const rename2: Operation = (exchange) =>
  move(exchange, RENAME2_IN.bytes, exchange.request.u32(RENAME2_IN.flags));
