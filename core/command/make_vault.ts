import { takingAhead } from "../crypto/stretched.ts";
import { VaultError } from "../errors.ts";
import { addSlot } from "../volume/header_slots.ts";
import { createVault } from "../vault/vault.ts";
import type { BegunVault, CreateReport } from "./create.ts";
import type { Host, OpenedParts } from "./host.ts";
import { rootMemoryOf } from "./open.ts";
import { progressOn } from "./terminal/progress.ts";

/** Makes a vault whose keys are being derived. */
export async function makeVault(host: Host, begun: BegunVault): Promise<CreateReport> {
  const { name, isOurs, options: { cryptoLane, force } } = begun;
  try {
    const opening = { access: "create", cryptoLane, overwrite: force } as const;
    const parts = await host.openParts(name, opening);
    try {
      return await makeOn(host, parts, begun);
    } finally {
      await parts.closeParts();
    }
  } catch (error) {
    const path = host.pathOf(name);
    if (isOurs && path !== null) await removeUnfinished(host, path);
    throw error;
  }
}

async function makeOn(
  host: Host,
  parts: OpenedParts,
  { medium, blockBytes, secret, salts, stretched, options }: BegunVault,
): Promise<CreateReport> {
  const { mode, kdf, label, dense, sizeBytes, redundancy } = options;
  const bar = progressOn(host.err, host.runtime);
  try {
    await using vault = await createVault(parts, {
      rootMemory: rootMemoryOf(parts, options),
      secret,
      begun: { salts, stretch: takingAhead(stretched) },
      mode,
      kdf,
      label,
      dense,
      sizeBytes,
      blockBytes,
      redundancy,
      root: { ...host.owner(), mode: 0o755 },
      progress: (done: number, total: number) => bar.show(done, total, "noise"),
    });
    const recoveryCode = options.recoveryCode ? await addRecoveryCode(vault.header) : undefined;
    const mediumBytes = await vault.medium.size();
    return { medium, mediumBytes, dense, mode, recoveryCode };
  } finally {
    await bar.clear();
  }
}

/** A vault that is not finished opens with no passphrase, and would be in the way of the next try. */
async function removeUnfinished(host: Host, path: string): Promise<void> {
  try {
    await host.local.remove(path);
  } catch (error) {
    if (!(error instanceof VaultError)) throw error;
    if (error.kind === "missing") return;
    await host.err.write(`sigmavault: warning: "${path}" is left, unfinished: ${error.message}\n`);
  }
}

async function addRecoveryCode(header: Parameters<typeof addSlot>[0]): Promise<string> {
  const { recoveryCode } = await addSlot(header, { mode: "recovery", label: "recovery code" });
  const text = new TextDecoder().decode(recoveryCode);
  recoveryCode?.fill(0);
  return text;
}
