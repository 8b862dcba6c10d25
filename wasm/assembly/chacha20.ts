/** ChaCha20 one block at a time in row layout, HChaCha20, and the state's set-up. */
import { chachaGroups } from "./generated/chacha";
import { STATE, STREAM, SUBKEY } from "./scratch";

// @ts-ignore: decorator
@inline
function constants(): v128 {
  return i32x4(0x61707865, 0x3320646e, 0x79622d32, 0x6b206574);
}

// @ts-ignore: decorator
@inline
function rotate7(x: v128): v128 {
  return v128.or(i32x4.shl(x, 7), i32x4.shr_u(x, 25));
}

// @ts-ignore: decorator
@inline
function rotate8(x: v128): v128 {
  return v128.shuffle<u8>(x, x, 3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14);
}

// @ts-ignore: decorator
@inline
function rotate12(x: v128): v128 {
  return v128.or(i32x4.shl(x, 12), i32x4.shr_u(x, 20));
}

// @ts-ignore: decorator
@inline
function rotate16(x: v128): v128 {
  return v128.shuffle<u8>(x, x, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
}

/**
 * The permutation on four rows; the result is stored at `out` (64 bytes), and with `sum` the input
 * rows are added first, as a key stream block wants.
 */
function permute(out: usize, a: v128, b: v128, c: v128, d: v128, sum: bool): void {
  const a0 = a, b0 = b, c0 = c, d0 = d;
  for (let i: u32 = 0; i < 20; i++) {
    a = i32x4.add(a, b); d = rotate16(v128.xor(d, a));
    c = i32x4.add(c, d); b = rotate12(v128.xor(b, c));
    a = i32x4.add(a, b); d = rotate8(v128.xor(d, a));
    c = i32x4.add(c, d); b = rotate7(v128.xor(b, c));
    // Rows shift so that diagonals become columns, and back after the next round.
    if (i & 1) {
      b = v128.shuffle<u32>(b, b, 3, 0, 1, 2);
      d = v128.shuffle<u32>(d, d, 1, 2, 3, 0);
    } else {
      b = v128.shuffle<u32>(b, b, 1, 2, 3, 0);
      d = v128.shuffle<u32>(d, d, 3, 0, 1, 2);
    }
    c = v128.shuffle<u32>(c, c, 2, 3, 0, 1);
  }
  if (sum) {
    a = i32x4.add(a, a0); b = i32x4.add(b, b0); c = i32x4.add(c, c0); d = i32x4.add(d, d0);
  }
  v128.store(out, a); v128.store(out, b, 16); v128.store(out, c, 32); v128.store(out, d, 48);
}

/** HChaCha20: the first and last row of the bare permutation. Uses `STREAM`. */
export function subkey(out: usize, key: usize, nonce: usize): void {
  permute(STREAM, constants(), v128.load(key), v128.load(key, 16), v128.load(nonce), false);
  v128.store(out, v128.load(STREAM));
  v128.store(out, v128.load(STREAM, 48), 16);
}

/** One block of key stream to `STREAM`; the counter advances. */
export function nextBlock(): void {
  permute(STREAM, v128.load(STATE), v128.load(STATE, 16), v128.load(STATE, 32), v128.load(STATE, 48), true);
  store<u32>(STATE, load<u32>(STATE, 48) + 1, 48);
}

/** State from a key and the two halves of words 12 to 15 (counter and nonce). */
export function begin(key: usize, low: u64, high: u64): void {
  v128.store(STATE, constants());
  v128.store(STATE, v128.load(key), 16);
  v128.store(STATE, v128.load(key, 16), 32);
  store<u64>(STATE, low, 48);
  store<u64>(STATE, high, 56);
}

/** XChaCha20 (draft-irtf-cfrg-xchacha-03 §2.3) state from a 24-byte nonce. */
export function beginExtended(key: usize, nonce: usize): void {
  subkey(SUBKEY, key, nonce);
  begin(SUBKEY, 0, load<u64>(nonce, 16));
}

/** Encrypts fewer than 256 bytes. */
export function encryptTail(dst: usize, src: usize, length: u32): void {
  while (length >= 64) {
    nextBlock();
    for (let i: usize = 0; i < 64; i += 16) {
      v128.store(dst + i, v128.xor(v128.load(src + i), v128.load(STREAM + i)));
    }
    dst += 64; src += 64; length -= 64;
  }
  if (length) {
    nextBlock();
    for (let i: u32 = 0; i < length; i++) store<u8>(dst + i, load<u8>(src + i) ^ load<u8>(STREAM + i));
  }
}

/** Encrypts any length. */
export function encrypt(dst: usize, src: usize, length: u32): void {
  const body = length & ~255;
  if (body) chachaGroups(dst, src, body >> 8, STATE);
  encryptTail(dst + body, src + body, length & 255);
}
