/**
 * Poly1305 in radix 2^32 on 64-bit integers: 20 multiplications a block, carries kept lazy. With
 * every limb h ≤ 2^32 + 3 and a message word added, h + m ≤ 2^33 + 3; a column sums four products
 * with factors below 1.25 · 2^28, so it stays below 2^63.4.
 *
 * State at `poly`: h0..h4 at 0, r0..r3 at 40, s1..s3 at 72, all u64;
 * s_i = r_i · 5/4, exact because the clamp clears the low two bits of r1..r3.
 *
 * @module
 */

/** Loads the accumulator and the key into variables. */
export const POLY_LOAD = `
  let h0 = load<u64>(poly, 0), h1 = load<u64>(poly, 8), h2 = load<u64>(poly, 16), h3 = load<u64>(poly, 24), h4 = load<u64>(poly, 32);
  const r0 = load<u64>(poly, 40), r1 = load<u64>(poly, 48), r2 = load<u64>(poly, 56), r3 = load<u64>(poly, 64);
  const s1 = load<u64>(poly, 72), s2 = load<u64>(poly, 80), s3 = load<u64>(poly, 88);
  let d0: u64 = 0, d1: u64 = 0, d2: u64 = 0, d3: u64 = 0, d4: u64 = 0;`;

/** Stores the accumulator back. */
export const POLY_STORE = `
  store<u64>(poly, h0, 0); store<u64>(poly, h1, 8); store<u64>(poly, h2, 16); store<u64>(poly, h3, 24); store<u64>(poly, h4, 32);`;

/**
 * One full block at `message + offset`, in four parts of about equal length that the stitched
 * kernel places between the steps of a ChaCha round.
 */
export function polyBlockParts(offset: number): string[] {
  const word = (index: number) => `load<u32>(message, ${offset + 4 * index}) as u64`;
  return [
    `h0 += ${word(0)}; h1 += ${word(1)}; h2 += ${word(2)}; h3 += ${word(3)}; h4 += 1;
d0 = h0*r0 + h1*s3 + (h2*s2 + h3*s1);`,
    `d1 = h0*r1 + h1*r0 + (h2*s3 + h3*s2) + h4*s1; d1 += d0 >> 32;
d2 = h0*r2 + h1*r1 + (h2*r0 + h3*s3) + h4*s2;`,
    `d3 = h0*r3 + h1*r2 + (h2*r1 + h3*r0) + h4*s3; h4 = h4*r0; d2 += d1 >> 32;`,
    `d3 += d2 >> 32; h4 += d3 >> 32; d4 = h4 >> 2; h4 &= 3; d4 += d4 << 2; d4 += d0 & 0xffffffff;
h0 = d4 & 0xffffffff; h1 = (d1 & 0xffffffff) + (d4 >> 32); h2 = d2 & 0xffffffff; h3 = d3 & 0xffffffff;`,
  ];
}

/** Poly1305 alone, over whole blocks. */
export function poly1305Source(): string {
  return `
/** Absorbs \`count\` whole 16-byte blocks at \`message\`. */
export function polyBlocks(message: usize, count: u32, poly: usize): void {
${POLY_LOAD}
  while (count) {
${polyBlockParts(0).join("\n")}
    message += 16; count--;
  }
${POLY_STORE}
}
`;
}
