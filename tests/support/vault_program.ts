/**
 * Makes a vault where there is none, mounts it and serves it until it is unmounted; says `ready` on its output.
 * Argument: a {@linkcode VaultOrder} as JSON. Each line of its input is a {@linkcode ControlLine} as JSON, which is answered by a line.
 */
import { openMedium } from "../../backends/open_medium.ts";
import type { KdfParameters } from "../../core/crypto/argon2.ts";
import { MIB } from "../../core/limits.ts";
import { systemRuntime } from "../../core/runtime.ts";
import { createVault } from "../../core/vault/vault.ts";
import { stdin } from "node:process";
import { createInterface } from "node:readline";
import { type MountedVault, mountVault } from "../../ffi/mount.ts";
import { createKernel } from "../../wasm/kernel.ts";

/** The cheapest key derivation: these vaults hold nothing that anybody wants. */
export const CHEAP_KDF: KdfParameters = { memoryKib: 64, passes: 1, parallelism: 1 };

/** What the program is told. */
export interface VaultOrder {
  readonly path: string;
  readonly mountpoint: string;
  readonly sizeBytes?: number;
  readonly blockBytes?: number;
  readonly readOnly?: boolean;
  readonly workers?: number;
  readonly cacheBytes?: number;
  /** Have the kernel forget names as older ones need it. */
  readonly namesOneByOne?: boolean;
  readonly listSnapshots?: boolean;
  readonly allVolumes?: boolean;
  /** How the crypto worker fails, as a query of `failing_worker.ts`. */
  readonly failingWorker?: string;
}

/** A verb for the mount, as `sigmavault` sends it through the control socket. */
export interface ControlLine {
  readonly verb: string;
  readonly options: Readonly<Record<string, string | number | boolean | null>>;
}

/** The secret of every vault of the tests. */
export function testSecret(): { passphrase: Uint8Array } {
  return { passphrase: new TextEncoder().encode("secret") };
}

async function makeVault({ path, sizeBytes, blockBytes }: VaultOrder): Promise<void> {
  const medium = await openMedium(path, { create: true });
  const parts = { medium, kernel: createKernel({ memoryBytes: 32 * MIB }), runtime: systemRuntime };
  const secret = testSecret();
  const vault = await createVault(parts, { secret, kdf: CHEAP_KDF, sizeBytes, blockBytes });
  await vault.close();
}

function exists(path: string): boolean {
  try {
    const { isFile, isDirectory } = Deno.statSync(path.replace(/^directory:\/\//, ""));
    return isFile || isDirectory;
  } catch {
    return false;
  }
}

function report(error: Error): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`${error.message}\n`));
}

async function main(order: VaultOrder): Promise<void> {
  const { path, mountpoint, readOnly = false, workers = 1, cacheBytes, failingWorker } = order;
  const { listSnapshots = false, allVolumes } = order;
  if (!exists(path)) await makeVault(order);
  const mount = await mountVault({
    medium: path,
    mountpoint,
    secret: testSecret(),
    profiles: [CHEAP_KDF],
    readOnly,
    noatime: false,
    cryptoLane: "wasm",
    workers,
    cacheBytes,
    listSnapshots,
    allVolumes,
    allowOther: true,
    extra: ["suid", "dev"],
    namesOneByOne: order.namesOneByOne,
    cryptoWorker: failingWorker === undefined
      ? undefined
      : new URL(`./failing_worker.ts?${failingWorker}`, import.meta.url),
    report,
  });
  Deno.addSignalListener("SIGTERM", () => void mount.unmount());
  say("ready");
  void answerInput(mount);
  await mount.ended;
}

function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

async function answerInput(mount: MountedVault): Promise<void> {
  for await (const line of createInterface({ input: stdin })) {
    const { verb, options } = JSON.parse(line) as ControlLine;
    const answer = await mount.control(verb, options).then(
      (value) => ({ value }),
      (error) => ({ error: { kind: error.kind, message: error.message } }),
    );
    say(JSON.stringify(answer));
  }
}

if (import.meta.main) {
  const failed = await main(JSON.parse(Deno.args[0])).then(() => false, (error) => {
    report(error);
    return true;
  });
  Deno.exit(failed ? 1 : 0);
}
