/**
 * Reads or writes 4 KiB at random places of a file with plain system calls, and prints operations per second. A process of
 * its own, because whoever serves a mount must not touch it.
 *
 *     deno run -A bench/filesystems/random_io.ts read|write FILE COUNT
 *
 * @module
 */
import { sequence } from "./tree.ts";

const BYTES = 4096;
const FSYNC_EVERY = 32;
const O_RDWR = 2;

const LIBC = {
  open: { parameters: ["buffer", "i32"], result: "i32" },
  pread: { parameters: ["i32", "buffer", "usize", "i64"], result: "isize" },
  pwrite: { parameters: ["i32", "buffer", "usize", "i64"], result: "isize" },
  fsync: { parameters: ["i32"], result: "i32" },
} as const;

function main([mode, path, count]: readonly string[]): number {
  const { symbols } = Deno.dlopen("libc.so.6", LIBC);
  const size = Deno.statSync(path).size;
  const random = sequence(5);
  const places = Array.from(
    { length: Number(count) },
    () => BigInt(Math.floor(random() * Math.floor(size / BYTES)) * BYTES),
  );
  const fd = symbols.open(new TextEncoder().encode(path + "\0"), mode === "write" ? O_RDWR : 0);
  if (fd < 0) throw new Error(`cannot open ${path}`);
  const bytes = crypto.getRandomValues(new Uint8Array(BYTES));
  const length = BigInt(BYTES);
  const start = performance.now();
  places.forEach((place, i) => {
    const done = mode === "write"
      ? symbols.pwrite(fd, bytes, length, place)
      : symbols.pread(fd, bytes, length, place);
    if (done !== length) throw new Error(`${mode} at ${place}: ${done}`);
    if (mode === "write" && i % FSYNC_EVERY === FSYNC_EVERY - 1 && symbols.fsync(fd) !== 0) {
      throw new Error("fsync failed");
    }
  });
  return places.length / ((performance.now() - start) / 1000);
}

if (import.meta.main) console.log(main(Deno.args));
