import { setU64, viewOf } from "../../core/bytes.ts";
import type { NamePlace } from "../../core/fs/kernel_cache.ts";
import type { Libc } from "../libc/symbols.ts";
import type { PageRange } from "./exchange.ts";
import { INVAL_ENTRY_OUT, INVAL_INODE_OUT, NOTICE, OUT_HEADER } from "./protocol.ts";

/** Larger than any notice, and than what may lie inside the JavaScript heap, where it could move. */
const NOTICE_BYTES = 512;

/**
 * Tells the kernel what to forget. The kernel may have to write pages back first, or to wait for a lock whose owner waits for an
 * answer from us: so a notice is sent from the pool, by a thread that does not serve, while another one serves.
 */
export class KernelNotices {
  readonly #libc: Libc;
  readonly #descriptor: number;
  #last: Promise<unknown> = Promise.resolve();

  constructor(libc: Libc, descriptor: number) {
    this.#libc = libc;
    this.#descriptor = descriptor;
  }

  /** Attributes and pages; pages that were changed through a map are written to us first. */
  forgetInode(ino: number): Promise<void> {
    return this.forgetPages({ ino, offset: 0, length: Infinity });
  }

  /** The same of a part of it. */
  forgetPages({ ino, offset, length }: PageRange): Promise<void> {
    const bytes = inodeNotice(ino);
    const view = viewOf(bytes);
    setU64(view, OUT_HEADER.bytes + INVAL_INODE_OUT.offset, offset);
    // 0: all of the rest.
    const told = Number.isSafeInteger(length) ? length : 0;
    setU64(view, OUT_HEADER.bytes + INVAL_INODE_OUT.length, told);
    return this.#sendInPool(bytes, INODE_NOTICE_BYTES);
  }

  /**
   * Attributes only. Never waits where somebody has the inode open: no pages are touched. Whether the kernel knew the inode does
   * not matter.
   */
  forgetAttributes(ino: number): void {
    const bytes = inodeNotice(ino);
    // An offset below 0: no pages.
    viewOf(bytes).setBigInt64(OUT_HEADER.bytes + INVAL_INODE_OUT.offset, -1n, true);
    this.#libc.symbols.write(this.#descriptor, bytes, BigInt(INODE_NOTICE_BYTES));
  }

  /** What a name leads to, or that it leads nowhere. */
  forgetName({ parent, name }: NamePlace): Promise<void> {
    const start = OUT_HEADER.bytes;
    const length = start + INVAL_ENTRY_OUT.bytes + name.length + 1;
    const bytes = notice(NOTICE.INVAL_ENTRY, length);
    const view = viewOf(bytes);
    setU64(view, start + INVAL_ENTRY_OUT.parent, parent);
    view.setUint32(start + INVAL_ENTRY_OUT.nameBytes, name.length, true);
    bytes.set(name, start + INVAL_ENTRY_OUT.bytes);
    return this.#sendInPool(bytes, length);
  }

  /**
   * What all names lead to, those that are being looked up at this moment too. Never waits. False where the kernel is older
   * than Linux 6.16 and does not know the notice.
   */
  forgetAllNames(): boolean {
    const bytes = notice(NOTICE.INC_EPOCH, OUT_HEADER.bytes);
    const length = BigInt(OUT_HEADER.bytes);
    return this.#libc.symbols.write(this.#descriptor, bytes, length) === OUT_HEADER.bytes;
  }

  /** Resolves when no notice is under way. */
  async finish(): Promise<void> {
    await this.#last;
  }

  /** Whether the kernel knew the inode or the name does not matter. */
  async #sendInPool(bytes: Uint8Array<ArrayBuffer>, length: number): Promise<void> {
    const sending = this.#libc.symbols.writeInPool(this.#descriptor, bytes, BigInt(length));
    this.#last = Promise.all([this.#last, sending]);
    await sending;
  }
}

const INODE_NOTICE_BYTES = OUT_HEADER.bytes + INVAL_INODE_OUT.bytes;

/** All zero but for the inode. */
function inodeNotice(ino: number): Uint8Array<ArrayBuffer> {
  const bytes = notice(NOTICE.INVAL_INODE, INODE_NOTICE_BYTES);
  setU64(viewOf(bytes), OUT_HEADER.bytes + INVAL_INODE_OUT.ino, ino);
  return bytes;
}

/** A notice is a reply without a request: its error field says which. */
function notice(code: number, length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(new ArrayBuffer(NOTICE_BYTES));
  const view = viewOf(bytes);
  view.setUint32(OUT_HEADER.length, length, true);
  view.setInt32(OUT_HEADER.error, code, true);
  return bytes;
}
