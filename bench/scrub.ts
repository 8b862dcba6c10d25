/**
 * How fast a scrub is beside what it is made of: reads a vault of 256 MiB with every shard and copy, the same medium without
 * opening anything, and opens as many bytes without a medium. Goal: 0.7 of the slower of the two.
 * `deno run -A bench/scrub.ts [DIRECTORY]`; the medium is a file there, `/dev/shm` unless given.
 *
 * @module
 */
import { DESCRIPTOR, DESCRIPTOR_BYTES } from "../core/crypto/kernel.ts";
import type { Redundancy } from "../core/format/redundancy.ts";
import { MIB } from "../core/limits.ts";
import { scrubVault } from "../core/vault/scrub.ts";
import type { WasmKernel } from "../wasm/kernel.ts";
import { benchPath, megabytes, withVault } from "./bench_vault.ts";
import { median } from "./filesystems/rows.ts";

const FILE_BYTES = 16 * MIB;
const FILES = 16;
const BLOCK_BYTES = 65536;
const ROUNDS = 3;
const GOAL = 0.7;

/** Bytes per second. */
interface Rates {
  readonly medium: number;
  readonly kernel: number;
  readonly scrub: number;
}

async function measure(path: string, redundancy: Redundancy, workers: number): Promise<Rates> {
  const options = { blockBytes: BLOCK_BYTES, redundancy, workers };
  return await withVault(path, options, async ({ vault, kernel }) => {
    const bytes = new Uint8Array(FILE_BYTES);
    for (let i = 0; i < FILES; i++) await vault.files.writeFile(`/${i}`, bytes.fill(i));
    await vault.commit();
    await scrubVault(vault);
    return {
      scrub: await timed(async () => (await scrubVault(vault)).bytes),
      medium: await timed(() => readAll(path)),
      kernel: await timed(() => openAll(kernel)),
    };
  });
}

async function timed(work: () => number | Promise<number>): Promise<number> {
  const start = performance.now();
  const bytes = await work();
  return bytes / (performance.now() - start) * 1000;
}

/** What lies on the medium; holes are left out, as reading them costs nothing. */
async function readAll(path: string): Promise<number> {
  using file = await Deno.open(path);
  const chunk = new Uint8Array(256 * 1024);
  let bytes = 0;
  for (;;) {
    const read = file.readSync(chunk);
    if (read === null) return bytes;
    if (chunk[0] !== 0 || chunk[read - 1] !== 0) bytes += read;
  }
}

/** Seals a shard's worth of bytes and opens it again and again. */
function openAll(kernel: WasmKernel): number {
  const bytes = 16384;
  const count = 16;
  const key = kernel.reserve(32);
  const data = kernel.reserve(count * bytes);
  const spare = kernel.reserve(count * bytes);
  const descriptors = kernel.reserve(count * DESCRIPTOR_BYTES);
  for (let i = 0; i < count; i++) {
    const at = (descriptors + i * DESCRIPTOR_BYTES) / 4;
    kernel.words[at + DESCRIPTOR.source / 4] = data + i * bytes;
    kernel.words[at + DESCRIPTOR.destination / 4] = data + i * bytes;
    kernel.words[at + DESCRIPTOR.length / 4] = bytes;
    kernel.words[at + DESCRIPTOR.key / 4] = key;
    kernel.words[at + DESCRIPTOR.nonce / 4] = i;
  }
  kernel.sealMany(descriptors, count);
  for (let i = 0; i < count; i++) {
    kernel.words[(descriptors + i * DESCRIPTOR_BYTES + DESCRIPTOR.destination) / 4] = spare +
      i * bytes;
  }
  let opened = 0;
  for (; opened < FILES * FILE_BYTES; opened += count * bytes) {
    if (kernel.openMany(descriptors, count) !== 0) throw new Error("what was sealed opens");
  }
  return opened;
}

const path = benchPath("scrub");
const shapes = [["0", { k: 1, m: 0 }], ["4+2", { k: 4, m: 2 }]] as const;
for (const [name, redundancy] of shapes) {
  for (const workers of [0, 1]) {
    const rounds: Rates[] = [];
    for (let i = 0; i < ROUNDS; i++) rounds.push(await measure(path, redundancy, workers));
    const of = (what: keyof Rates) => median(rounds.map((rates) => rates[what]));
    const [medium, kernel, scrub] = [of("medium"), of("kernel"), of("scrub")];
    const ratio = (scrub / Math.min(medium, kernel)).toFixed(2);
    console.log(
      `${name}, ${workers} workers: medium ${megabytes(medium)}, kernel ${megabytes(kernel)}, ` +
        `scrub ${megabytes(scrub)}: ${ratio} of the lower (goal ${GOAL})`,
    );
  }
}
