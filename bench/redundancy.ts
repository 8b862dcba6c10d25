/**
 * What redundancy costs: writes and reads 256 MiB in process, once unprotected and once with 4+2, and prints the ratios.
 * `deno run -A bench/redundancy.ts [DIRECTORY]`; the medium is a file there, `/dev/shm` unless given.
 *
 * @module
 */
import { openMedium } from "../backends/open_medium.ts";
import type { Redundancy } from "../core/format/redundancy.ts";
import { MIB } from "../core/limits.ts";
import { systemRuntime } from "../core/runtime.ts";
import { createVault } from "../core/vault/vault.ts";
import { openLane } from "../ffi/crypto_lane.ts";
import { libcFileIo } from "../ffi/libc/file_io.ts";
import { createKernel } from "../wasm/kernel.ts";
import { median } from "./filesystems/rows.ts";

const TOTAL_BYTES = 256 * MIB;
const BLOCK_BYTES = 65536;
const RUN_BLOCKS = 16;
const RUNS_IN_FLIGHT = 8;
const ROUNDS = 5;
const KDF = { memoryKib: 64, passes: 1, parallelism: 1 };

/** Bytes per second. */
interface Rates {
  readonly write: number;
  readonly read: number;
}

async function measure(path: string, redundancy: Redundancy): Promise<Rates> {
  const kernel = createKernel({ memoryBytes: 96 * MIB });
  kernel.warmUp();
  const medium = await openMedium(path, { create: true, io: libcFileIo() });
  const lane = openLane(kernel, medium, { cryptoLane: "wasm", workers: 1 });
  const secret = { passphrase: new TextEncoder().encode("bench") };
  const options = { secret, kdf: KDF, blockBytes: BLOCK_BYTES, redundancy };
  const parts = { medium, kernel, runtime: systemRuntime, lane: lane.lane };
  const vault = await createVault(parts, options);
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
  await lane.close();
  await vault.abandon();
  await Deno.remove(path);
  return { write, read };
}

const directory = Deno.args[0] ?? "/dev/shm";
const path = `${directory}/redundancy-bench-${Deno.pid}.vault`;
const plain: Rates[] = [];
const protectedRates: Rates[] = [];
for (let round = 0; round < ROUNDS; round++) {
  plain.push(await measure(path, { k: 1, m: 0 }));
  protectedRates.push(await measure(path, { k: 4, m: 2 }));
}
for (const what of ["write", "read"] as const) {
  const [without, within] = [plain, protectedRates].map((rates) =>
    median(rates.map((rate) => rate[what]))
  );
  const goal = what === "write" ? 0.55 : 0.9;
  const megabytes = (rate: number) => `${Math.round(rate / 1e6)} MB/s`;
  const ratio = (within / without).toFixed(2);
  console.log(
    `${what}: 1+0 ${megabytes(without)}, 4+2 ${megabytes(within)}: ${ratio} (goal ${goal})`,
  );
}
