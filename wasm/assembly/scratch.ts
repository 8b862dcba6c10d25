/**
 * Memory of the kernel's own, and the bounds check. Every thread that runs this module over the
 * shared memory has a scratch area of its own; the globals below are per instance. Nothing here
 * uses static data or a heap, so instances never write over each other.
 */

/** Most threads over one memory. The same numbers are in `wasm/layout.ts`. */
const THREADS_MAX: u32 = 16;
const SCRATCH_START: usize = 0x10000;
const SCRATCH_BYTES: usize = 0x4000;
/** First address callers may use: what lies below belongs to the kernel. */
const FREE_START: usize = 0x50000;

/** Result of a call whose arguments do not fit the memory. */
export const OUT_OF_BOUNDS: i32 = -1;

// Offsets in the scratch area. The first 0x480 bytes hold secrets and plaintext and are wiped after each call.
/** ChaCha20 state, 64 bytes. */
export let STATE: usize = 0;
/** Poly1305 accumulator and key, 96 bytes. */
export let POLY: usize = 0;
/** One block of key stream, 64 bytes. */
export let STREAM: usize = 0;
/** HChaCha20 subkey, 32 bytes. */
export let SUBKEY: usize = 0;
/** Poly1305's second key half, 16 bytes. */
export let PAD: usize = 0;
/** A zero-padded last block, 64 bytes. */
export let LAST: usize = 0;
/** BLAKE3 message words of four lanes, 256 bytes. */
export let WORDS: usize = 0;
/** BLAKE3 chaining values of four lanes, 128 bytes. */
export let CHAIN: usize = 0;
/** BLAKE3 stack of subtrees, 32 levels of 32 bytes. */
export let STACK: usize = 0;
/** BLAKE3 chaining values of one subtree, 64 chunks of 32 bytes. */
export let SUBTREE: usize = 0;
/** Reed-Solomon matrices, 32 × 64 bytes. */
export let MATRIX: usize = 0;
/** Reed-Solomon row addresses: 32 inputs, then 32 outputs, u32 each. */
export let ROWS: usize = 0;
/** Reed-Solomon nibble tables, 256 coefficients of 32 bytes at most. */
export let TABLES: usize = 0;

/** Chooses this instance's scratch area. Must be called once, before anything else. */
export function attach(thread: u32): i32 {
  if (thread >= THREADS_MAX || (memory.size() as u64) << 16 < (FREE_START as u64)) return OUT_OF_BOUNDS;
  const base = SCRATCH_START + (thread as usize) * SCRATCH_BYTES;
  STATE = base;
  POLY = base + 0x80;
  STREAM = base + 0x100;
  SUBKEY = base + 0x180;
  PAD = base + 0x1c0;
  LAST = base + 0x200;
  WORDS = base + 0x300;
  CHAIN = base + 0x400;
  STACK = base + 0x800;
  SUBTREE = base + 0xc00;
  MATRIX = base + 0x1400;
  ROWS = base + 0x1c00;
  TABLES = base + 0x2000;
  return 0;
}

/** Whether `length` bytes at `at` are the caller's to name. An empty range is always. */
export function inside(at: usize, length: u32): bool {
  if (length == 0) return true;
  return at >= FREE_START && (at as u64) + (length as u64) <= (memory.size() as u64) << 16;
}

/** Forgets the keys and the data of the last call. */
export function wipeSecrets(): void {
  memory.fill(STATE, 0, 0x480);
}
