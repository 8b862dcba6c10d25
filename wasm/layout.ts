/**
 * How the kernel's memory is divided. `wasm/assembly/scratch.ts` has the same numbers.
 *
 * | from | to | use |
 * |---|---|---|
 * | 0 | 64 KiB | never used: address 0 and its neighbours are always a bug |
 * | 64 KiB | 320 KiB | scratch, 16 KiB for each of 16 threads |
 * | 320 KiB | end | handed out by `reserve` |
 *
 * @module
 */

/** Most threads (instances of the module) over one memory. */
export const THREADS_MAX = 16;
/** First address that `reserve` hands out. */
export const FREE_START = 0x50000;
/** A page of WebAssembly memory. */
export const PAGE_BYTES = 65536;
/** Smallest memory: the kernel's own part and one page. */
export const MEMORY_BYTES_MIN = FREE_START + PAGE_BYTES;
/** Largest memory: 32-bit addresses. */
export const MEMORY_BYTES_MAX = 65536 * PAGE_BYTES;
