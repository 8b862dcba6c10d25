import { setU64 } from "../../core/bytes.ts";
import { PosixError } from "../../core/fs/file_system.ts";
import { ERRNO } from "../libc/errno.ts";
import {
  INIT_FLAG,
  INIT_IN,
  INIT_OUT,
  OUT_HEADER,
  PAGE_BYTES,
  PROTOCOL_MAJOR,
  PROTOCOL_MINOR,
  PROTOCOL_MINOR_MIN,
} from "./protocol.ts";
import type { Reply } from "./reply.ts";
import type { Request } from "./request.ts";

/** Requests that the kernel queues in the background (readahead, writeback) before it slows their makers down. */
const BACKGROUND_REQUESTS_MAX = 64;
const CONGESTION_THRESHOLD = 48;

/**
 * Features asked of every kernel. Locks are not among them: without POSIX_LOCKS and FLOCK_LOCKS the kernel keeps both kinds itself, which
 * is right for a filesystem that one machine mounts, and faster. NO_OPEN_SUPPORT is not either: opens must be known, since
 * an open file lives on after its last name. Symlinks may be cached because an inode's target never changes; lookups of
 * node ids that the kernel forgot work (EXPORT_SUPPORT) because a node id is the inode number.
 */
const WANTED = INIT_FLAG.ASYNC_READ | INIT_FLAG.ATOMIC_O_TRUNC | INIT_FLAG.EXPORT_SUPPORT |
  INIT_FLAG.BIG_WRITES | INIT_FLAG.DONT_MASK | INIT_FLAG.DO_READDIRPLUS |
  INIT_FLAG.READDIRPLUS_AUTO | INIT_FLAG.ASYNC_DIO | INIT_FLAG.PARALLEL_DIROPS |
  INIT_FLAG.POSIX_ACL | INIT_FLAG.MAX_PAGES | INIT_FLAG.CACHE_SYMLINKS |
  INIT_FLAG.EXPLICIT_INVAL_DATA | INIT_FLAG.HANDLE_KILLPRIV_V2 | INIT_FLAG.SETXATTR_EXT |
  INIT_FLAG.INIT_EXT;

/** What the kernel and the driver agreed on. */
export interface Agreement {
  /** Minor protocol number. */
  readonly minor: number;
  /** `INIT_FLAG` bits that are on. */
  readonly flags: number;
}

/** What the driver brings into the negotiation. */
export interface InitSettings {
  readonly writeBytesMax: number;
  readonly writebackCache: boolean;
}

/**
 * Answers INIT: returns the length of the reply's body and the agreement (null where the kernel speaks a newer major and
 * will ask again with ours).
 */
export function negotiate(
  request: Request,
  reply: Reply,
  settings: InitSettings,
): { length: number; agreement: Agreement | null } {
  const major = request.u32(INIT_IN.major);
  const kernelMinor = request.u32(INIT_IN.minor);
  const body = OUT_HEADER.bytes;
  reply.bytes.fill(0, body, body + INIT_OUT.bytes);
  reply.view.setUint32(body + INIT_OUT.major, PROTOCOL_MAJOR, true);
  reply.view.setUint32(body + INIT_OUT.minor, PROTOCOL_MINOR, true);
  if (major > PROTOCOL_MAJOR) return { length: INIT_OUT.bytes, agreement: null };
  if (major < PROTOCOL_MAJOR || kernelMinor < PROTOCOL_MINOR_MIN) {
    throw new PosixError(ERRNO.EPROTO, `Cannot speak FUSE ${major}.${kernelMinor}: too old`);
  }
  const wanted = settings.writebackCache ? WANTED | INIT_FLAG.WRITEBACK_CACHE : WANTED;
  const agreement = {
    minor: Math.min(kernelMinor, PROTOCOL_MINOR),
    flags: request.u32(INIT_IN.flags) & wanted,
  };
  encodeInit(reply.view, body, {
    ...agreement,
    maxReadahead: request.u32(INIT_IN.maxReadahead),
    writeBytesMax: settings.writeBytesMax,
  });
  return { length: INIT_OUT.bytes, agreement };
}

function encodeInit(
  view: DataView,
  at: number,
  values: Agreement & { maxReadahead: number; writeBytesMax: number },
): void {
  view.setUint32(at + INIT_OUT.minor, values.minor, true);
  view.setUint32(at + INIT_OUT.maxReadahead, values.maxReadahead, true);
  view.setUint32(at + INIT_OUT.flags, values.flags, true);
  view.setUint16(at + INIT_OUT.maxBackground, BACKGROUND_REQUESTS_MAX, true);
  view.setUint16(at + INIT_OUT.congestionThreshold, CONGESTION_THRESHOLD, true);
  view.setUint32(at + INIT_OUT.maxWrite, values.writeBytesMax, true);
  view.setUint32(at + INIT_OUT.timeGranularityNs, 1, true);
  view.setUint16(at + INIT_OUT.maxPages, Math.ceil(values.writeBytesMax / PAGE_BYTES), true);
  setU64(view, at + INIT_OUT.flags2, 0);
}
