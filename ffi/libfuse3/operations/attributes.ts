import { type AttributeChange, PosixError, type Time } from "../../../core/fs/file_system.ts";
import { ERRNO } from "../../libc/errno.ts";
import type { Operation } from "../exchange.ts";
import { FATTR, MODE_BITS, SETATTR_IN } from "../protocol.ts";
import { type Request, staleHandle } from "../request.ts";

const tooBig = new PosixError(ERRNO.EFBIG, "Cannot set size: too large");
const badTime = new PosixError(ERRNO.EINVAL, "Cannot set time: out of range");

export const getattr: Operation = ({ fileSystem, request, reply, attributes, settings }) => {
  try {
    fileSystem.getattr(request.nodeId, attributes);
  } catch (error) {
    const stale = error instanceof PosixError && error.errno === ERRNO.ESTALE;
    if (!stale || !fileSystem.getattrRemoved?.(request.nodeId, attributes)) throw error;
  }
  return reply.attributes(attributes, settings.timeouts.attr);
};

function timeOf(request: Request, secondsAt: number, nanosecondsAt: number): Time {
  const seconds = request.i64(secondsAt);
  const nanoseconds = request.u32(nanosecondsAt);
  if (Number.isNaN(seconds) || nanoseconds >= 1e9) throw badTime;
  return { seconds, nanoseconds };
}

/** What a SETATTR request wants changed. */
export function decodeChange(request: Request): AttributeChange {
  const valid = request.u32(SETATTR_IN.valid);
  const change: AttributeChange = {};
  if (valid & FATTR.MODE) change.mode = request.u32(SETATTR_IN.mode) & MODE_BITS;
  if (valid & FATTR.UID) change.uid = request.u32(SETATTR_IN.uid);
  if (valid & FATTR.GID) change.gid = request.u32(SETATTR_IN.gid);
  if (valid & FATTR.SIZE) {
    change.size = request.u64(SETATTR_IN.size);
    if (Number.isNaN(change.size)) throw tooBig;
  }
  if (valid & FATTR.ATIME_NOW) change.atime = "now";
  else if (valid & FATTR.ATIME) {
    change.atime = timeOf(request, SETATTR_IN.atime, SETATTR_IN.atimeNs);
  }
  if (valid & FATTR.MTIME_NOW) change.mtime = "now";
  else if (valid & FATTR.MTIME) {
    change.mtime = timeOf(request, SETATTR_IN.mtime, SETATTR_IN.mtimeNs);
  }
  if (valid & FATTR.CTIME) change.ctime = timeOf(request, SETATTR_IN.ctime, SETATTR_IN.ctimeNs);
  if (valid & FATTR.KILL_SUIDGID) change.killSetId = true;
  return change;
}

export const setattr: Operation = (exchange) => {
  const { fileSystem, request, reply, attributes, settings, handles } = exchange;
  const byHandle = (request.u32(SETATTR_IN.valid) & FATTR.HANDLE) !== 0;
  if (byHandle && handles.isStale(request.nodeId, request.u64(SETATTR_IN.handle))) {
    throw staleHandle;
  }
  fileSystem.setattr(request.caller, request.nodeId, decodeChange(request), attributes);
  return reply.attributes(attributes, settings.timeouts.attr);
};
