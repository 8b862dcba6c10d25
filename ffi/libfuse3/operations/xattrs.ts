import { PosixError } from "../../../core/fs/file_system.ts";
import { isReservedName } from "../../../core/fs/lock_attributes.ts";
import { ERRNO } from "../../libc/errno.ts";
import type { Exchange, Operation } from "../exchange.ts";
import {
  GETXATTR_IN,
  INIT_FLAG,
  NAME_BYTES_MAX,
  S_ISGID,
  SETXATTR_ACL_KILL_SGID,
  SETXATTR_IN,
  XATTR_BYTES_MAX,
} from "../protocol.ts";
import type { Request } from "../request.ts";

const outOfRange = new PosixError(ERRNO.ERANGE, "Cannot use attribute name: not 1 to 255 bytes");
const bufferTooSmall = new PosixError(ERRNO.ERANGE, "Cannot answer: the caller's buffer is small");
const tooLarge = new PosixError(ERRNO.E2BIG, "Cannot use attributes: more than 64 KiB");

/** The attribute name at `at` of the body: unlike a file name it may hold slashes. */
function attributeName(request: Request, at: number): Uint8Array {
  const end = request.end(at);
  if (end === at || end - at > NAME_BYTES_MAX) throw outOfRange;
  return request.copy(at, end);
}

/** Answers bytes to a caller with room for `size`, or how many there are where `size` is 0. */
function answer({ reply }: Exchange, value: Uint8Array, size: number): number {
  if (value.length > XATTR_BYTES_MAX) throw tooLarge;
  if (size === 0) return reply.sizeNeeded(value.length);
  if (value.length > size) throw bufferTooSmall;
  return reply.data(value);
}

/** What only those see who manage the system. */
const TRUSTED = new TextEncoder().encode("trusted.");

export const getxattr: Operation = (exchange) => {
  const { fileSystem, request } = exchange;
  const name = attributeName(request, GETXATTR_IN.bytes);
  const { lockAttributes } = fileSystem;
  const value = lockAttributes !== undefined && isReservedName(name)
    ? lockAttributes.get(request.nodeId, name)
    : fileSystem.getxattr(request.nodeId, name);
  return answer(exchange, value, request.u32(GETXATTR_IN.size));
};

export const listxattr: Operation = (exchange) => {
  const { fileSystem, request } = exchange;
  const mayManage = request.caller.uid === 0;
  const names = fileSystem.listxattr(request.nodeId)
    .filter((name) => mayManage || !TRUSTED.every((byte, i) => name[i] === byte));
  const list = new Uint8Array(names.reduce((sum, name) => sum + name.length + 1, 0));
  let at = 0;
  for (const name of names) {
    list.set(name, at);
    at += name.length + 1;
  }
  return answer(exchange, list, request.u32(GETXATTR_IN.size));
};

/** Clears setgid, as the kernel asks when someone outside the group sets an access ACL. */
function clearSetGid({ fileSystem, request, attributes }: Exchange): void {
  fileSystem.getattr(request.nodeId, attributes);
  if ((attributes.mode & S_ISGID) === 0) return;
  const mode = attributes.mode & ~S_ISGID & 0o7777;
  fileSystem.setattr(request.caller, request.nodeId, { mode }, attributes);
}

export const setxattr: Operation = (exchange) => {
  const { fileSystem, request, agreement } = exchange;
  const extended = agreement !== null && (agreement.flags & INIT_FLAG.SETXATTR_EXT) !== 0;
  const nameAt = extended ? SETXATTR_IN.bytesExtended : SETXATTR_IN.bytes;
  const size = request.u32(SETXATTR_IN.size);
  if (size > XATTR_BYTES_MAX) throw tooLarge;
  const name = attributeName(request, nameAt);
  const valueAt = nameAt + name.length + 1;
  const value = request.copy(valueAt, valueAt + size);
  const flags = request.u32(SETXATTR_IN.flags);
  const { lockAttributes } = fileSystem;
  if (lockAttributes !== undefined && isReservedName(name)) {
    request.wipe(valueAt, valueAt + size);
    return lockAttributes.set(request.nodeId, name, value);
  }
  fileSystem.setxattr(request.nodeId, name, value, flags);
  if (extended && request.u32(SETXATTR_IN.extra) & SETXATTR_ACL_KILL_SGID) clearSetGid(exchange);
  return 0;
};

export const removexattr: Operation = ({ fileSystem, request }) => {
  fileSystem.removexattr(request.nodeId, attributeName(request, 0));
  return 0;
};
