/**
 * Reed-Solomon over GF(2^8) modulo 0x11d, systematic, with the Cauchy matrix 1 / ((k + j) ^ i).
 * Repair inverts the k rows of the whole generator that belong to surviving shards: a different
 * way from the kernel's, to the same bytes.
 *
 * @module
 */
import { assert } from "../../assert.ts";

const POLYNOMIAL = 0x11d;
const EXPONENT = new Uint8Array(510);
const LOGARITHM = new Uint8Array(256);
for (let i = 0, x = 1; i < 255; i++) {
  EXPONENT[i] = EXPONENT[i + 255] = x;
  LOGARITHM[x] = i;
  x <<= 1;
  if (x & 256) x ^= POLYNOMIAL;
}

const multiply = (a: number, b: number) =>
  a !== 0 && b !== 0 ? EXPONENT[LOGARITHM[a] + LOGARITHM[b]] : 0;
const inverse = (a: number) => EXPONENT[255 - LOGARITHM[a]];

/** Row `shard` of the generator: a unit row for data, a Cauchy row for parity. */
function generatorRow(k: number, shard: number): number[] {
  return Array.from({ length: k }, (_, i) => {
    if (shard >= k) return inverse(shard ^ i);
    return shard === i ? 1 : 0;
  });
}

function combine(row: readonly number[], inputs: readonly Uint8Array[], output: Uint8Array): void {
  const sum = new Uint8Array(output.length);
  row.forEach((coefficient, i) => {
    for (let at = 0; at < sum.length; at++) sum[at] ^= multiply(coefficient, inputs[i][at]);
  });
  output.set(sum);
}

function invert(matrix: readonly number[][]): number[][] {
  const n = matrix.length;
  const rows = matrix.map((row, i) => [...row, ...generatorRow(n, i)]);
  for (let column = 0; column < n; column++) {
    const pivot = rows.findIndex((row, i) => i >= column && row[column] !== 0);
    assert(pivot >= 0, "surviving rows of a Cauchy generator are independent");
    [rows[column], rows[pivot]] = [rows[pivot], rows[column]];
    const scale = inverse(rows[column][column]);
    rows[column] = rows[column].map((x) => multiply(x, scale));
    for (let r = 0; r < n; r++) {
      const factor = rows[r][column];
      if (r !== column) rows[r] = rows[r].map((x, i) => x ^ multiply(factor, rows[column][i]));
    }
  }
  return rows.map((row) => row.slice(n));
}

/** Computes the parity shards, `shards[k]` and up, from the first `k`. */
export function encode(shards: readonly Uint8Array[], k: number): void {
  for (let j = k; j < shards.length; j++) {
    combine(generatorRow(k, j), shards.slice(0, k), shards[j]);
  }
}

/** Rebuilds in place the shards whose bit is set in `missing`. */
export function reconstruct(shards: readonly Uint8Array[], k: number, missing: number): void {
  const lost = (shard: number) => (missing >>> shard & 1) === 1;
  const kept = shards.map((_, i) => i).filter((i) => !lost(i)).slice(0, k);
  const decode = invert(kept.map((i) => generatorRow(k, i)));
  const inputs = kept.map((i) => shards[i]);
  for (let i = 0; i < k; i++) if (lost(i)) combine(decode[i], inputs, shards[i]);
  for (let j = k; j < shards.length; j++) {
    if (lost(j)) combine(generatorRow(k, j), shards.slice(0, k), shards[j]);
  }
}
