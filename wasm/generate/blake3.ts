/**
 * The BLAKE3 compression function on four blocks at once, unrolled with the message schedule
 * written out.
 *
 * @module
 */
import { COLUMNS, DIAGONALS, interleave, lines, rotateRight, transposed } from "./vectors.ts";

/** BLAKE3 paper, table 2: message word order of the next round. */
const PERMUTATION = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];
const INITIAL = ["0x6a09e667", "0xbb67ae85", "0x3c6ef372", "0xa54ff53a"];

/** Half of four quarter rounds; `half` 0 rotates by 16 and 12, `half` 1 by 8 and 7. */
function halfRound(quarters: readonly number[][], words: readonly number[], half: 0 | 1): string {
  const each = (line: (q: readonly number[], index: number) => string) =>
    quarters.map(line).join(" ");
  const message = (index: number) => `v128.load(words, ${16 * words[2 * index + half]})`;
  return [
    each(([a, b], i) => `x${a} = i32x4.add(i32x4.add(x${a}, ${message(i)}), x${b});`),
    each(([a, , , d]) => `x${d} = v128.xor(x${d}, x${a});`),
    each(([, , , d]) => `x${d} = ${rotateRight(`x${d}`, half ? 8 : 16)};`),
    each(([, , c, d]) => `x${c} = i32x4.add(x${c}, x${d});`),
    each(([, b, c]) => `x${b} = v128.xor(x${b}, x${c});`),
    each(([, b]) => `x${b} = ${rotateRight(`x${b}`, half ? 7 : 12)};`),
  ].join("\n");
}

function sevenRounds(): string {
  let order = Array.from({ length: 16 }, (_, index) => index);
  let text = "";
  for (let round = 0; round < 7; round++) {
    for (const [quarters, words] of [[COLUMNS, order.slice(0, 8)], [DIAGONALS, order.slice(8)]]) {
      const half = (which: 0 | 1) =>
        halfRound(quarters as number[][], words as number[], which) + "\n";
      text += half(0) + half(1);
    }
    order = PERMUTATION.map((from) => order[from]);
  }
  return text;
}

/** Transposes words 4 · group to 4 · group + 3 of four message blocks into `words`. */
function loadGroup(group: number): string {
  const rows = [0, 1, 2, 3].map((lane) => `v128.load(p${lane}, ${16 * group})`);
  return `{ const a = ${rows[0]}, b = ${rows[1]}, c = ${rows[2]}, d = ${rows[3]};
${interleave(["a", "b", "c", "d"])}
${lines(4, (i) => `v128.store(words, ${transposed(i)}, ${64 * group + 16 * i});`)} }`;
}

/** `compress4`: chaining values at `chain` as eight vectors, replaced in place. */
export function blake3Source(): string {
  return `
/** Compresses one 64-byte block for each of four lanes. \`words\`: 256 bytes of scratch. */
export function compress4(p0: usize, p1: usize, p2: usize, p3: usize, counter: v128, length: u32, flags: u32, words: usize, chain: usize): void {
${lines(4, loadGroup)}
${lines(8, (i) => `let x${i} = v128.load(chain, ${16 * i});`)}
${lines(4, (i) => `let x${8 + i} = i32x4.splat(${INITIAL[i]});`)}
let x12 = counter, x13 = i32x4.splat(0), x14 = i32x4.splat(length), x15 = i32x4.splat(flags);
${sevenRounds()}
${lines(8, (i) => `v128.store(chain, v128.xor(x${i}, x${i + 8}), ${16 * i});`)}
}
`;
}
