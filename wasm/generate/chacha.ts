/**
 * ChaCha20 four blocks (256 bytes) at a time: vector i holds word i of four consecutive blocks.
 * In the stitched form Poly1305 eats 256 bytes on the scalar ports meanwhile: two of its blocks in
 * each of the first eight double rounds.
 *
 * `state` is 16 u32: constants, key, counter (word 12, advanced by every call), nonce.
 *
 * @module
 */
import { COLUMNS, DIAGONALS, interleave, lines, rotateLeft, transposed } from "./vectors.ts";
import { POLY_LOAD, POLY_STORE, polyBlockParts } from "./poly1305.ts";

/** The four add-xor-rotate steps of a quarter round: a += b; d = (d ^ a) <<< bits. */
const STEPS = [
  { sum: 0, term: 1, mixed: 3, bits: 16 },
  { sum: 2, term: 3, mixed: 1, bits: 12 },
  { sum: 0, term: 1, mixed: 3, bits: 8 },
  { sum: 2, term: 3, mixed: 1, bits: 7 },
];

/** Four quarter rounds side by side, as the four steps of each, so that they can be stitched. */
function roundSteps(quarters: readonly number[][]): string[] {
  return STEPS.map(({ sum, term, mixed, bits }) => {
    const each = (line: (q: readonly number[]) => string) => quarters.map(line).join(" ");
    return [
      each((q) => `x${q[sum]} = i32x4.add(x${q[sum]}, x${q[term]});`),
      each((q) => `x${q[mixed]} = v128.xor(x${q[mixed]}, x${q[sum]});`),
      each((q) => `x${q[mixed]} = ${rotateLeft(`x${q[mixed]}`, bits)};`),
    ].join("\n");
  });
}

/** One round with one Poly1305 block woven in. */
function stitchedRound(quarters: readonly number[][], offset: number): string {
  const poly = polyBlockParts(offset);
  return roundSteps(quarters).map((step, index) => step + "\n" + poly[index]).join("\n");
}

const DOUBLE_ROUND = [...roundSteps(COLUMNS), ...roundSteps(DIAGONALS)].join("\n");

const word = (index: number) => index === 12 ? "counter" : `v128.load32_splat(state, ${4 * index})`;
const BEGIN = lines(16, (i) => `let x${i}: v128 = ${word(i)};`);
const ADD_INPUT = lines(16, (i) => `x${i} = i32x4.add(x${i}, ${word(i)});`);

/** Writes words 4 · group to 4 · group + 3 of the four blocks. */
function emitGroup(group: number, source: boolean): string {
  const rows = [0, 1, 2, 3].map((i) => `x${4 * group + i}`);
  const store = (block: number) => {
    const at = 16 * group + 64 * block;
    const key = transposed(block);
    const value = source ? `v128.xor(v128.load(src, ${at}), ${key})` : key;
    return `v128.store(dst, ${value}, ${at});`;
  };
  return `{ ${interleave(rows)}\n${lines(4, store)} }`;
}

interface Form {
  readonly signature: string;
  readonly doc: string;
  /** Exclusive-or with `src`, or write the bare key stream. */
  readonly source: boolean;
  readonly stitched: boolean;
}

/** Rounds: all alike, or eight stitched double rounds and two plain ones. */
function rounds(stitched: boolean): string {
  const plain = (count: number) => `for (let r: u32 = 0; r < ${count}; r++) {\n${DOUBLE_ROUND}\n}`;
  if (!stitched) return plain(10);
  return `for (let r: u32 = 0; r < 8; r++) {
${stitchedRound(COLUMNS, 0)}
${stitchedRound(DIAGONALS, 16)}
message += 32;
}
${plain(2)}`;
}

function chachaFunction({ signature, doc, source, stitched }: Form): string {
  return `
/** ${doc} */
export function ${signature}: void {
  let counter = i32x4.add(v128.load32_splat(state, 48), i32x4(0, 1, 2, 3));
${stitched ? POLY_LOAD : ""}
  while (groups) {
${BEGIN}
${rounds(stitched)}
${ADD_INPUT}
${lines(4, (group) => emitGroup(group, source))}
    counter = i32x4.add(counter, i32x4.splat(4));
    dst += 256; ${source ? "src += 256; " : ""}groups--;
  }
${stitched ? POLY_STORE : ""}
  store<u32>(state, i32x4.extract_lane(counter, 0), 48);
}
`;
}

/** The three forms the kernel uses. */
export function chachaSource(): string {
  return [
    {
      signature: "chachaGroups(dst: usize, src: usize, groups: u32, state: usize)",
      doc: "Encrypts groups of 256 bytes.",
      source: true,
      stitched: false,
    },
    {
      signature: "chachaStream(dst: usize, groups: u32, state: usize)",
      doc: "Writes the bare key stream, in groups of 256 bytes.",
      source: false,
      stitched: false,
    },
    {
      signature:
        "chachaPolyGroups(dst: usize, src: usize, message: usize, groups: u32, state: usize, poly: usize)",
      doc: "Encrypts groups of 256 bytes while Poly1305 absorbs as many at `message`.",
      source: true,
      stitched: true,
    },
  ].map(chachaFunction).join("\n");
}
