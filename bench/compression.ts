/**
 * What compression costs and saves: writes and reads 128 MiB of text and of noise in process, with zstd off and on, and
 * prints rates and space. `deno run -A bench/compression.ts [DIRECTORY]`; the medium is a file there, `/dev/shm` unless given.
 *
 * @module
 */
import { type Compression, COMPRESSIONS } from "../core/format/catalog_record.ts";
import { Compressibility } from "../core/fs/compressibility.ts";
import { CELL_BYTES, MIB } from "../core/limits.ts";
import { systemRuntime } from "../core/runtime.ts";
import { benchPath, type BenchVault, megabytes, withVault } from "./bench_vault.ts";
import { median } from "./filesystems/rows.ts";

const TOTAL_BYTES = 128 * MIB;
const BLOCK_BYTES = [16384, 131072];
const RUN_BYTES = MIB;
const RUNS_IN_FLIGHT = 8;
const ROUNDS = 3;

/** Bytes per second, and what was stored of each byte. */
interface Rates {
  readonly write: number;
  readonly read: number;
  readonly space: number;
}

const CONTENTS: Readonly<Record<string, Uint8Array>> = { text: text(), noise: noise() };

/** Lines as logs have them. */
function text(): Uint8Array {
  const bytes = new Uint8Array(RUN_BYTES);
  const encoder = new TextEncoder();
  for (let at = 0, line = 0; at < RUN_BYTES; line++) {
    const number = Math.imul(line, 0x9e3779b1) >>> 8;
    const status = number % 7 === 0 ? "refused" : "served";
    const words = `${line} ${status} request ${number} in ${number % 977} ms\n`;
    at += encoder.encodeInto(words, bytes.subarray(at)).written || RUN_BYTES;
  }
  return bytes;
}

function noise(): Uint8Array {
  const bytes = new Uint8Array(RUN_BYTES);
  systemRuntime.random(bytes);
  return bytes;
}

interface Case {
  readonly blockBytes: number;
  readonly content: Uint8Array;
  readonly compression: Compression;
}

async function measure(
  { vault, kernel }: BenchVault,
  { blockBytes, content, compression }: Case,
): Promise<Rates> {
  const { volume } = vault.opened;
  const memory = kernel.reserve(RUNS_IN_FLIGHT * RUN_BYTES);
  const trials = compression === "zstd" ? new Compressibility() : undefined;
  const runBlocks = RUN_BYTES / blockBytes;
  const [ids, tickets]: [number[], number[]] = [[], []];
  let cells = 0;
  let start = performance.now();
  for (let run = 0; run < TOTAL_BYTES / RUN_BYTES; run++) {
    const address = memory + run % RUNS_IN_FLIGHT * RUN_BYTES;
    if (run >= RUNS_IN_FLIGHT) volume.settle(tickets[run - RUNS_IN_FLIGHT]);
    kernel.bytes.set(content, address);
    const firstId = volume.allocateIds(runBlocks);
    const put = volume.put({ firstId, count: runBlocks, address, lastLength: blockBytes, trials });
    ids.push(firstId);
    tickets.push(put.ticket);
    cells += put.cells;
  }
  await volume.commit();
  const write = TOTAL_BYTES / (performance.now() - start) * 1000;
  start = performance.now();
  for (const firstId of ids) volume.get(firstId, runBlocks, memory);
  const read = TOTAL_BYTES / (performance.now() - start) * 1000;
  return { write, read, space: cells * CELL_BYTES / TOTAL_BYTES };
}

const path = benchPath("compression");
for (const blockBytes of BLOCK_BYTES) {
  for (const [name, content] of Object.entries(CONTENTS)) {
    for (const compression of COMPRESSIONS) {
      const rounds: Rates[] = [];
      for (let i = 0; i < ROUNDS; i++) {
        const one = { blockBytes, content, compression };
        rounds.push(await withVault(path, { blockBytes }, (made) => measure(made, one)));
      }
      const of = (what: keyof Rates) => median(rounds.map((rates) => rates[what]));
      const rate = (what: "write" | "read") => `${what} ${megabytes(of(what))}`;
      const kind = `blocks of ${blockBytes / 1024} KiB, ${name}, compression ${compression}`;
      console.log(`${kind}: ${rate("write")}, ${rate("read")}, space ${of("space").toFixed(2)}`);
    }
  }
}
