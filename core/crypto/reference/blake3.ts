/**
 * Keyed BLAKE3, by the recursive definition of the paper (§2): a tree of 1,024-byte chunks whose
 * left side is the largest power of two that leaves something to the right.
 *
 * @module
 */
import { concat, viewOf } from "../../bytes.ts";

const CHUNK_BYTES = 1024;
const BLOCK_BYTES = 64;
const INITIAL = [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a];
const PERMUTATION = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];
const FLAG = { chunkStart: 1, chunkEnd: 2, parent: 4, root: 8, keyed: 16 } as const;

const rotate = (x: number, bits: number) => (x >>> bits) | (x << (32 - bits));

interface Block {
  readonly chain: Uint32Array;
  /** At most 64 bytes. */
  readonly bytes: Uint8Array;
  readonly counter: number;
  readonly flags: number;
}

function mix(v: Uint32Array, [a, b, c, d]: readonly number[], mx: number, my: number): void {
  v[a] += v[b] + mx;
  v[d] = rotate(v[d] ^ v[a], 16);
  v[c] += v[d];
  v[b] = rotate(v[b] ^ v[c], 12);
  v[a] += v[b] + my;
  v[d] = rotate(v[d] ^ v[a], 8);
  v[c] += v[d];
  v[b] = rotate(v[b] ^ v[c], 7);
}

const QUARTERS = [
  [0, 4, 8, 12],
  [1, 5, 9, 13],
  [2, 6, 10, 14],
  [3, 7, 11, 15],
  [0, 5, 10, 15],
  [1, 6, 11, 12],
  [2, 7, 8, 13],
  [3, 4, 9, 14],
];

function compress({ chain, bytes, counter, flags }: Block): Uint32Array {
  const padded = viewOf(concat(bytes, new Uint8Array(BLOCK_BYTES - bytes.length)));
  let words = Array.from({ length: 16 }, (_, i) => padded.getUint32(4 * i, true));
  const v = Uint32Array.from([...chain, ...INITIAL, counter, 0, bytes.length, flags]);
  for (let round = 0; round < 7; round++) {
    QUARTERS.forEach((quarter, i) => mix(v, quarter, words[2 * i], words[2 * i + 1]));
    words = PERMUTATION.map((from) => words[from]);
  }
  return v.slice(0, 8).map((word, i) => word ^ v[i + 8]);
}

function keyWords(key: Uint8Array): Uint32Array {
  const view = viewOf(key);
  return Uint32Array.from({ length: 8 }, (_, i) => view.getUint32(4 * i, true));
}

function toBytes(words: Uint32Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(32);
  words.forEach((word, i) => viewOf(bytes).setUint32(4 * i, word, true));
  return bytes;
}

function hashChunk(key: Uint32Array, chunk: Uint8Array, counter: number, root: number) {
  let chain = key;
  const blocks = Math.max(1, Math.ceil(chunk.length / BLOCK_BYTES));
  for (let i = 0; i < blocks; i++) {
    let flags = FLAG.keyed as number;
    if (i === 0) flags |= FLAG.chunkStart;
    if (i === blocks - 1) flags |= FLAG.chunkEnd | root;
    const bytes = chunk.subarray(i * BLOCK_BYTES, (i + 1) * BLOCK_BYTES);
    chain = compress({ chain, bytes, counter, flags });
  }
  return chain;
}

function hashTree(key: Uint32Array, input: Uint8Array, first: number, root: number): Uint32Array {
  if (input.length <= CHUNK_BYTES) return hashChunk(key, input, first, root);
  const chunks = Math.ceil(input.length / CHUNK_BYTES);
  const left = 2 ** Math.ceil(Math.log2(chunks) - 1);
  const children = concat(
    toBytes(hashTree(key, input.subarray(0, left * CHUNK_BYTES), first, 0)),
    toBytes(hashTree(key, input.subarray(left * CHUNK_BYTES), first + left, 0)),
  );
  const flags = FLAG.keyed | FLAG.parent | root;
  return compress({ chain: key, bytes: children, counter: 0, flags });
}

/** The 32-byte keyed hash of `input`. */
export function blake3Keyed(key: Uint8Array, input: Uint8Array): Uint8Array<ArrayBuffer> {
  return toBytes(hashTree(keyWords(key), input, 0, FLAG.root));
}
