import { DESCRIPTOR, DESCRIPTOR_BYTES, type Kernel } from "../crypto/kernel.ts";
import { KDF_PROFILES, stretchPassphrase } from "../crypto/argon2.ts";
import { KIB, MIB } from "../limits.ts";
import type { Runtime } from "../runtime.ts";
import { createVault, type Vault } from "../vault/vault.ts";
import type { CryptoLaneName, Host } from "./host.ts";
import { formatRate } from "./sizes.ts";
import { columns } from "./terminal/colours.ts";

/** How long each measurement runs, after as long a warm-up. */
const MEASURE_MS = 200;
const FILE_BYTES = 64 * MIB;

/** One measurement. */
export interface Measured {
  readonly name: string;
  /** What was done per second. */
  readonly perSecond: number;
  readonly unit: "bytes" | "operations";
}

/** What `bench` prints. */
export interface BenchReport {
  readonly cryptoLane: CryptoLaneName;
  readonly results: readonly Measured[];
}

/** Measures the kernel and the engine in memory: seconds, not minutes. */
export async function bench(
  host: Host,
  { cryptoLane }: { readonly cryptoLane: CryptoLaneName },
): Promise<BenchReport> {
  const parts = await host.openParts("memory:", { access: "create", cryptoLane });
  const { kernel, runtime } = parts;
  try {
    const results = [...kernelRates(kernel, runtime), await kdfRate(runtime)];
    const secret = { passphrase: new TextEncoder().encode("bench") };
    await using vault = await createVault(parts, { secret, sizeBytes: 4 * FILE_BYTES });
    results.push(...await engineRates(vault, runtime));
    return { cryptoLane, results };
  } finally {
    await parts.closeParts();
  }
}

function kernelRates(kernel: Kernel, runtime: Runtime): Measured[] {
  const data = kernel.reserve(64 * KIB);
  const at = kernel.reserve(DESCRIPTOR_BYTES);
  const key = kernel.reserve(64);
  const rates: Measured[] = [];
  for (const length of [64 * KIB, 4 * KIB]) {
    const view = new DataView(kernel.bytes.buffer, at, DESCRIPTOR_BYTES);
    view.setUint32(DESCRIPTOR.source, data, true);
    view.setUint32(DESCRIPTOR.destination, data, true);
    view.setUint32(DESCRIPTOR.length, length, true);
    view.setUint32(DESCRIPTOR.key, key, true);
    const seals = perSecond(runtime, () => kernel.sealMany(at, 1));
    rates.push({ name: `seal ${length / KIB} KiB`, perSecond: seals * length, unit: "bytes" });
    const opens = perSecond(runtime, () => void kernel.openMany(at, 1));
    rates.push({ name: `open ${length / KIB} KiB`, perSecond: opens * length, unit: "bytes" });
  }
  const hashes = perSecond(runtime, () => kernel.blake3(key + 32, data, 64 * KIB, key));
  rates.push({ name: "keyed BLAKE3", perSecond: hashes * 64 * KIB, unit: "bytes" });
  return rates;
}

function perSecond(runtime: Runtime, act: () => void): number {
  const run = () => {
    const start = runtime.now();
    let count = 0;
    let elapsed = 0;
    while (elapsed < MEASURE_MS) {
      for (let i = 0; i < 8; i++) act();
      count += 8;
      elapsed = runtime.now() - start;
    }
    return count / elapsed * 1000;
  };
  run();
  return run();
}

async function kdfRate(runtime: Runtime): Promise<Measured> {
  const input = { passphrase: new Uint8Array(8), salt: new Uint8Array(32) };
  const start = runtime.now();
  await stretchPassphrase(input, KDF_PROFILES.interactive);
  const elapsed = runtime.now() - start;
  return { name: "Argon2id, interactive", perSecond: 1000 / elapsed, unit: "operations" };
}

async function engineRates(vault: Vault, runtime: Runtime): Promise<Measured[]> {
  const { files } = vault;
  const chunk = new Uint8Array(MIB);
  runtime.random(chunk);
  const rates: Measured[] = [];
  await using file = await files.open("/large", { access: "write", create: "allow" });
  const timed = async (name: string, act: () => Promise<void>) => {
    const start = runtime.now();
    await act();
    const elapsed = runtime.now() - start;
    rates.push({ name, perSecond: FILE_BYTES / elapsed * 1000, unit: "bytes" });
  };
  await timed("write a file, in memory", async () => {
    for (let at = 0; at < FILE_BYTES; at += MIB) await file.write(at, chunk);
    await vault.commit();
  });
  await timed("read a file, in memory", async () => {
    for (let at = 0; at < FILE_BYTES; at += MIB) await file.readInto(at, chunk);
  });
  const count = 1000;
  const start = runtime.now();
  for (let i = 0; i < count; i++) await files.writeFile(`/small-${i}`, "a small file");
  await vault.commit();
  const small = count / (runtime.now() - start) * 1000;
  rates.push({ name: "make small files", perSecond: small, unit: "operations" });
  return rates;
}

/** For people. */
export function benchText({ results, cryptoLane }: BenchReport): string {
  const rows = results.map(({ name, perSecond, unit }) => [
    name,
    unit === "bytes" ? formatRate(perSecond, 1000) : `${perSecond.toFixed(1)} /s`,
  ]);
  return `crypto lane ${cryptoLane}; the kernel's own rates are of one thread\n${
    columns(rows, [1])
  }`;
}
