/** What somebody measures who has one image, with or without the outer passphrase. */
import assert from "node:assert/strict";
import type { SparseBytes } from "../../backends/memory/sparse_bytes.ts";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { ByteCounts, chiSquareTail, randomnessOf } from "../../core/command/randomness.ts";
import { CELL_BYTES, MIB, SEGMENT_BYTES } from "../../core/limits.ts";
import { systemRuntime } from "../../core/runtime.ts";
import { HIDDEN_SEGMENTS, hide, openWith, OUTER, outerImage } from "../support/hidden_world.ts";

/** An honest medium fails one of these tests once in ten million: there are a few hundred of them. */
const P_MIN = 1e-7;

/** A segment in which something is not as random bytes are, and what; null where all is. */
function oddity(bytes: Uint8Array): string | null {
  const counts = new ByteCounts();
  counts.add(bytes);
  const { p, entropyBits } = randomnessOf(counts);
  if (p < P_MIN || p > 1 - P_MIN) return `bytes are uneven: p = ${p}`;
  if (entropyBits < 7.9999) return `entropy of ${entropyBits} bits`;
  const pairs = pairChiSquare(bytes);
  if (pairs < P_MIN || pairs > 1 - P_MIN) return `neighbours depend on each other: p = ${pairs}`;
  const correlation = Math.abs(serialCorrelation(bytes)) * Math.sqrt(bytes.length);
  if (correlation > 5.5) return `neighbours correlate: ${correlation} standard deviations`;
  return repeatedCell(bytes);
}

/** How even pairs of neighbouring bytes are: 65,535 degrees of freedom. */
function pairChiSquare(bytes: Uint8Array): number {
  const counts = new Uint32Array(65536);
  for (let i = 0; i + 1 < bytes.length; i += 2) counts[bytes[i] << 8 | bytes[i + 1]]++;
  const expected = bytes.length / 2 / counts.length;
  let sum = 0;
  for (const count of counts) sum += (count - expected) ** 2 / expected;
  return chiSquareTail(sum, counts.length - 1);
}

function serialCorrelation(bytes: Uint8Array): number {
  let products = 0, sum = 0, squares = 0;
  for (let i = 0; i < bytes.length; i++) {
    products += bytes[i] * bytes[(i + 1) % bytes.length];
    sum += bytes[i];
    squares += bytes[i] ** 2;
  }
  const n = bytes.length;
  return (n * products - sum ** 2) / (n * squares - sum ** 2);
}

/** No two cells start alike: neither an equal nonce nor an equal salt is in sight. */
function repeatedCell(bytes: Uint8Array): string | null {
  const starts = new Set<string>();
  for (let at = 0; at < bytes.length; at += CELL_BYTES) {
    starts.add(bytes.subarray(at, at + 8).join());
  }
  return starts.size === bytes.length / CELL_BYTES ? null : "cells start alike";
}

function oddities(image: SparseBytes): string[] {
  const bytes = new Uint8Array(SEGMENT_BYTES);
  const found: string[] = [];
  for (let segment = 0; segment * SEGMENT_BYTES < image.length; segment++) {
    image.read(segment * SEGMENT_BYTES, bytes);
    const what = oddity(bytes);
    if (what !== null) found.push(`segment ${segment}: ${what}`);
  }
  return found;
}

Deno.test("hidden noise: the tests see what is not random", () => {
  const random = new Uint8Array(new ArrayBuffer(SEGMENT_BYTES));
  systemRuntime.random(random);
  assert.equal(oddity(random), null);
  const spoiled: ((bytes: Uint8Array) => void)[] = [
    (bytes) => bytes.fill(0, 0, 2 * CELL_BYTES),
    (bytes) => bytes.copyWithin(5 * CELL_BYTES, 9 * CELL_BYTES, 9 * CELL_BYTES + 24),
    (bytes) => bytes.forEach((byte, i) => i % 16 === 1 && (bytes[i] = bytes[i - 1] ^ (byte & 1))),
  ];
  for (const [i, spoil] of spoiled.entries()) {
    const bytes = random.slice();
    spoil(bytes);
    assert.notEqual(oddity(bytes), null, `way ${i}`);
  }
});

Deno.test("hidden noise: every segment is random, with a hidden vault as without", async () => {
  const plain = await outerImage();
  const hiding = new MemoryStorage({ content: plain.fork() });
  {
    await using vault = await hide(hiding);
    // Nearly full: all of its segments hold ciphertext.
    await vault.files.writeFile("/zeros", new Uint8Array((HIDDEN_SEGMENTS - 4) * 4 * MIB));
  }
  assert.deepEqual(oddities(plain), []);
  assert.deepEqual(oddities(hiding.content), []);
});

Deno.test("hidden noise: the outer vault reports the same of itself", async () => {
  const plain = await outerImage();
  const hiding = new MemoryStorage({ content: plain.fork() });
  await (await hide(hiding)).close();
  const reports = [];
  for (const content of [plain, hiding.content]) {
    await using outer = await openWith(new MemoryStorage({ content }), OUTER, { readOnly: true });
    const { space, sequence } = outer.opened.volume.store;
    const unused = Array.from({ length: space.segments }, (_, i) => space.isUnused(i));
    reports.push({
      unused,
      sequence,
      free: space.freeCells,
      resting: space.resting.cells,
      shown: outer.opened.volume.space(),
      root: outer.opened.volume.store.inspect().root?.record,
    });
  }
  assert.deepEqual(reports[0], reports[1]);
});
