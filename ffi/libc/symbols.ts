/**
 * What the mount driver needs of libc, and nothing else.
 *
 * Addresses and constant sizes are passed as BigInts that callers keep: a Number for a `usize` costs 170 ns more.
 * Results of `read`, `write` and `writev` are declared `i32`, which is a Number and not a BigInt: no call here moves 2 GiB.
 * `fcntl`, `open` and `prctl` are variadic in C; on Linux (x86-64 and arm64) variadic integers travel like fixed ones.
 */
const SYMBOLS = {
  read: { parameters: ["i32", "usize", "usize"], result: "i32" },
  write: { parameters: ["i32", "buffer", "usize"], result: "i32" },
  writeInPool: {
    name: "write",
    parameters: ["i32", "buffer", "usize"],
    result: "i32",
    nonblocking: true,
  },
  writev: { parameters: ["i32", "usize", "i32"], result: "i32" },
  poll: { parameters: ["usize", "usize", "i32"], result: "i32" },
  pollInPool: {
    name: "poll",
    parameters: ["usize", "usize", "i32"],
    result: "i32",
    nonblocking: true,
  },
  fcntl: { parameters: ["i32", "i32", "i32"], result: "i32" },
  dup3: { parameters: ["i32", "i32", "i32"], result: "i32" },
  open: { parameters: ["buffer", "i32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  access: { parameters: ["buffer", "i32"], result: "i32" },
  statfs: { parameters: ["buffer", "buffer"], result: "i32" },
  prctl: { parameters: ["i32", "usize", "usize", "usize", "usize"], result: "i32" },
  eventfd: { parameters: ["u32", "i32"], result: "i32" },
  umount2: { parameters: ["buffer", "i32"], result: "i32" },
  umount2InPool: {
    name: "umount2",
    parameters: ["buffer", "i32"],
    result: "i32",
    nonblocking: true,
  },
  statxInPool: {
    name: "statx",
    parameters: ["i32", "buffer", "i32", "u32", "buffer"],
    result: "i32",
    nonblocking: true,
  },
  __errno_location: { parameters: [], result: "pointer" },
} as const;

/** libc as one thread sees it: errno is thread-local, so each thread opens its own. */
export interface Libc {
  readonly symbols: Deno.StaticForeignLibraryInterface<typeof SYMBOLS>;
  /** errno of the last failed call of this thread; meaningless after a call in the pool. */
  errno(): number;
  /** Gives the library back. No symbol may be called after. */
  close(): void;
}

/** Opens libc for the calling thread. */
export function openLibc(): Libc {
  const library = Deno.dlopen("libc.so.6", SYMBOLS);
  const location = library.symbols.__errno_location();
  if (location === null) throw new Error("Cannot find errno of this thread");
  const view = new Deno.UnsafePointerView(location);
  return {
    symbols: library.symbols,
    errno: () => view.getInt32(),
    close: () => library.close(),
  };
}

/** A NUL-terminated string for a C parameter. */
export function cString(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text + "\0");
}

/**
 * The address of memory that does not move: shared memory, or an ArrayBuffer of more than 64 bytes (smaller ones may
 * live inside the JavaScript heap). The caller keeps the memory alive as long as the address is in use.
 */
export function addressOf(bytes: Uint8Array): bigint {
  // Deno's declaration leaves shared memory out; the call takes it.
  const memory = bytes as Uint8Array<ArrayBuffer>;
  return Deno.UnsafePointer.value(Deno.UnsafePointer.of(memory));
}
