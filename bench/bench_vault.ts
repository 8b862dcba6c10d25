/**
 * A vault in a file, for measuring in process.
 *
 * @module
 */
import { openMedium } from "../backends/open_medium.ts";
import type { Redundancy } from "../core/format/redundancy.ts";
import { MIB } from "../core/limits.ts";
import { systemRuntime } from "../core/runtime.ts";
import { createVault, type Vault } from "../core/vault/vault.ts";
import { openLane } from "../ffi/crypto_lane.ts";
import { libcFileIo } from "../ffi/libc/file_io.ts";
import { createKernel, type WasmKernel } from "../wasm/kernel.ts";

/** What the vault is to be like. */
export interface BenchVaultOptions {
  readonly blockBytes: number;
  readonly redundancy?: Redundancy;
  /** Crypto workers; 1 unless given. */
  readonly workers?: number;
}

/** A vault, and the kernel that it works with. */
export interface BenchVault {
  readonly vault: Vault;
  readonly kernel: WasmKernel;
}

const KDF = { memoryKib: 64, passes: 1, parallelism: 1 };

/** Where the medium lies: in the directory that the command line names, else in memory. */
export function benchPath(name: string): string {
  return `${Deno.args[0] ?? "/dev/shm"}/${name}-bench-${Deno.pid}.vault`;
}

/** Makes a vault, measures with it, and removes it. */
export async function withVault<T>(
  path: string,
  { workers = 1, ...options }: BenchVaultOptions,
  measure: (made: BenchVault) => Promise<T>,
): Promise<T> {
  const kernel = createKernel({ memoryBytes: 96 * MIB });
  kernel.warmUp();
  const medium = await openMedium(path, { create: true, io: libcFileIo() });
  const { lane, close } = openLane(kernel, medium, { cryptoLane: "wasm", workers });
  const secret = { passphrase: new TextEncoder().encode("bench") };
  const parts = { medium, kernel, runtime: systemRuntime, lane };
  const vault = await createVault(parts, { ...options, secret, kdf: KDF });
  const measured = await measure({ vault, kernel });
  await close();
  await vault.abandon();
  await Deno.remove(path);
  return measured;
}

/** Bytes per second, for people. */
export function megabytes(rate: number): string {
  return `${Math.round(rate / 1e6)} MB/s`;
}
