/**
 * Rates of the kernel on one thread, medians, beside node's ChaCha20-Poly1305:
 *
 *     deno run -A bench/kernel.ts [PROTOTYPE_DIRECTORY]
 *
 * With the directory of the prototype kernel's generator (`genk.mjs`, `genb3.mjs`, `genrs.mjs`,
 * `kernel_perm.ts`) it is built as its authors built it and measured in the same rounds, turn by
 * turn; the last column is the product's rate over the prototype's, as a ratio of medians.
 *
 * @module
 */
import crypto from "node:crypto";
import { DESCRIPTOR, DESCRIPTOR_BYTES } from "../core/crypto/kernel.ts";
import { createKernel } from "../wasm/kernel.ts";
import { buildPrototype } from "./prototype_kernel.ts";

const ROUNDS = 25;
const ROUND_MS = 12;
const SHARD_BYTES = 65536;

/** Something measured: bytes of one call, or 0 where calls themselves are counted. */
interface Candidate {
  readonly name: string;
  readonly bytes: number;
  readonly run: () => void;
}

/** A product's function and, where known, the prototype's that does the same work. */
interface Row {
  readonly name: string;
  readonly bytes: number;
  /** Done once before: an open needs something sealed at its length. */
  readonly prepare?: () => void;
  readonly product: () => void;
  readonly prototype?: () => void;
}

const median = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1];

/** Seconds of one call, the median of rounds that take the candidates in turn. */
function measure(candidates: readonly Candidate[]): number[] {
  const calls = candidates.map(({ run }) => {
    const start = performance.now();
    let count = 0;
    while (performance.now() - start < 60) { // long enough to be compiled for speed
      run();
      count++;
    }
    return Math.max(1, Math.round(count * ROUND_MS / 60));
  });
  const seconds = candidates.map(() => [] as number[]);
  for (let round = 0; round < ROUNDS; round++) {
    candidates.forEach(({ run }, index) => {
      const start = performance.now();
      for (let call = 0; call < calls[index]; call++) run();
      seconds[index].push((performance.now() - start) / 1000 / calls[index]);
    });
  }
  return seconds.map(median);
}

function show(bytes: number, seconds: number): string {
  if (bytes > 0) return `${(bytes / seconds / 1e9).toFixed(2)} GB/s`;
  return `${(seconds * 1e9).toFixed(0)} ns`;
}

const kernel = createKernel({ memoryBytes: 8 * 1024 * 1024 });
const key = kernel.reserve(32), descriptor = kernel.reserve(DESCRIPTOR_BYTES);
const table = kernel.reserve(64), out = kernel.reserve(32);
const data = kernel.reserve(6 * SHARD_BYTES), to = kernel.reserve(SHARD_BYTES);
kernel.fillRandom(data, 6 * SHARD_BYTES, key);
for (let shard = 0; shard < 6; shard++) {
  kernel.words[table / 4 + shard] = data + shard * SHARD_BYTES;
}

/** Describes a seal or open of `length` bytes. */
function describe(source: number, destination: number, length: number): void {
  const view = new DataView(kernel.bytes.buffer, descriptor, DESCRIPTOR_BYTES);
  view.setUint32(DESCRIPTOR.source, source, true);
  view.setUint32(DESCRIPTOR.destination, destination, true);
  view.setUint32(DESCRIPTOR.length, length, true);
  view.setUint32(DESCRIPTOR.key, key, true);
  view.setUint32(DESCRIPTOR.aadLength, 32, true);
}

function seal(length: number): void {
  describe(data, to, length);
  kernel.sealMany(descriptor, 1);
}

function open(length: number): void {
  describe(to, data, length);
  if (kernel.openMany(descriptor, 1) !== 0) throw new Error("Cannot open what was just sealed");
}

function nodeSeal(length: number): () => void {
  const plaintext = new Uint8Array(length), nonce = new Uint8Array(12), aad = new Uint8Array(32);
  const cipherKey = new Uint8Array(32);
  return () => {
    const cipher = crypto.createCipheriv("chacha20-poly1305", cipherKey, nonce, {
      authTagLength: 16,
    });
    cipher.setAAD(aad, { plaintextLength: length });
    cipher.update(plaintext);
    cipher.final();
    cipher.getAuthTag();
  };
}

const prototype = Deno.args[0] === undefined ? undefined : await buildPrototype(Deno.args[0]);
let next = 0;
const image = (permute: (x: number) => unknown) => () => void permute(next = (next + 1) % 1000003);

const rows: Row[] = [65536, 16384, 4096].flatMap((length) => [
  {
    name: `seal ${length}`,
    bytes: length,
    product: () => seal(length),
    prototype: prototype?.seal(length),
  },
  {
    name: `open ${length}`,
    bytes: length,
    prepare: () => {
      seal(length);
      prototype?.seal(length)();
    },
    product: () => open(length),
    prototype: prototype?.open(length),
  },
]);
for (const length of [64, 4096, 65536]) {
  rows.push({
    name: `blake3 ${length}`,
    bytes: length,
    product: () => kernel.blake3(out, data, length, key),
    prototype: prototype?.blake3(length),
  });
}
rows.push(
  {
    name: "Reed-Solomon 4+2, shards of 64 KiB",
    bytes: 4 * SHARD_BYTES,
    product: () => kernel.rsEncode(table, 4, 2, SHARD_BYTES),
    prototype: prototype?.encode(SHARD_BYTES),
  },
  {
    name: "permutation of 1,000,003",
    bytes: 0,
    product: image((x) => kernel.permute(x, 1000003, key)),
    prototype: prototype && image(prototype.permute(1000003)),
  },
  {
    name: "random fill 65536",
    bytes: 65536,
    product: () => kernel.fillRandom(data, 65536, key),
  },
);

for (const row of rows) {
  row.prepare?.();
  const candidates = [{ ...row, run: row.product }];
  if (row.prototype !== undefined) candidates.push({ ...row, run: row.prototype });
  const [product, other] = measure(candidates);
  const compared = other === undefined
    ? ""
    : `prototype ${show(row.bytes, other).padStart(10)}   ratio ${(other / product).toFixed(2)}`;
  console.log(`${row.name.padEnd(36)} ${show(row.bytes, product).padStart(10)}   ${compared}`);
}
for (const length of [65536, 4096]) {
  const [seconds] = measure([{ name: "node", bytes: length, run: nodeSeal(length) }]);
  console.log(`node chacha20-poly1305 ${length}`.padEnd(36), show(length, seconds).padStart(10));
}
