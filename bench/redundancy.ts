/**
 * What redundancy costs: writes and reads 256 MiB in process, once unprotected and once with 4+2, and prints the ratios.
 * `deno run -A bench/redundancy.ts [DIRECTORY]`; the medium is a file there, `/dev/shm` unless given.
 *
 * @module
 */
import type { Redundancy } from "../core/format/redundancy.ts";
import { MIB } from "../core/limits.ts";
import { benchPath, type BenchVault, megabytes, withVault } from "./bench_vault.ts";
import { median } from "./filesystems/rows.ts";

const TOTAL_BYTES = 256 * MIB;
const BLOCK_BYTES = 65536;
const RUN_BLOCKS = 16;
const RUNS_IN_FLIGHT = 8;
const ROUNDS = 5;

/** Bytes per second. */
interface Rates {
  readonly write: number;
  readonly read: number;
}

async function measure({ vault, kernel }: BenchVault): Promise<Rates> {
  const { volume } = vault.opened;
  const runBytes = RUN_BLOCKS * BLOCK_BYTES;
  const memory = kernel.reserve(RUNS_IN_FLIGHT * runBytes);
  const runs = TOTAL_BYTES / runBytes;
  const ids: number[] = [];
  const tickets: number[] = [];
  let start = performance.now();
  for (let run = 0; run < runs; run++) {
    const address = memory + run % RUNS_IN_FLIGHT * runBytes;
    if (run >= RUNS_IN_FLIGHT) volume.settle(tickets[run - RUNS_IN_FLIGHT]);
    const firstId = volume.allocateIds(RUN_BLOCKS);
    ids.push(firstId);
    tickets.push(
      volume.put({ firstId, count: RUN_BLOCKS, address, lastLength: BLOCK_BYTES }).ticket,
    );
  }
  await volume.commit();
  const write = TOTAL_BYTES / (performance.now() - start) * 1000;
  start = performance.now();
  for (const firstId of ids) volume.get(firstId, RUN_BLOCKS, memory);
  const read = TOTAL_BYTES / (performance.now() - start) * 1000;
  return { write, read };
}

const path = benchPath("redundancy");
const rates = (redundancy: Redundancy) =>
  withVault(path, { blockBytes: BLOCK_BYTES, redundancy }, measure);
const plain: Rates[] = [];
const protectedRates: Rates[] = [];
for (let round = 0; round < ROUNDS; round++) {
  plain.push(await rates({ k: 1, m: 0 }));
  protectedRates.push(await rates({ k: 4, m: 2 }));
}
for (const what of ["write", "read"] as const) {
  const [without, within] = [plain, protectedRates].map((rates) =>
    median(rates.map((rate) => rate[what]))
  );
  const goal = what === "write" ? 0.55 : 0.9;
  const ratio = (within / without).toFixed(2);
  console.log(
    `${what}: 1+0 ${megabytes(without)}, 4+2 ${megabytes(within)}: ${ratio} (goal ${goal})`,
  );
}
