/**
 * Products of a small matrix over GF(2^8) with long rows of bytes: a coefficient is two 16-byte
 * tables (its products with each low and each high nibble), looked up 16 bytes at a time by
 * `relaxed_swizzle`, whose result is defined for indices below 16, the only ones used.
 *
 * @module
 */
import { lines } from "./vectors.ts";

/** Most outputs computed in one pass: more would not fit the vector registers. */
export const OUTPUTS_MAX = 4;

function product(output: number): string {
  const low = 32 * output;
  return `{ const low = v128.load(table, ${low}), high = v128.load(table, ${low + 16});
a${output} = v128.xor(a${output}, v128.xor(i8x16.relaxed_swizzle(low, xl), i8x16.relaxed_swizzle(high, xh)));
b${output} = v128.xor(b${output}, v128.xor(i8x16.relaxed_swizzle(low, yl), i8x16.relaxed_swizzle(high, yh))); }`;
}

function multiply(outputs: number): string {
  const all = (line: (output: number) => string) => lines(outputs, line);
  return `
/** ${outputs} output row(s) from \`count\` input rows; \`tables\`: per input, per output 32 bytes. */
export function multiply${outputs}(inputs: usize, count: u32, rows: usize, tables: usize, length: u32): void {
  const mask = i8x16.splat(15);
${all((j) => `  const row${j}: usize = load<u32>(rows, ${4 * j});`)}
  for (let p: u32 = 0; p < length; p += 32) {
${all((j) => `    let a${j} = i8x16.splat(0), b${j} = i8x16.splat(0);`)}
    let table = tables;
    for (let i: u32 = 0, input = inputs; i < count; i++, input += 4, table += ${32 * outputs}) {
      const at: usize = load<u32>(input) + p;
      const x = v128.load(at), y = v128.load(at, 16);
      const xl = v128.and(x, mask), xh = v128.and(i16x8.shr_u(x, 4), mask);
      const yl = v128.and(y, mask), yh = v128.and(i16x8.shr_u(y, 4), mask);
${all(product)}
    }
${all((j) => `    v128.store(row${j} + p, a${j}); v128.store(row${j} + p, b${j}, 16);`)}
  }
}
`;
}

/** `multiply1` to `multiply4`. */
export function reedSolomonSource(): string {
  return lines(OUTPUTS_MAX, (index) => multiply(index + 1));
}
