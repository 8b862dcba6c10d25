/**
 * Pieces of AssemblyScript text about 128-bit vectors that the generated kernels share.
 *
 * @module
 */

/** Four columns of the ChaCha state: the words each quarter round works on. */
export const COLUMNS = [[0, 4, 8, 12], [1, 5, 9, 13], [2, 6, 10, 14], [3, 7, 11, 15]];
/** Four diagonals of the ChaCha state. */
export const DIAGONALS = [[0, 5, 10, 15], [1, 6, 11, 12], [2, 7, 8, 13], [3, 4, 9, 14]];

/** Byte orders that rotate every 32-bit lane left; a shuffle is one instruction, two shifts are three. */
const LEFT_BY_BYTES: Record<number, string> = {
  8: "3,0,1,2,7,4,5,6,11,8,9,10,15,12,13,14",
  16: "2,3,0,1,6,7,4,5,10,11,8,9,14,15,12,13",
  24: "1,2,3,0,5,6,7,4,9,10,11,8,13,14,15,12",
};

/** Text of `count` lines. */
export function lines(count: number, line: (index: number) => string): string {
  return Array.from({ length: count }, (_, index) => line(index)).join("\n");
}

/** An expression that rotates each 32-bit lane of variable `x` left by `bits`. */
export function rotateLeft(x: string, bits: number): string {
  const order = LEFT_BY_BYTES[bits];
  if (order !== undefined) return `v128.shuffle<u8>(${x}, ${x}, ${order})`;
  return `v128.or(i32x4.shl(${x}, ${bits}), i32x4.shr_u(${x}, ${32 - bits}))`;
}

/** An expression that rotates each 32-bit lane of variable `x` right by `bits`. */
export function rotateRight(x: string, bits: number): string {
  return rotateLeft(x, 32 - bits);
}

/**
 * Declares `t0` to `t3`, half of a 4 × 4 transpose of the rows named; {@linkcode transposed} gives
 * the other half.
 */
export function interleave(rows: readonly string[]): string {
  const [a, b, c, d] = rows;
  return `let t0 = v128.shuffle<u32>(${a}, ${b}, 0,4,1,5), t1 = v128.shuffle<u32>(${c}, ${d}, 0,4,1,5),
  t2 = v128.shuffle<u32>(${a}, ${b}, 2,6,3,7), t3 = v128.shuffle<u32>(${c}, ${d}, 2,6,3,7);`;
}

/** Column `index` (0 to 3) of the rows given to {@linkcode interleave}, as an expression. */
export function transposed(index: number): string {
  const pair = index < 2 ? "t0, t1" : "t2, t3";
  return `v128.shuffle<u64>(${pair}, ${index & 1 ? "1,3" : "0,2"})`;
}
