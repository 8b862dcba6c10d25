import type { KdfProfileName } from "../crypto/argon2.ts";
import type { Secret } from "../crypto/key_encryption.ts";
import { VaultError } from "../errors.ts";
import type { Redundancy } from "../format/redundancy.ts";
import { addSlot } from "../volume/header_slots.ts";
import { createVault } from "../vault/vault.ts";
import { statOrNull } from "./copy_tree.ts";
import type { NodeKind } from "./file_tree.ts";
import type { CryptoLaneName, Host } from "./host.ts";
import { rootMemoryOf } from "./open.ts";
import { blockBytesFor } from "./redundancy_option.ts";
import { newPassphrase } from "./secrets.ts";
import { formatSize } from "./sizes.ts";
import { confirm } from "./terminal/prompt.ts";
import { progressOn } from "./terminal/progress.ts";

/** What `create` is told. */
export interface CreateOptions {
  readonly mode: "user" | "device" | "hybrid";
  readonly kdf: KdfProfileName;
  readonly dense: boolean;
  readonly sizeBytes?: number;
  readonly blockBytes?: number;
  readonly redundancy?: Redundancy;
  readonly label?: string;
  readonly recoveryCode: boolean;
  readonly force: boolean;
  readonly yes: boolean;
  readonly passphraseFile?: string;
  readonly passphraseFd?: number;
  readonly cryptoLane: CryptoLaneName;
  /** False: this device does not remember the vault. */
  readonly memory?: boolean;
}

/** A symlink is followed. */
const MEDIUM_KINDS: readonly NodeKind[] = ["file", "block-device", "symlink"];

/** What was made. */
export interface CreateReport {
  readonly medium: string;
  readonly mediumBytes: number;
  readonly dense: boolean;
  readonly mode: string;
  /** Shown once. */
  readonly recoveryCode?: string;
}

/** Makes a vault on a medium. */
export async function create(
  host: Host,
  medium: string,
  options: CreateOptions,
): Promise<CreateReport> {
  const name = host.absolute(medium);
  const blockBytes = blockBytesFor(options);
  const isOurs = await allowOverwriting(host, name, options) === "nothing there";
  const secret = await newSecret(host, options);
  const { cryptoLane, mode, kdf, label, dense, sizeBytes, redundancy } = options;
  const bar = progressOn(host.err, host.runtime);
  try {
    const parts = await host.openParts(name, {
      access: "create",
      cryptoLane,
      overwrite: options.force,
    });
    try {
      const root = { ...host.owner(), mode: 0o755 };
      const progress = (done: number, total: number) => bar.show(done, total, "noise");
      await using vault = await createVault(parts, {
        rootMemory: rootMemoryOf(parts, options),
        secret,
        mode,
        kdf,
        label,
        dense,
        sizeBytes,
        blockBytes,
        redundancy,
        root,
        progress,
      });
      const code = options.recoveryCode ? await addRecoveryCode(vault.header) : undefined;
      const mediumBytes = await vault.medium.size();
      return { medium, mediumBytes, dense, mode, recoveryCode: code };
    } finally {
      await bar.clear();
      await parts.closeParts();
    }
  } catch (error) {
    const path = host.pathOf(name);
    if (isOurs && path !== null) await removeUnfinished(host, path);
    throw error;
  } finally {
    if ("passphrase" in secret) secret.passphrase.fill(0);
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

async function newSecret(host: Host, options: CreateOptions): Promise<Secret> {
  const { mode, passphraseFile, passphraseFd } = options;
  if (mode === "device") return { device: true };
  return {
    passphrase: await newPassphrase(host, passphraseFile ?? passphraseFd, "New passphrase"),
  };
}

/** An existing file with anything in it is only overwritten when a person says so. */
async function allowOverwriting(
  host: Host,
  name: string,
  options: CreateOptions,
): Promise<"nothing there" | "overwrite"> {
  const path = host.pathOf(name);
  if (path === null) {
    if (options.force) await agreeTo(host, name, "maybe in use", options);
    return "overwrite";
  }
  const stat = await statOrNull(host.local, path);
  if (stat === null) return "nothing there";
  if (!MEDIUM_KINDS.includes(stat.kind)) {
    throw new VaultError(
      "invalid",
      `Cannot create a vault on "${name}": it is a ${stat.kind}; name a file or a block device`,
    );
  }
  const isDevice = stat.kind === "block-device";
  if (stat.kind === "file" && stat.bytes === 0) return "overwrite";
  const what = isDevice ? "a device" : `a file of ${formatSize(stat.bytes)}`;
  if (!options.force) {
    throw new VaultError(
      "conflict",
      `Cannot create a vault on "${name}": it is ${what} already; use --force to overwrite it`,
    );
  }
  await agreeTo(host, name, what, options);
  return "overwrite";
}

/** Somebody says that what is there may be lost. */
async function agreeTo(
  host: Host,
  name: string,
  what: string,
  { yes }: CreateOptions,
): Promise<void> {
  if (yes || await confirm(host, `"${name}" is ${what}. Overwrite it?`)) return;
  throw new VaultError(
    "conflict",
    `Cannot create a vault on "${name}": nobody agreed; confirm at the question, or use --yes`,
  );
}

/** For people. */
export function createText(report: CreateReport): string {
  const { medium, mediumBytes, mode, recoveryCode } = report;
  let text = `created ${medium}: ${formatSize(mediumBytes)}, opened by ${
    mode === "user" ? "its passphrase" : mode === "device" ? "this device" : "passphrase and device"
  }\n`;
  if (recoveryCode !== undefined) {
    text += `recovery code, shown only now: ${recoveryCode}\nprint it and keep it apart\n`;
  }
  return text;
}
