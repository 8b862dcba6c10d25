/**
 * Keyed BLAKE3 of any length. Whole subtrees of 64 chunks are hashed four lanes wide and merged on
 * a stack as the paper's §5.1.2 says: a subtree may be merged only once more input follows it.
 */
import { compress4 } from "./generated/blake3";
import { CHAIN, inside, LAST, OUT_OF_BOUNDS, STACK, SUBTREE, wipeSecrets, WORDS } from "./scratch";

const CHUNK_START: u32 = 1, CHUNK_END: u32 = 2, PARENT: u32 = 4, ROOT: u32 = 8, KEYED: u32 = 16;
const SUBTREE_CHUNKS: u32 = 64;
const SUBTREE_BYTES: u32 = SUBTREE_CHUNKS << 10;

function beginChain(key: usize): void {
  for (let i: usize = 0; i < 8; i++) v128.store(CHAIN + 16 * i, v128.load32_splat(key + 4 * i));
}

/** Writes the chaining values of the first `count` lanes, 32 bytes each. */
function storeChain(out: usize, count: u32): void {
  for (let lane: u32 = 0; lane < count; lane++) {
    for (let i: u32 = 0; i < 8; i++) store<u32>(out + lane * 32 + i * 4, load<u32>(CHAIN + i * 16 + lane * 4));
  }
}

/** Chaining values of `count` whole chunks, the first of them number `index`. */
function wholeChunks(out: usize, from: usize, count: u32, index: u32, key: usize): void {
  for (let c: u32 = 0; c < count; c += 4) {
    const lanes = min<u32>(4, count - c);
    const p0 = from + ((c as usize) << 10);
    const p1 = lanes > 1 ? p0 + 1024 : p0, p2 = lanes > 2 ? p0 + 2048 : p0, p3 = lanes > 3 ? p0 + 3072 : p0;
    const counter = i32x4.add(i32x4.splat(index + c), i32x4(0, 1, 2, 3));
    beginChain(key);
    for (let b: u32 = 0; b < 16; b++) {
      const flags = KEYED | (b == 0 ? CHUNK_START : 0) | (b == 15 ? CHUNK_END : 0);
      compress4(p0 + b * 64, p1 + b * 64, p2 + b * 64, p3 + b * 64, counter, 64, flags, WORDS, CHAIN);
    }
    storeChain(out + c * 32, lanes);
  }
}

/** Chaining value of a last chunk of `length` bytes (0 to 1024). */
function lastChunk(out: usize, from: usize, length: u32, index: u32, key: usize, root: u32): void {
  const counter = i32x4.splat(index);
  let flags = KEYED | CHUNK_START;
  beginChain(key);
  while (length > 64) {
    compress4(from, from, from, from, counter, 64, flags, WORDS, CHAIN);
    flags = KEYED; from += 64; length -= 64;
  }
  memory.fill(LAST, 0, 64);
  memory.copy(LAST, from, length);
  compress4(LAST, LAST, LAST, LAST, counter, length, flags | CHUNK_END | root, WORDS, CHAIN);
  storeChain(out, 1);
}

/** Parents of `pairs` adjacent pairs of chaining values at `from`, to `out` (may be the same). */
function parents(out: usize, from: usize, pairs: u32, key: usize, root: u32): void {
  for (let i: u32 = 0; i < pairs; i += 4) {
    const lanes = min<u32>(4, pairs - i), a = from + (i as usize) * 64;
    beginChain(key);
    compress4(a, lanes > 1 ? a + 64 : a, lanes > 2 ? a + 128 : a, lanes > 3 ? a + 192 : a, i32x4.splat(0), 64, KEYED | PARENT | root, WORDS, CHAIN);
    storeChain(out + (i as usize) * 32, lanes);
  }
}

/** Hashes up to 64 chunks to one chaining value at `SUBTREE`; `root` is ROOT for the only subtree. */
function subtree(from: usize, length: u32, index: u32, key: usize, root: u32): void {
  let count: u32 = length == 0 ? 1 : ((length - 1) >> 10) + 1;
  if (count == 1) { lastChunk(SUBTREE, from, length, index, key, root); return; }
  const whole = length >> 10;
  wholeChunks(SUBTREE, from, whole, index, key);
  if (whole < count) {
    lastChunk(SUBTREE + (whole as usize) * 32, from + ((whole as usize) << 10), length & 1023, index + whole, key, 0);
  }
  while (count > 1) {
    const pairs = count >> 1;
    parents(SUBTREE, SUBTREE, pairs, key, count == 2 ? root : 0);
    if (count & 1) memory.copy(SUBTREE + (pairs as usize) * 32, SUBTREE + ((count - 1) as usize) * 32, 32);
    count = pairs + (count & 1);
  }
}

/** Replaces the two topmost chaining values of the stack by their parent. */
function mergeTop(depth: u32, key: usize, root: u32): void {
  const at = STACK + ((depth - 2) as usize) * 32;
  parents(at, at, 1, key, root);
}

export function blake3(out: usize, from: usize, length: u32, key: usize): i32 {
  if (!inside(out, 32) || !inside(from, length) || !inside(key, 32)) return OUT_OF_BOUNDS;
  if (length <= SUBTREE_BYTES) {
    subtree(from, length, 0, key, ROOT);
    memory.copy(out, SUBTREE, 32);
    wipeSecrets();
    return 0;
  }
  let done: u32 = 0, depth: u32 = 0, index: u32 = 0;
  while (length > SUBTREE_BYTES) {
    subtree(from, SUBTREE_BYTES, index, key, 0);
    memory.copy(STACK + (depth as usize) * 32, SUBTREE, 32);
    depth++; done++;
    // As many merges as `done` has trailing zero bits; more input follows, so none is the root.
    for (let n = done; (n & 1) == 0; n >>= 1) { mergeTop(depth, key, 0); depth--; }
    from += SUBTREE_BYTES; length -= SUBTREE_BYTES; index += SUBTREE_CHUNKS;
  }
  subtree(from, length, index, key, 0);
  memory.copy(STACK + (depth as usize) * 32, SUBTREE, 32);
  for (depth++; depth > 1; depth--) mergeTop(depth, key, depth == 2 ? ROOT : 0);
  memory.copy(out, STACK, 32);
  wipeSecrets();
  return 0;
}
