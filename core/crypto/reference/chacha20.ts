/**
 * ChaCha20 (RFC 8439 §2.3) and HChaCha20 (draft-irtf-cfrg-xchacha-03 §2.2), written to be read.
 *
 * @module
 */
import { viewOf } from "../../bytes.ts";

/** Bytes of one block of key stream. */
export const BLOCK_BYTES = 64;

const CONSTANTS = [0x61707865, 0x3320646e, 0x79622d32, 0x6b206574];

const rotate = (x: number, bits: number) => (x << bits) | (x >>> (32 - bits));

function quarterRound(x: Uint32Array, [a, b, c, d]: readonly number[]): void {
  x[a] += x[b];
  x[d] = rotate(x[d] ^ x[a], 16);
  x[c] += x[d];
  x[b] = rotate(x[b] ^ x[c], 12);
  x[a] += x[b];
  x[d] = rotate(x[d] ^ x[a], 8);
  x[c] += x[d];
  x[b] = rotate(x[b] ^ x[c], 7);
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

function twentyRounds(x: Uint32Array): void {
  for (let i = 0; i < 10; i++) {
    for (const quarter of QUARTERS) quarterRound(x, quarter);
  }
}

function readWords(bytes: Uint8Array): number[] {
  const view = viewOf(bytes);
  return Array.from({ length: bytes.length / 4 }, (_, i) => view.getUint32(4 * i, true));
}

function writeWords(words: ArrayLike<number>): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(4 * words.length);
  const view = viewOf(bytes);
  for (let i = 0; i < words.length; i++) view.setUint32(4 * i, words[i], true);
  return bytes;
}

/** One block of key stream for a 12-byte nonce. */
export function chachaBlock(
  key: Uint8Array,
  counter: number,
  nonce: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const input = Uint32Array.from([...CONSTANTS, ...readWords(key), counter, ...readWords(nonce)]);
  const mixed = input.slice();
  twentyRounds(mixed);
  for (let i = 0; i < 16; i++) mixed[i] += input[i];
  return writeWords(mixed);
}

/** The 32-byte subkey of a key and a 16-byte nonce. */
export function hchacha20(key: Uint8Array, nonce: Uint8Array): Uint8Array<ArrayBuffer> {
  const x = Uint32Array.from([...CONSTANTS, ...readWords(key), ...readWords(nonce)]);
  twentyRounds(x);
  return writeWords([...x.subarray(0, 4), ...x.subarray(12)]);
}

/** Encrypts or decrypts: exclusive-or with the key stream that starts at block `counter`. */
export function chachaXor(
  key: Uint8Array,
  counter: number,
  nonce: Uint8Array,
  data: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(data);
  for (let at = 0; at < out.length; at += BLOCK_BYTES) {
    const block = chachaBlock(key, counter + at / BLOCK_BYTES, nonce);
    const end = Math.min(out.length, at + BLOCK_BYTES);
    for (let i = at; i < end; i++) out[i] ^= block[i - at];
  }
  return out;
}
