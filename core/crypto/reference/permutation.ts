/**
 * The keyed permutation of [0, n): eight rounds of an alternating Feistel network on Z_a × Z_b with
 * a · b >= n, repeated until the result is below n. Round function: SipHash-2-4 on big integers.
 *
 * @module
 */
import { viewOf } from "../../bytes.ts";

const ROUNDS = 8n;
const MASK = (1n << 64n) - 1n;

const rotate = (x: bigint, bits: bigint) => ((x << bits) | (x >> (64n - bits))) & MASK;

function sipRounds([a, b, c, d]: bigint[], count: number): bigint[] {
  for (let i = 0; i < count; i++) {
    a = (a + b) & MASK;
    b = rotate(b, 13n) ^ a;
    a = rotate(a, 32n);
    c = (c + d) & MASK;
    d = rotate(d, 16n) ^ c;
    a = (a + d) & MASK;
    d = rotate(d, 21n) ^ a;
    c = (c + b) & MASK;
    b = rotate(b, 17n) ^ c;
    c = rotate(c, 32n);
  }
  return [a, b, c, d];
}

/** SipHash-2-4 of one 8-byte message under a 16-byte key. */
export function siphash(key: Uint8Array, message: bigint): bigint {
  const k0 = viewOf(key).getBigUint64(0, true);
  const k1 = viewOf(key).getBigUint64(8, true);
  let v = [
    k0 ^ 0x736f6d6570736575n,
    k1 ^ 0x646f72616e646f6dn,
    k0 ^ 0x6c7967656e657261n,
    k1 ^ 0x7465646279746573n,
  ];
  for (const word of [message, 8n << 56n]) {
    v[3] ^= word;
    v = sipRounds(v, 2);
    v[0] ^= word;
  }
  v[2] ^= 0xffn;
  const [a, b, c, d] = sipRounds(v, 4);
  return a ^ b ^ c ^ d;
}

/** The sides of the rectangle: a · b >= n, and a · b - n < a. */
function sides(n: bigint): [bigint, bigint] {
  let a = BigInt(Math.floor(Math.sqrt(Number(n))));
  while (a * a < n) a++;
  return [a, (n + a - 1n) / a];
}

interface Network {
  readonly key: Uint8Array;
  readonly a: bigint;
  readonly b: bigint;
}

/** What round `round` adds to one half, below `range`. */
function term({ key }: Network, half: bigint, round: bigint, range: bigint): bigint {
  return ((siphash(key, half | (round << 56n)) >> 32n) * range) >> 32n;
}

function forward(net: Network, x: bigint): bigint {
  let l = x % net.a, r = x / net.a;
  for (let i = 0n; i < ROUNDS; i += 2n) {
    l = (l + term(net, r, i, net.a)) % net.a;
    r = (r + term(net, l, i + 1n, net.b)) % net.b;
  }
  return r * net.a + l;
}

function backward(net: Network, x: bigint): bigint {
  let l = x % net.a, r = x / net.a;
  for (let i = ROUNDS - 2n; i >= 0n; i -= 2n) {
    r = (r + net.b - term(net, l, i + 1n, net.b)) % net.b;
    l = (l + net.a - term(net, r, i, net.a)) % net.a;
  }
  return r * net.a + l;
}

function walk(x: number, n: number, key: Uint8Array, step: typeof forward): number {
  const [a, b] = sides(BigInt(n));
  let image = BigInt(x);
  do image = step({ key, a, b }, image); while (image >= BigInt(n));
  return Number(image);
}

/** The image of `x` in [0, n). */
export function permute(x: number, n: number, key: Uint8Array): number {
  return walk(x, n, key, forward);
}

/** The inverse of {@linkcode permute}. */
export function unpermute(x: number, n: number, key: Uint8Array): number {
  return walk(x, n, key, backward);
}
