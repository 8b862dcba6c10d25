/**
 * `key rotate`: a fresh epoch of keys, and everything moved to it.
 *
 * @module
 */
import type { KdfProfileName } from "../crypto/argon2.ts";
import type { Secret } from "../crypto/key_encryption.ts";
import { VaultError } from "../errors.ts";
import {
  isRotating,
  type RotationProgress,
  rotationSteps,
  slotsOf,
  startRotation,
} from "../vault/rotation.ts";
import type { Vault } from "../vault/vault.ts";
import { listSlots, type SlotInfo } from "../volume/header_slots.ts";
import type { ProvenSlot } from "../volume/slot_search.ts";
import type { Host } from "./host.ts";
import { type SecretParts, type VaultTarget, withOpened, withSecret } from "./open.ts";
import { agreeToTouchFree } from "./protect.ts";
import { profilesOf, readSecret, wantsProtection, wipeSecret } from "./secrets.ts";
import { formatSize, plural } from "./sizes.ts";
import { printable } from "./terminal/colours.ts";
import { progressOn } from "./terminal/progress.ts";
import { askSecret, confirm } from "./terminal/prompt.ts";

/** What `key rotate` is told. */
export interface RotateOptions {
  /** Files with further passphrases that shall stay valid. */
  readonly keepPassphraseFile?: readonly string[];
  /** Files with recovery codes that shall stay valid. */
  readonly keepRecoveryCodeFile?: readonly string[];
  readonly yes?: boolean;
}

/** What it did. */
export interface RotateReport {
  /** The epoch of everything that is there now. */
  readonly epoch: number;
  /** Key slots that stayed, and those that were dropped; empty where an earlier rotation was finished. */
  readonly kept: readonly number[];
  readonly dropped: readonly number[];
  /** An earlier rotation was finished instead of beginning one. */
  readonly finished: boolean;
  readonly writtenBytes: number;
}

/** `key rotate` on a medium that is not mounted. */
export async function rotateKey(
  target: VaultTarget,
  options: RotateOptions,
): Promise<RotateReport> {
  const { host, medium } = target;
  const mount = await host.runningMount(medium);
  if (mount !== null) {
    mount.close();
    throw new VaultError(
      "conflict",
      `Cannot rotate the keys of "${medium}": it is mounted; unmount it first`,
    );
  }
  return await withSecret(target, "write", async (opening) => {
    return await withOpened(target, "write", opening, async (vault) => {
      const finished = isRotating(vault);
      const slots = finished ? NO_SLOTS : await begin(target, vault, { ...opening, ...options });
      const writtenBytes = await carry(host, vault);
      const { epoch } = vault.opened.volume.store.context;
      return { epoch, ...slots, finished, writtenBytes };
    });
  });
}

const NO_SLOTS = { kept: [], dropped: [] };

/** Settles which slots stay, and gives them the fresh epoch. */
async function begin(
  { host, medium, options: how }: VaultTarget,
  vault: Vault,
  options: SecretParts & RotateOptions,
): Promise<Pick<RotateReport, "kept" | "dropped">> {
  const { yes = false } = options;
  const staying = new StayingSlots(host, vault, profilesOf(how));
  try {
    await staying.present(options.secret);
    await staying.askForOthers(options);
    const dropped = staying.others();
    await agreeToDrop(host, dropped, yes);
    const { dense } = vault.opened.volume.store;
    if (dense && !wantsProtection(how)) await agreeToTouchFree(host, medium, yes);
    const kept = staying.slots();
    await startRotation(vault, kept);
    return { kept: kept.map(({ index }) => index), dropped: dropped.map(({ index }) => index) };
  } finally {
    staying.wipe();
  }
}

/** The slots for which a secret was presented. */
class StayingSlots {
  private readonly host: Host;
  private readonly vault: Vault;
  private readonly profiles: readonly KdfProfileName[];
  private readonly proven = new Map<number, ProvenSlot>();
  private readonly secrets: Secret[] = [];
  private listed: readonly SlotInfo[] = [];

  constructor(host: Host, vault: Vault, profiles: readonly KdfProfileName[]) {
    this.host = host;
    this.vault = vault;
    this.profiles = profiles;
  }

  /** Notes what a secret opens; false where that is nothing. */
  async present(secret: Secret): Promise<boolean> {
    const found = await slotsOf(this.vault, { secret, profiles: this.profiles });
    for (const slot of found) this.proven.set(slot.index, slot);
    return found.length > 0;
  }

  /** Takes further secrets from files; on a terminal it asks for each slot that is left. */
  async askForOthers({ keepPassphraseFile = [], keepRecoveryCodeFile = [] }: RotateOptions) {
    this.listed = await listSlots(this.vault.header);
    for (const file of keepPassphraseFile) {
      await this.requireOpens({ passphrase: await readSecret(this.host, file) }, file);
    }
    for (const file of keepRecoveryCodeFile) {
      await this.requireOpens({ recoveryCode: await readSecret(this.host, file) }, file);
    }
    if (this.others().some(({ mode }) => mode === "device")) await this.present({ device: true });
    if (!this.host.keyboard.isTerminal) return;
    for (const slot of this.others()) if (slot.mode !== "device") await this.askFor(slot);
  }

  private async requireOpens(secret: Secret, file: string): Promise<void> {
    this.secrets.push(secret);
    if (await this.present(secret)) return;
    throw new VaultError("denied", `Cannot keep what is in "${file}": it opens no key slot`);
  }

  private async askFor(slot: SlotInfo): Promise<void> {
    const isCode = slot.mode === "recovery";
    const what = `${isCode ? "Recovery code" : "Passphrase"} of key slot ${nameOf(slot)}`;
    while (!this.proven.has(slot.index)) {
      const typed = await askSecret(this.host, `${what}, or nothing to drop it: `);
      if (typed.length === 0) return;
      const secret = isCode ? { recoveryCode: typed } : { passphrase: typed };
      this.secrets.push(secret);
      if (!await this.opens(secret, slot)) await this.host.err.write("it does not open the slot\n");
    }
  }

  private async opens(secret: Secret, { index }: SlotInfo): Promise<boolean> {
    try {
      await this.present(secret);
    } catch (error) {
      // What was typed may not even look like a recovery code.
      if (!(error instanceof VaultError) || error.kind !== "invalid") throw error;
    }
    return this.proven.has(index);
  }

  slots(): ProvenSlot[] {
    return [...this.proven.values()].sort((a, b) => a.index - b.index);
  }

  /** Slots for which nothing was presented. */
  others(): SlotInfo[] {
    return this.listed.filter(({ index }) => !this.proven.has(index));
  }

  wipe(): void {
    for (const secret of this.secrets) wipeSecret(secret);
  }
}

function nameOf({ index, mode, label, device }: SlotInfo): string {
  const named = label === "" ? mode : `${mode} "${printable(label)}"`;
  return device === null
    ? `${index} (${named})`
    : `${index} (${named} of ${printable(device.name)})`;
}

async function agreeToDrop(host: Host, dropped: readonly SlotInfo[], yes: boolean): Promise<void> {
  if (dropped.length === 0) return;
  const names = dropped.map(nameOf).join(", ");
  const warning = `this drops ${plural(dropped.length, "key slot")}: ${names}`;
  if (yes) return await host.err.write(`sigmavault: ${warning}\n`);
  if (await confirm(host, `${warning}. Go on?`)) return;
  throw new VaultError(
    "conflict",
    `Cannot go on: ${warning}; present their secrets with --keep-passphrase-file or ` +
      "--keep-recovery-code-file, or use --yes",
  );
}

async function carry(host: Host, vault: Vault): Promise<number> {
  const bar = progressOn(host.err, host.runtime);
  let written = 0;
  try {
    for await (const step of rotationSteps(vault)) {
      written += step.writtenBytes;
      bar.show(step.doneBytes, step.totalBytes, STAGE_TEXT[step.stage]);
    }
    return written;
  } finally {
    await bar.clear();
  }
}

const STAGE_TEXT: Readonly<Record<RotationProgress["stage"], string>> = {
  moving: "move to the new keys",
  proving: "prove that nothing is left",
  overwriting: "overwrite what is free",
};

/** For people. */
export function rotateText({ epoch, kept, finished, writtenBytes }: RotateReport): string {
  const slots = finished
    ? "finished the rotation that had begun"
    : `key slots that stay: ${kept.join(", ")}`;
  return `${slots}\nall is under key epoch ${epoch}; ${formatSize(writtenBytes)} written\n`;
}
