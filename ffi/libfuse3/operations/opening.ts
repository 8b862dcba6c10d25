import { type AttributeChange, PosixError } from "../../../core/fs/file_system.ts";
import { ERRNO } from "../../libc/errno.ts";
import type { Exchange, Operation } from "../exchange.ts";
import {
  CREATE_IN,
  FOPEN_KEEP_CACHE,
  O_CREAT,
  O_EXCL,
  O_TRUNC,
  OPEN_IN,
  OPEN_KILL_SUIDGID,
  RELEASE_IN,
  S_IFMT,
  S_IFREG,
} from "../protocol.ts";
import { decline } from "./control.ts";
import { hasSetId, tellModeGone } from "./data.ts";
import { makeNode } from "./names.ts";

/** What the driver does itself; the filesystem never sees these flags. */
const DONE_HERE = O_CREAT | O_EXCL | O_TRUNC;

/** Pins `ino`, and empties it where the flags say so (the kernel sends no SETATTR for that: ATOMIC_O_TRUNC). */
function openFile(exchange: Exchange, ino: number, how: OpenFlags): void {
  const { fileSystem, request, attributes } = exchange;
  fileSystem.open(ino, how.flags & ~DONE_HERE);
  if ((how.flags & O_TRUNC) === 0) return;
  const change: AttributeChange = { size: 0 };
  if (how.openFlags & OPEN_KILL_SUIDGID) change.killSetId = true;
  try {
    if (change.killSetId && hasSetId(exchange, ino)) tellModeGone(exchange, ino);
    fileSystem.setattr(request.caller, ino, change, attributes);
  } catch (error) {
    fileSystem.release(ino);
    throw error;
  }
}

interface OpenFlags {
  readonly flags: number;
  readonly openFlags: number;
}

export const open: Operation = (exchange) => {
  const { request, reply, handles } = exchange;
  const flags = request.u32(OPEN_IN.flags);
  openFile(exchange, request.nodeId, { flags, openFlags: request.u32(OPEN_IN.openFlags) });
  return reply.open(0, handles.opened(request.nodeId, flags), FOPEN_KEEP_CACHE);
};

export const opendir: Operation = ({ fileSystem, request, reply, handles }) => {
  const flags = request.u32(OPEN_IN.flags);
  fileSystem.open(request.nodeId, flags & ~DONE_HERE);
  return reply.open(0, handles.opened(request.nodeId, flags), 0);
};

export const release: Operation = ({ fileSystem, request, handles }) => {
  const { nodeId } = request;
  handles.released(nodeId, request.u32(RELEASE_IN.flags), request.u64(RELEASE_IN.handle));
  fileSystem.release(nodeId);
  return 0;
};

/** Makes a regular file, or finds the one that took the name meanwhile unless O_EXCL forbids it. */
function createOrFind(exchange: Exchange, name: Uint8Array, flags: number): boolean {
  const { fileSystem, request, attributes } = exchange;
  try {
    makeNode(exchange, name, {
      mode: S_IFREG | (request.u32(CREATE_IN.mode) & ~S_IFMT),
      rdev: 0,
      umask: request.u32(CREATE_IN.umask),
    });
    return true;
  } catch (error) {
    const taken = error instanceof PosixError && error.errno === ERRNO.EEXIST;
    if (!taken || (flags & O_EXCL) !== 0) throw error;
    fileSystem.lookup(request.nodeId, name, attributes);
    if ((attributes.mode & S_IFMT) !== S_IFREG) throw error;
    return false;
  }
}

export const create: Operation = (exchange) => {
  const { request, reply, attributes, settings, handles } = exchange;
  const name = request.name(CREATE_IN.bytes);
  const flags = request.u32(CREATE_IN.flags);
  const isNew = createOrFind(exchange, name, flags);
  openFile(exchange, attributes.ino, {
    flags: isNew ? flags & ~O_TRUNC : flags,
    openFlags: request.u32(CREATE_IN.openFlags),
  });
  const end = reply.entry(0, attributes, settings.timeouts);
  return reply.open(end, handles.opened(attributes.ino, flags), FOPEN_KEEP_CACHE);
};

/** O_TMPFILE: a name may be given to it by linkat; without one it goes when it is closed. */
export const createUnnamed: Operation = (exchange) => {
  const { fileSystem, request, reply, attributes, settings, handles } = exchange;
  if (fileSystem.makeUnnamed === undefined) return decline(exchange);
  request.caller.umask = request.u32(CREATE_IN.umask) & 0o777;
  fileSystem.makeUnnamed(request.caller, request.nodeId, request.u32(CREATE_IN.mode), attributes);
  const end = reply.entry(0, attributes, settings.timeouts);
  const flags = request.u32(CREATE_IN.flags);
  return reply.open(end, handles.opened(attributes.ino, flags), FOPEN_KEEP_CACHE);
};
