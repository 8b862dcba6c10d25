/**
 * pread and pwrite on a descriptor that another thread opened, from and to shared memory. Each
 * crypto worker has its own, because errno belongs to a thread.
 *
 * @module
 */
import { ERRNO } from "./errno.ts";

const SYMBOLS = {
  pread64: { parameters: ["i32", "buffer", "usize", "i64"], result: "isize" },
  pwrite64: { parameters: ["i32", "buffer", "usize", "i64"], result: "isize" },
  lseek64: { parameters: ["i32", "i64", "i32"], result: "i64" },
  ftruncate64: { parameters: ["i32", "i64"], result: "i32" },
  __errno_location: { parameters: [], result: "pointer" },
} as const;

const SEEK_END = 2;

/** Linux moves at most 0x7ffff000 bytes in one call; less is asked so that a call stays short. */
const TRANSFER_BYTES_MAX = 0x40000000;

/** Whole transfers at a byte offset. Both return 0, or the errno of what failed. */
export interface PositionedTransfers {
  /** Fills `into`. A file that ends before it is full is `EIO`. */
  read(descriptor: number, offset: number, into: Uint8Array): number;
  /** Writes all of `from`; what was written before a failure stays. */
  write(descriptor: number, offset: number, from: Uint8Array): number;
  /** Cuts so many bytes off the end of a file; false where it has none, or cannot be cut. */
  cut(descriptor: number, bytes: number): boolean;
  /** Gives the library back. */
  close(): void;
}

/** Opens libc for the calling thread. Needs `--allow-ffi`. */
export function openPositionedTransfers(): PositionedTransfers {
  const library = Deno.dlopen("libc.so.6", SYMBOLS);
  const { pread64, pwrite64, lseek64, ftruncate64, __errno_location } = library.symbols;
  const location = __errno_location();
  if (location === null) throw new Error("Cannot find errno of this thread");
  const errno = new Deno.UnsafePointerView(location);
  const whole = (call: typeof pread64 | typeof pwrite64) =>
  (
    descriptor: number,
    offset: number,
    memory: Uint8Array,
  ): number => {
    for (let done = 0; done < memory.length;) {
      const part = memory.subarray(done, done + TRANSFER_BYTES_MAX);
      // Deno's declaration leaves shared memory out; the call takes it.
      const buffer = part as Uint8Array<ArrayBuffer>;
      const moved = Number(call(descriptor, buffer, BigInt(part.length), BigInt(offset + done)));
      if (moved > 0) done += moved;
      else if (moved === 0) return ERRNO.EIO;
      else if (errno.getInt32() !== ERRNO.EINTR) return errno.getInt32();
    }
    return 0;
  };
  const cut = (descriptor: number, bytes: number): boolean => {
    const size = lseek64(descriptor, 0n, SEEK_END);
    const left = size > BigInt(bytes) ? size - BigInt(bytes) : 0n;
    return size > 0n && ftruncate64(descriptor, left) === 0;
  };
  return { read: whole(pread64), write: whole(pwrite64), cut, close: () => library.close() };
}
