import { setU64 } from "../../core/bytes.ts";
import type { Attributes, FileSystemStatus, ReadSpans } from "../../core/fs/file_system.ts";
import {
  ATTR,
  ATTR_OUT,
  ENTRY_OUT,
  GETXATTR_OUT,
  LSEEK_OUT,
  OPEN_OUT,
  OUT_HEADER,
  PAGE_BYTES,
  STATFS_OUT,
  WRITE_OUT,
} from "./protocol.ts";

/** Room for the largest body that is encoded: a listing, or an extended attribute of 64 KiB. */
export const REPLY_BODY_BYTES_MAX = 128 * 1024;

const BODY = OUT_HEADER.bytes;

/** How long the kernel may believe what a reply says; whole seconds and the rest. */
export interface Timeout {
  readonly seconds: number;
  readonly nanoseconds: number;
}

/** Splits a timeout in seconds as the protocol wants it. */
export function timeoutOf(seconds: number): Timeout {
  const whole = Math.floor(seconds);
  return { seconds: whole, nanoseconds: Math.round((seconds - whole) * 1e9) };
}

/** For what changes without a request: nothing is to be believed for any time. */
export const NO_TIMEOUTS = { entry: timeoutOf(0), attr: timeoutOf(0), negative: timeoutOf(0) };

/** Sends replies on their way. Both functions return 0 or the errno. */
export interface ReplyChannel {
  /** Sends the first `length` bytes of the reply's memory. */
  send(length: number): number;
  /** Sends the header of the reply, then the spans, without copying them. */
  sendSpans(spans: ReadSpans): number;
}

/** The reply being built: header and body in one memory that never moves. */
export class Reply {
  readonly bytes: Uint8Array<ArrayBuffer> = new Uint8Array(
    new ArrayBuffer(BODY + REPLY_BODY_BYTES_MAX),
  );
  readonly view: DataView<ArrayBuffer> = new DataView(this.bytes.buffer);

  /** Fills the header of a reply that is `length` bytes long altogether; `errno` is 0 or positive. */
  header(unique: { uniqueLow: number; uniqueHigh: number }, length: number, errno: number): void {
    this.view.setUint32(OUT_HEADER.length, length, true);
    this.view.setInt32(OUT_HEADER.error, -errno, true);
    this.view.setUint32(OUT_HEADER.unique, unique.uniqueLow, true);
    this.view.setUint32(OUT_HEADER.unique + 4, unique.uniqueHigh, true);
  }

  /** fuse_entry_out at `at` of the body; returns where it ends. */
  entry(at: number, attributes: Attributes, timeouts: { entry: Timeout; attr: Timeout }): number {
    const view = this.view;
    const start = BODY + at;
    setU64(view, start + ENTRY_OUT.nodeId, attributes.ino);
    setU64(view, start + ENTRY_OUT.generation, attributes.generation);
    setU64(view, start + ENTRY_OUT.entryValid, timeouts.entry.seconds);
    setU64(view, start + ENTRY_OUT.attrValid, timeouts.attr.seconds);
    view.setUint32(start + ENTRY_OUT.entryValidNs, timeouts.entry.nanoseconds, true);
    view.setUint32(start + ENTRY_OUT.attrValidNs, timeouts.attr.nanoseconds, true);
    encodeAttributes(view, start + ENTRY_OUT.attr, attributes);
    return at + ENTRY_OUT.bytes;
  }

  /** A fuse_entry_out that says "there is no such name", for `timeout`. */
  negativeEntry(timeout: Timeout): number {
    this.bytes.fill(0, BODY, BODY + ENTRY_OUT.bytes);
    setU64(this.view, BODY + ENTRY_OUT.entryValid, timeout.seconds);
    this.view.setUint32(BODY + ENTRY_OUT.entryValidNs, timeout.nanoseconds, true);
    return ENTRY_OUT.bytes;
  }

  /** fuse_attr_out. */
  attributes(attributes: Attributes, timeout: Timeout): number {
    const view = this.view;
    setU64(view, BODY + ATTR_OUT.valid, timeout.seconds);
    view.setUint32(BODY + ATTR_OUT.validNs, timeout.nanoseconds, true);
    view.setUint32(BODY + ATTR_OUT.unused, 0, true);
    encodeAttributes(view, BODY + ATTR_OUT.attr, attributes);
    return ATTR_OUT.bytes;
  }

  /** fuse_open_out at `at` of the body. */
  open(at: number, handle: number, flags: number): number {
    const start = BODY + at;
    setU64(this.view, start + OPEN_OUT.fileHandle, handle);
    this.view.setUint32(start + OPEN_OUT.flags, flags, true);
    this.view.setUint32(start + OPEN_OUT.padding, 0, true);
    return at + OPEN_OUT.bytes;
  }

  /** fuse_write_out: how many bytes were written or copied. */
  written(size: number): number {
    this.view.setUint32(BODY + WRITE_OUT.size, size, true);
    this.view.setUint32(BODY + WRITE_OUT.padding, 0, true);
    return WRITE_OUT.bytes;
  }

  /** fuse_statfs_out. */
  status(status: FileSystemStatus): number {
    const view = this.view;
    this.bytes.fill(0, BODY, BODY + STATFS_OUT.bytes);
    setU64(view, BODY + STATFS_OUT.blocks, status.totalBlocks);
    setU64(view, BODY + STATFS_OUT.free, status.freeBlocks);
    setU64(view, BODY + STATFS_OUT.available, status.availableBlocks);
    setU64(view, BODY + STATFS_OUT.files, status.files);
    setU64(view, BODY + STATFS_OUT.freeFiles, status.freeFiles);
    view.setUint32(BODY + STATFS_OUT.blockBytes, status.blockBytes, true);
    view.setUint32(BODY + STATFS_OUT.nameBytes, status.nameBytesMax, true);
    view.setUint32(BODY + STATFS_OUT.fragmentBytes, status.blockBytes, true);
    return STATFS_OUT.bytes;
  }

  /** fuse_getxattr_out: how many bytes the answer would take. */
  sizeNeeded(size: number): number {
    this.view.setUint32(BODY + GETXATTR_OUT.size, size, true);
    this.view.setUint32(BODY + GETXATTR_OUT.padding, 0, true);
    return GETXATTR_OUT.bytes;
  }

  /** fuse_lseek_out. */
  offset(offset: number): number {
    setU64(this.view, BODY + LSEEK_OUT.offset, offset);
    return LSEEK_OUT.bytes;
  }

  /** Plain bytes as the whole body. */
  data(bytes: Uint8Array): number {
    this.bytes.set(bytes, BODY);
    return bytes.length;
  }
}

/** fuse_attr at the absolute offset `at`. */
function encodeAttributes(view: DataView, at: number, attributes: Attributes): void {
  setU64(view, at + ATTR.ino, attributes.ino);
  setU64(view, at + ATTR.size, attributes.size);
  setU64(view, at + ATTR.blocks, attributes.blocks);
  setU64(view, at + ATTR.atime, attributes.atime);
  setU64(view, at + ATTR.mtime, attributes.mtime);
  setU64(view, at + ATTR.ctime, attributes.ctime);
  view.setUint32(at + ATTR.atimeNs, attributes.atimeNs, true);
  view.setUint32(at + ATTR.mtimeNs, attributes.mtimeNs, true);
  view.setUint32(at + ATTR.ctimeNs, attributes.ctimeNs, true);
  view.setUint32(at + ATTR.mode, attributes.mode, true);
  view.setUint32(at + ATTR.nlink, attributes.nlink, true);
  view.setUint32(at + ATTR.uid, attributes.uid, true);
  view.setUint32(at + ATTR.gid, attributes.gid, true);
  view.setUint32(at + ATTR.rdev, attributes.rdev, true);
  view.setUint32(at + ATTR.blockBytes, PAGE_BYTES, true);
  view.setUint32(at + ATTR.flags, 0, true);
}
