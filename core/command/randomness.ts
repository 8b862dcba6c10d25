/** How random bytes look: what somebody without the key can measure. */

/** Values of a byte. */
const VALUES = 256;
/** Below this the bytes are called not random: one honest medium in ten thousand would be. */
const P_MIN = 1e-4;

/** Counts of each byte value. */
export class ByteCounts {
  readonly counts = new Float64Array(VALUES);
  total = 0;

  /** Counts more bytes. */
  add(bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length; i++) this.counts[bytes[i]]++;
    this.total += bytes.length;
  }
}

/** What counting says. */
export interface Randomness {
  readonly bytes: number;
  /** Shannon entropy of a byte, 0 to 8 bits. */
  readonly entropyBits: number;
  /** Pearson's chi-square against equally frequent values; 255 degrees of freedom. */
  readonly chiSquare: number;
  /** How often truly random bytes would be at least this uneven. */
  readonly p: number;
  readonly verdict: "random" | "not random";
}

/** Entropy and chi-square of counted bytes. */
export function randomnessOf({ counts, total }: ByteCounts): Randomness {
  let entropyBits = 0;
  let chiSquare = 0;
  const expected = total / VALUES;
  for (const count of counts) {
    const share = count / total;
    if (count > 0) entropyBits -= share * Math.log2(share);
    chiSquare += (count - expected) ** 2 / expected;
  }
  const p = chiSquareTail(chiSquare, VALUES - 1);
  // Too even is as suspicious as too uneven.
  const verdict = p >= P_MIN && p <= 1 - P_MIN ? "random" : "not random";
  return { bytes: total, entropyBits, chiSquare, p, verdict };
}

/** Upper tail of the chi-square distribution, by Wilson and Hilferty's cube root (good to 3 digits for 255 degrees). */
export function chiSquareTail(value: number, degrees: number): number {
  const spread = 2 / (9 * degrees);
  const z = (Math.cbrt(value / degrees) - (1 - spread)) / Math.sqrt(spread);
  return normalTail(z);
}

/** Upper tail of the normal distribution: Abramowitz and Stegun 26.2.17, error below 1e-7. */
function normalTail(z: number): number {
  if (z < 0) return 1 - normalTail(-z);
  const t = 1 / (1 + 0.2316419 * z);
  const series = t *
    (0.319381530 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  return Math.exp(-z * z / 2) / Math.sqrt(2 * Math.PI) * series;
}
