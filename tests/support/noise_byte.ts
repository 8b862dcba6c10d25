/** Byte `at` of bytes that look random: no compression makes them shorter. */
export function noiseByte(seed: number, at: number): number {
  let x = Math.imul(seed + 1, 0x9e3779b1) ^ at;
  x = Math.imul(x ^ x >>> 16, 0x7feb352d);
  x = Math.imul(x ^ x >>> 15, 0x846ca68b);
  return (x ^ x >>> 16) & 0xff;
}
