import { PosixError } from "../../../core/fs/file_system.ts";
import { MIB } from "../../../core/limits.ts";
import { ERRNO } from "../../libc/errno.ts";
import { type Exchange, NO_REPLY, type Operation } from "../exchange.ts";
import {
  COPY_IN,
  FALLOCATE_IN,
  IN_HEADER,
  LSEEK_IN,
  OUT_HEADER,
  READ_IN,
  S_ISGID,
  S_ISUID,
  WRITE_CACHE,
  WRITE_HEADERS_BYTES,
  WRITE_IN,
  WRITE_KILL_SUIDGID,
} from "../protocol.ts";
import { malformed, staleHandle } from "../request.ts";
import { holeMet, takeInHoles } from "./mapped_holes.ts";

/** One copy_file_range answers after this much, so that other requests need not wait long; callers ask again. */
const COPY_BYTES_MAX = 16 * MIB;

/** Smaller READs are answered at once: handing them over costs more. */
const LATER_BYTES_MIN = 64 * 1024;

const tooBig = new PosixError(ERRNO.EFBIG, "Cannot write: offset too large");
const pastEnd = new PosixError(ERRNO.ENXIO, "Cannot seek: past the end");

export const read: Operation = (exchange) => {
  const { fileSystem, request, reply, channel, spans, settings, reads, handles } = exchange;
  const offset = request.u64(READ_IN.offset);
  // No file reaches 2^53 bytes: there is nothing to read there.
  if (Number.isNaN(offset)) return 0;
  spans.total = 0;
  spans.count = 0;
  const size = Math.min(request.u32(READ_IN.size), settings.writeBytesMax);
  handles.read(request.nodeId, offset, size);
  if (size >= LATER_BYTES_MIN && fileSystem.readLater !== undefined) {
    if (!reads.hasRoom) reads.answerOldest();
    const later = fileSystem.readLater(request.nodeId, offset, size);
    if (later !== null) {
      reads.add(request, later);
      return NO_REPLY;
    }
  }
  fileSystem.read(request.nodeId, offset, size, spans);
  if (spans.total === 0) return 0;
  reply.header(request, OUT_HEADER.bytes + spans.total, 0);
  channel.sendSpans(spans);
  return NO_REPLY;
};

export const write: Operation = (exchange) => {
  const { fileSystem, request, reply, handles } = exchange;
  const length = request.u32(WRITE_IN.size);
  if (length > request.length - WRITE_HEADERS_BYTES) throw malformed;
  const flags = request.u32(WRITE_IN.flags);
  if ((flags & WRITE_CACHE) !== 0 && handles.hasPagesOfBefore(request.nodeId)) throw staleHandle;
  const offset = request.u64(WRITE_IN.offset);
  if (!Number.isSafeInteger(offset + length)) throw tooBig;
  const buffer = request.buffer;
  const killSetId = (flags & WRITE_KILL_SUIDGID) !== 0;
  if (killSetId && hasSetId(exchange, request.nodeId)) tellModeGone(exchange, request.nodeId);
  fileSystem.write(request.nodeId, {
    offset,
    length,
    address: buffer.address + IN_HEADER.bytes + WRITE_IN.bytes,
    buffer: buffer.keepable ? buffer : null,
    killSetId,
  });
  return reply.written(length);
};

/**
 * Clears setuid and setgid of a file that an ordinary user changed. For WRITE and SETATTR the kernel says when; for these
 * calls it leaves it to us without saying who may keep them, so it is taken that root may.
 */
function dropSetId(exchange: Exchange, ino: number): void {
  const { fileSystem, request, attributes } = exchange;
  if (request.caller.uid === 0 || !hasSetId(exchange, ino)) return;
  fileSystem.setattr(request.caller, ino, { killSetId: true }, attributes);
  tellModeGone(exchange, ino);
}

export function hasSetId({ fileSystem, attributes }: Exchange, ino: number): boolean {
  fileSystem.getattr(ino, attributes);
  return (attributes.mode & (S_ISUID | S_ISGID)) !== 0;
}

/** The answers of these calls carry no mode: the kernel would go on executing the file under the one that it remembers. */
export function tellModeGone({ copies }: Exchange, ino: number): void {
  copies?.forgetAttributes(ino);
}

export const fallocate: Operation = (exchange) => {
  const { fileSystem, request } = exchange;
  const offset = request.u64(FALLOCATE_IN.offset);
  const length = request.u64(FALLOCATE_IN.length);
  if (!Number.isSafeInteger(offset + length)) throw tooBig;
  fileSystem.fallocate(request.nodeId, offset, length, request.u32(FALLOCATE_IN.mode));
  dropSetId(exchange, request.nodeId);
  return 0;
};

export const lseek: Operation = (exchange) => {
  const { fileSystem, request, reply, handles, copies } = exchange;
  const { nodeId: ino } = request;
  const offset = request.u64(LSEEK_IN.offset);
  if (Number.isNaN(offset)) throw pastEnd;
  const sought = { ino, offset, whence: request.u32(LSEEK_IN.whence) };
  const seek = () => reply.offset(fileSystem.lseek(ino, offset, sought.whence));
  if (copies === null || !handles.isMappable(ino)) return seek();
  const hole = () => {
    const met = holeMet(exchange, sought);
    return met === null ? null : handles.takingIn(met);
  };
  const first = hole();
  return first === null ? seek() : takeInHoles(first, hole, copies).then(() => seek);
};

export const copyFileRange: Operation = (exchange) => {
  const { fileSystem, request, reply, handles } = exchange;
  const offset = request.u64(COPY_IN.offset);
  if (Number.isNaN(offset)) return reply.written(0);
  const toOffset = request.u64(COPY_IN.toOffset);
  const wanted = request.u64(COPY_IN.length);
  const length = Number.isNaN(wanted) ? COPY_BYTES_MAX : Math.min(wanted, COPY_BYTES_MAX);
  if (!Number.isSafeInteger(toOffset + length)) throw tooBig;
  const goal = request.node(COPY_IN.node);
  if (handles.isStale(goal, request.u64(COPY_IN.toHandle))) throw staleHandle;
  const from = { ino: request.nodeId, offset };
  const copied = fileSystem.copyRange(from, { ino: goal, offset: toOffset }, length);
  if (copied > 0) dropSetId(exchange, goal);
  return reply.written(copied);
};
