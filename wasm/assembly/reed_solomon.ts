/**
 * Systematic Reed-Solomon over GF(2^8) modulo 0x11d with the Cauchy matrix 1 / ((k + j) ^ i):
 * every square submatrix of it can be inverted, so any k shards rebuild the rest.
 */
import { multiply1, multiply2, multiply3, multiply4 } from "./generated/reed_solomon";
import { inside, MATRIX, OUT_OF_BOUNDS, ROWS, TABLES } from "./scratch";

const SHARDS_MAX: u32 = 32;
/** Most outputs of one pass over the inputs. */
const PASS_MAX: u32 = 4;

/** The k and m whose encoding tables lie in TABLES, or 0. */
let tablesOf: u32 = 0;

function multiply(a: u32, b: u32): u32 {
  let product: u32 = 0;
  for (let bit: u32 = 0; bit < 8; bit++) {
    product ^= (0 - (b & 1)) & a;
    b >>= 1;
    a = (a << 1) ^ ((0 - (a >> 7)) & 0x11d);
  }
  return product;
}

/** a^254, the inverse. */
function inverse(a: u32): u32 {
  let result: u32 = 1, power = a;
  for (let i: u32 = 0; i < 7; i++) {
    power = multiply(power, power);
    result = multiply(result, power);
  }
  return result;
}

function cauchy(k: u32, parity: u32, data: u32): u32 {
  return inverse((k + parity) ^ data);
}

/** Products of `coefficient` with the 16 low nibbles, then with the 16 high ones. */
function writeTable(table: usize, coefficient: u32): void {
  for (let half: u32 = 0; half < 2; half++, table += 16) {
    store<u8>(table, 0);
    for (let bit: u32 = 1; bit < 16; bit <<= 1) {
      for (let low: u32 = 0; low < bit; low++) store<u8>(table + bit + low, coefficient ^ (load<u8>(table + low) as u32));
      coefficient = (coefficient << 1) ^ ((0 - (coefficient >> 7)) & 0x11d);
    }
  }
}

/** Tables of a `outputs` × `inputs` matrix of bytes at MATRIX (rows of 32), in passes of up to 4 rows. */
function writeTables(inputs: u32, outputs: u32): void {
  let table = TABLES;
  for (let first: u32 = 0; first < outputs; first += PASS_MAX) {
    const width = min<u32>(PASS_MAX, outputs - first);
    for (let i: u32 = 0; i < inputs; i++) {
      for (let j: u32 = 0; j < width; j++, table += 32) writeTable(table, load<u8>(MATRIX + (first + j) * 32 + i));
    }
  }
}

/** Applies the tables: inputs' addresses at ROWS, outputs' at ROWS + 128. */
function apply(inputs: u32, outputs: u32, length: u32): void {
  let table = TABLES, rows = ROWS + 128;
  while (outputs) {
    const width = min<u32>(PASS_MAX, outputs);
    if (width == 4) multiply4(ROWS, inputs, rows, table, length);
    else if (width == 3) multiply3(ROWS, inputs, rows, table, length);
    else if (width == 2) multiply2(ROWS, inputs, rows, table, length);
    else multiply1(ROWS, inputs, rows, table, length);
    table += 32 * width * inputs; rows += 4 * width; outputs -= width;
  }
}

function sound(shards: usize, k: u32, m: u32, length: u32): bool {
  if (k == 0 || m == 0 || k > SHARDS_MAX || m > SHARDS_MAX || k + m > SHARDS_MAX) return false;
  if (length & 31 || !inside(shards, 4 * (k + m))) return false;
  for (let i: u32 = 0; i < k + m; i++) {
    if (!inside(load<u32>(shards + 4 * i), length)) return false;
  }
  return true;
}

export function rsEncode(shards: usize, k: u32, m: u32, length: u32): i32 {
  if (!sound(shards, k, m, length)) return OUT_OF_BOUNDS;
  if (tablesOf != (k << 8 | m)) {
    for (let j: u32 = 0; j < m; j++) {
      for (let i: u32 = 0; i < k; i++) store<u8>(MATRIX + j * 32 + i, cauchy(k, j, i));
    }
    writeTables(k, m);
    tablesOf = k << 8 | m;
  }
  memory.copy(ROWS, shards, 4 * k);
  memory.copy(ROWS + 128, shards + 4 * k, 4 * m);
  apply(k, m, length);
  return 0;
}

/** Gauss-Jordan on `n` rows of 64 bytes at `at`: [A | 1] becomes [1 | A^-1]. No pivot search: see cauchy. */
function invert(at: usize, n: u32): void {
  for (let c: u32 = 0; c < n; c++) {
    const pivot = at + c * 64, scale = inverse(load<u8>(pivot + c));
    for (let x: u32 = 0; x < 2 * n; x++) store<u8>(pivot + x, multiply(load<u8>(pivot + x), scale));
    for (let r: u32 = 0; r < n; r++) {
      const row = at + r * 64, factor: u32 = load<u8>(row + c);
      if (r == c || factor == 0) continue;
      for (let x: u32 = 0; x < 2 * n; x++) store<u8>(row + x, load<u8>(row + x) ^ multiply(load<u8>(pivot + x), factor));
    }
  }
}

/** The number of the `n`-th set bit. */
function nthBit(bits: u32, n: u32): u32 {
  while (n--) bits &= bits - 1;
  return ctz(bits);
}

/**
 * Rebuilds the missing data shards from the present ones and as many parity shards: with W the
 * inverse of the Cauchy submatrix (chosen parity × missing data), the missing data are
 * W · parity + W · C · present data.
 */
function rebuildData(shards: usize, k: u32, m: u32, missing: u32, length: u32): void {
  const all: u32 = k == 32 ? u32.MAX_VALUE : (1 << k) - 1;
  const lost = missing & all, present = ~missing & all, parity = ~(missing >> k) & ((1 << m) - 1);
  const n = popcnt(lost), kept = k - n;
  // Row r of the work area (in TABLES, written over later): n coefficients of lost data, the unit row.
  const work = TABLES;
  memory.fill(work, 0, n * 64);
  for (let r: u32 = 0; r < n; r++) {
    for (let c: u32 = 0; c < n; c++) store<u8>(work + r * 64 + c, cauchy(k, nthBit(parity, r), nthBit(lost, c)));
    store<u8>(work + r * 64 + n + r, 1);
  }
  invert(work, n);
  for (let r: u32 = 0; r < n; r++) {
    for (let i: u32 = 0; i < kept; i++) {
      let sum: u32 = 0;
      for (let c: u32 = 0; c < n; c++) {
        sum ^= multiply(load<u8>(work + r * 64 + n + c), cauchy(k, nthBit(parity, c), nthBit(present, i)));
      }
      store<u8>(MATRIX + r * 32 + i, sum);
    }
    memory.copy(MATRIX + r * 32 + kept, work + r * 64 + n, n);
    store<u32>(ROWS + 128 + 4 * r, load<u32>(shards + 4 * nthBit(lost, r)));
    store<u32>(ROWS + 4 * (kept + r), load<u32>(shards + 4 * (k + nthBit(parity, r))));
  }
  for (let i: u32 = 0; i < kept; i++) store<u32>(ROWS + 4 * i, load<u32>(shards + 4 * nthBit(present, i)));
  writeTables(k, n);
  apply(k, n, length);
}

/** Recomputes the missing parity shards; all data are there. */
function rebuildParity(shards: usize, k: u32, lost: u32, length: u32): void {
  const n = popcnt(lost);
  for (let r: u32 = 0; r < n; r++) {
    const j = nthBit(lost, r);
    for (let i: u32 = 0; i < k; i++) store<u8>(MATRIX + r * 32 + i, cauchy(k, j, i));
    store<u32>(ROWS + 128 + 4 * r, load<u32>(shards + 4 * (k + j)));
  }
  memory.copy(ROWS, shards, 4 * k);
  writeTables(k, n);
  apply(k, n, length);
}

export function rsReconstruct(shards: usize, code: u32, length: u32, missing: u32): i32 {
  const k: u32 = code & 255, m: u32 = code >> 8;
  if (!sound(shards, k, m, length) || (popcnt(missing) as u32) > m) return OUT_OF_BOUNDS;
  if (k + m < 32 && missing >> (k + m)) return OUT_OF_BOUNDS;
  tablesOf = 0;
  if (missing & ((1 << k) - 1)) rebuildData(shards, k, m, missing, length);
  if (missing >> k) rebuildParity(shards, k, missing >> k, length);
  return 0;
}
