/**
 * A keyed permutation of [0, n): an alternating Feistel network of eight rounds on Z_a × Z_b with
 * a · b >= n and a · b - n < a, walked until it lands below n (fewer than two steps on average).
 * The round function is SipHash-2-4.
 */
import { inside } from "./scratch";

const ROUNDS: u32 = 8;

/** The shape for the last `n`: finding it costs a square root and a division. */
let size: u64 = 0, a: u64 = 1, b: u64 = 1;
let k0: u64 = 0, k1: u64 = 0;

// @ts-ignore: decorator
@inline
function sip(message: u64): u64 {
  let v0 = k0 ^ 0x736f6d6570736575, v1 = k1 ^ 0x646f72616e646f6d;
  let v2 = k0 ^ 0x6c7967656e657261, v3 = k1 ^ 0x7465646279746573;
  const last: u64 = (8 as u64) << 56;
  v3 ^= message;
  // Rounds 2 and 3 take the length block, rounds 4 to 7 finish.
  for (let i = 0; i < 8; i++) {
    if (i == 2) { v0 ^= message; v3 ^= last; }
    if (i == 4) { v0 ^= last; v2 ^= 0xff; }
    v0 += v1; v1 = rotl<u64>(v1, 13) ^ v0; v0 = rotl<u64>(v0, 32);
    v2 += v3; v3 = rotl<u64>(v3, 16) ^ v2;
    v0 += v3; v3 = rotl<u64>(v3, 21) ^ v0;
    v2 += v1; v1 = rotl<u64>(v1, 17) ^ v2; v2 = rotl<u64>(v2, 32);
  }
  return v0 ^ v1 ^ v2 ^ v3;
}

/** Round value below `range`. */
// @ts-ignore: decorator
@inline
function roundValue(half: u64, round: u32, range: u64): u64 {
  return ((sip(half | ((round as u64) << 56)) >> 32) * range) >> 32;
}

function begin(x: u32, last: u32, key: usize): bool {
  if (x > last || !inside(key, 16)) return false;
  k0 = load<u64>(key);
  k1 = load<u64>(key, 8);
  const n = (last as u64) + 1;
  if (n == size) return true;
  size = n;
  a = Math.sqrt(n as f64) as u64;
  while (a * a < n) a++;
  b = (n + a - 1) / a;
  return true;
}

/** The image of `x` among 0 to `last`, or -1 for bad arguments. */
export function permute(start: u32, last: u32, key: usize): f64 {
  if (!begin(start, last, key)) return -1;
  let x: u64 = start;
  do {
    let l = x % a, r = x / a;
    for (let i: u32 = 0; i < ROUNDS; i += 2) {
      l += roundValue(r, i, a); l = select<u64>(l - a, l, l >= a);
      r += roundValue(l, i + 1, b); r = select<u64>(r - b, r, r >= b);
    }
    x = r * a + l;
  } while (x >= size);
  k0 = 0; k1 = 0;
  return x as f64;
}

/** The inverse of {@link permute}. */
export function unpermute(start: u32, last: u32, key: usize): f64 {
  if (!begin(start, last, key)) return -1;
  let x: u64 = start;
  do {
    let l = x % a, r = x / a;
    for (let i: u32 = ROUNDS; i > 0; i -= 2) {
      const f = roundValue(l, i - 1, b); r = select<u64>(r - f, r + b - f, r >= f);
      const g = roundValue(r, i - 2, a); l = select<u64>(l - g, l + a - g, l >= g);
    }
    x = r * a + l;
  } while (x >= size);
  k0 = 0; k1 = 0;
  return x as f64;
}
