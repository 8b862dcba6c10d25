import { getU64, shortCopy } from "../../core/bytes.ts";
import { type Caller, PosixError } from "../../core/fs/file_system.ts";
import { ERRNO } from "../libc/errno.ts";
import { IN_HEADER, NAME_BYTES_MAX } from "./protocol.ts";
import type { DriverBuffer } from "./request_buffers.ts";

const TWO_32 = 4294967296;
const BODY = IN_HEADER.bytes;
const SLASH = 0x2f;
const DOT = 0x2e;

/** Failures of decoding are frequent enough under fuzzing, and never need a stack. */
export const malformed = new PosixError(ERRNO.EINVAL, "Cannot read request: malformed");
const nameTooLong = new PosixError(ERRNO.ENAMETOOLONG, "Cannot use name: longer than 255 bytes");
export const staleHandle = new PosixError(
  ERRNO.ESTALE,
  "Cannot use handle: it was opened before a rollback",
);
const stale = new PosixError(ERRNO.ESTALE, "Cannot find inode: number out of range");

/** The request being answered: one object, refilled for each, so that a request allocates nothing here. */
export class Request {
  opcode = 0;
  /** Bytes of the whole request. */
  length = 0;
  uniqueLow = 0;
  uniqueHigh = 0;
  /** The inode that the request is about. */
  nodeId = 0;
  readonly caller: { -readonly [K in keyof Caller]: Caller[K] } = {
    uid: 0,
    gid: 0,
    pid: 0,
    umask: 0,
  };
  #buffer: DriverBuffer;

  constructor(buffer: DriverBuffer) {
    this.#buffer = buffer;
  }

  /** The memory that this request lies in. */
  get buffer(): DriverBuffer {
    return this.#buffer;
  }

  /** Takes up the request of `length` bytes in `buffer`; false where it has no valid header. */
  load(buffer: DriverBuffer, length: number): boolean {
    this.#buffer = buffer;
    this.length = length;
    if (length < IN_HEADER.bytes) return false;
    const view = buffer.view;
    this.opcode = view.getUint32(IN_HEADER.opcode, true);
    this.uniqueLow = view.getUint32(IN_HEADER.unique, true);
    this.uniqueHigh = view.getUint32(IN_HEADER.unique + 4, true);
    this.nodeId = getU64(view, IN_HEADER.nodeId);
    const caller = this.caller;
    caller.uid = view.getUint32(IN_HEADER.uid, true);
    caller.gid = view.getUint32(IN_HEADER.gid, true);
    caller.pid = view.getUint32(IN_HEADER.pid, true);
    caller.umask = 0;
    return view.getUint32(IN_HEADER.length, true) === length;
  }

  /** The request's id; the kernel counts them up from zero, so it stays below 2^53. */
  get unique(): number {
    return this.uniqueLow + this.uniqueHigh * TWO_32;
  }

  /** Unsigned 32 bits of the body. */
  u32(at: number): number {
    this.#require(at + 4);
    return this.#buffer.view.getUint32(BODY + at, true);
  }

  /** Unsigned 64 bits of the body: NaN from 2^53 on. */
  u64(at: number): number {
    this.#require(at + 8);
    return getU64(this.#buffer.view, BODY + at);
  }

  /** Signed 64 bits of the body (a time): NaN outside ±2^53. */
  i64(at: number): number {
    this.#require(at + 8);
    const view = this.#buffer.view;
    const value = view.getUint32(BODY + at, true) + view.getInt32(BODY + at + 4, true) * TWO_32;
    return Number.isSafeInteger(value) ? value : NaN;
  }

  /** An inode number of the body. */
  node(at: number): number {
    const ino = this.u64(at);
    if (Number.isNaN(ino)) throw stale;
    return ino;
  }

  /** Where the NUL-terminated string that begins at `at` of the body ends. */
  end(at: number): number {
    const end = this.#buffer.bytes.indexOf(0, BODY + at);
    if (end < 0 || end >= this.length) throw malformed;
    return end - BODY;
  }

  /** A copy of the body's bytes: private memory, which the filesystem may keep. */
  copy(from: number, to: number): Uint8Array {
    this.#require(to);
    return this.#buffer.bytes.slice(BODY + from, BODY + to);
  }

  /** Overwrites bytes from `from` to before `to` of the body: they were a secret. */
  wipe(from: number, to: number): void {
    this.#require(to);
    this.#buffer.bytes.fill(0, BODY + from, BODY + to);
  }

  /** The file name at `at` of the body, as LOOKUP takes it: "." and ".." are allowed. */
  lookupName(at: number): Uint8Array {
    const end = this.end(at);
    if (end === at) throw malformed;
    if (end - at > NAME_BYTES_MAX) throw nameTooLong;
    // Most requests have a name: memory of its own would take as long as looking it up.
    const name = shortCopy(this.#buffer.bytes, BODY + at, BODY + end);
    if (name.includes(SLASH)) throw malformed;
    return name;
  }

  /** The name at `at` of the body of an entry that is made, moved or removed. */
  name(at: number): Uint8Array {
    const name = this.lookupName(at);
    if (name[0] === DOT && isDots(name)) throw malformed;
    return name;
  }

  #require(end: number): void {
    if (BODY + end > this.length) throw malformed;
  }
}

/** True for "." and "..". */
export function isDots(name: Uint8Array): boolean {
  return name[0] === DOT && (name.length === 1 || (name.length === 2 && name[1] === DOT));
}
