import { importKeys, KEY_EXPORT_BYTES } from "../crypto/key_export.ts";
import type { KdfProfileName } from "../crypto/argon2.ts";
import type { VaultKeys } from "../crypto/vault_keys.ts";
import { VaultError } from "../errors.ts";
import { type RecoverReport, recoverVault } from "../vault/recover.ts";
import { statOrNull } from "./copy_tree.ts";
import type { CryptoLaneName, Host, OpenedParts } from "./host.ts";
import { tellWarning } from "./open.ts";
import { newPassphrase, type NewSecretOptions, profilesOf, readPassphrase } from "./secrets.ts";
import { lossLines } from "./scrub.ts";
import { plural } from "./sizes.ts";
import { isoTime } from "../dates.ts";
import { printable, type Style } from "./terminal/colours.ts";
import { progressOn } from "./terminal/progress.ts";

/** What `recover` is told. */
export interface RecoverOrder extends NewSecretOptions {
  readonly keyExport: string;
  readonly to: string;
  /** Of the export. */
  readonly passphraseFile?: string;
  readonly passphraseFd?: number;
  readonly salvage?: boolean;
  readonly kdf?: KdfProfileName;
  readonly newKdf?: KdfProfileName;
  readonly cryptoLane: CryptoLaneName;
  /** False: this device does not remember the vault. */
  readonly memory?: boolean;
}

/** Makes a vault anew, on another medium, whose header and superblocks are gone. */
export async function recover(
  host: Host,
  medium: string,
  order: RecoverOrder,
): Promise<RecoverReport> {
  const [from, to] = [host.absolute(medium), host.absolute(order.to)];
  await requireFresh(host, to);
  const { cryptoLane, newPassphraseFile, newPassphraseFd, newKdf: kdf } = order;
  const source = await host.openParts(from, { access: "read", cryptoLane });
  const bar = progressOn(host.err, host.runtime);
  try {
    const keys = await keysOf(host, source, order);
    let passphrase: Uint8Array = new Uint8Array(0);
    let target: OpenedParts | null = null;
    try {
      passphrase = await newPassphrase(
        host,
        newPassphraseFile ?? newPassphraseFd,
        "New passphrase of the recovered vault",
      );
      target = await host.openParts(to, { access: "create", cryptoLane });
      const report = await recoverVault({
        source,
        target,
        keys,
        salvage: order.salvage,
        slot: { mode: "user", secret: { passphrase }, kdf },
        progress: (stage, done, total) => bar.show(done, total, stage),
      });
      await remember(host, target, keys, order);
      return report;
    } finally {
      keys.wipe();
      passphrase.fill(0);
      await target?.closeParts();
    }
  } finally {
    await bar.clear();
    await source.closeParts();
  }
}

/** Whoever recovers a vault knows that it may be older than it was. */
async function remember(
  host: Host,
  { medium, kernel, runtime, platform }: OpenedParts,
  keys: VaultKeys,
  { memory = true }: RecoverOrder,
): Promise<void> {
  const rootMemory = memory ? platform?.rootMemory?.() : undefined;
  if (rootMemory === undefined) return;
  const { rememberRestored } = await import("../volume/restored_memory.ts");
  const restored = { rootMemory, media: [medium], kernel, runtime, keys };
  await tellWarning(host, await rememberRestored(restored));
}

async function keysOf(
  host: Host,
  tools: Parameters<typeof importKeys>[0],
  order: RecoverOrder,
): ReturnType<typeof importKeys> {
  const bytes = await host.readSmall(host.absolute(order.keyExport), KEY_EXPORT_BYTES + 1);
  const passphrase = await readPassphrase(
    host,
    order.passphraseFile ?? order.passphraseFd,
    "Passphrase of the export: ",
  );
  try {
    return await importKeys(tools, bytes, { passphrase, profiles: profilesOf(order) });
  } finally {
    passphrase.fill(0);
  }
}

/** What is there could be the only copy of something. */
async function requireFresh(host: Host, to: string): Promise<void> {
  const path = host.pathOf(to);
  const stat = path === null ? null : await statOrNull(host.local, path);
  if (stat === null || (stat.kind === "file" && stat.bytes === 0)) return;
  throw new VaultError("conflict", `Cannot recover to "${to}": it is there already; name another`);
}

/** For people. */
export function recoverText(report: RecoverReport, style: Style): string {
  const { how, sequence, time, skipped, replayed, unfinished, volumes, lost, files, more } = report;
  let text = lossLines({ lost, files, more }, style);
  if (report.unreadable > 0) {
    text += `${plural(report.unreadable, "file")} of shreddable directories cannot be read: ` +
      "what opened their secrets was lost with the superblocks\n";
  }
  if (skipped > 0) {
    text += `${plural(skipped, "newer root")} could not be read whole; --salvage takes what is ` +
      "whole of the newest\n";
  }
  if (unfinished) {
    text += "the end of its log could not be taken over: blocks that it names are not there\n";
  }
  const state = time === null ? "" : `, as of ${isoTime(time)} (root ${sequence})`;
  const log = replayed > 0 ? `, and ${plural(replayed, "transaction")} from its log` : "";
  const names = volumes.map(printable).join(", ");
  return text +
    (how === "whole"
      ? `${style.green("recovered")}: volumes ${names} with all snapshots${state}${log}\n`
      : `${style.red("salvaged")}: what is whole of volumes ${names}, without snapshots${state}\n`);
}

/** What is lost makes the vault `corrupt` to whoever runs this in a script. */
export function requireAllRecovered(
  medium: string,
  { lost, files, more, unreadable }: RecoverReport,
): void {
  if (lost + files.length + unreadable === 0) return;
  const what = plural(files.length + more + unreadable, "file");
  throw new VaultError(
    "corrupt",
    `Cannot recover all of "${medium}": ${what} are lost or not whole`,
  );
}
