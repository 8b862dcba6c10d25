/**
 * Which key slots stay when keys are rotated: those whose secrets are presented.
 *
 * @module
 */
import type { Secret } from "../crypto/key_encryption.ts";
import { VaultError } from "../errors.ts";
import type { Host } from "./host.ts";
import type { SlotRow } from "./keys.ts";
import { readSecret, wipeSecret } from "./secrets.ts";
import { plural } from "./sizes.ts";
import { printable } from "./terminal/colours.ts";
import { askSecret, confirm } from "./terminal/prompt.ts";

/** Where further secrets that shall stay valid come from. */
export interface KeptSecrets {
  /** Files with passphrases. */
  readonly keepPassphraseFile?: readonly string[];
  /** Files with recovery codes. */
  readonly keepRecoveryCodeFile?: readonly string[];
}

/** The slots of a vault, wherever it is open. */
export interface SlotsOfVault {
  list(): Promise<readonly SlotRow[]>;
  /** Which of them a secret opens. Does not keep its bytes. */
  proves(secret: Secret): Promise<readonly number[]>;
}

/** The slots for which a secret was presented. */
export class StayingSlots {
  /** What was presented and opens a slot. Wiped by {@linkcode wipe}, but for the first. */
  readonly secrets: Secret[] = [];
  private readonly host: Host;
  private readonly slots: SlotsOfVault;
  private readonly proven = new Set<number>();
  private readonly read: Secret[] = [];
  private listed: readonly SlotRow[] = [];

  constructor(host: Host, slots: SlotsOfVault) {
    this.host = host;
    this.slots = slots;
  }

  /** Takes the secret that the vault was opened with, then further ones from files; on a terminal it asks for each slot that is left. */
  async collect(first: Secret, kept: KeptSecrets): Promise<void> {
    this.listed = await this.slots.list();
    await this.present(first);
    const { keepPassphraseFile = [], keepRecoveryCodeFile = [] } = kept;
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

  private async present(secret: Secret): Promise<boolean> {
    const found = await this.slots.proves(secret);
    for (const index of found) this.proven.add(index);
    if (found.length > 0) this.secrets.push(secret);
    return found.length > 0;
  }

  private async requireOpens(secret: Secret, file: string): Promise<void> {
    this.read.push(secret);
    if (await this.present(secret)) return;
    throw new VaultError("denied", `Cannot keep what is in "${file}": it opens no key slot`);
  }

  private async askFor(row: SlotRow): Promise<void> {
    const isCode = row.mode === "recovery";
    const what = `${isCode ? "Recovery code" : "Passphrase"} of key slot ${nameOf(row)}`;
    while (!this.proven.has(row.slot)) {
      const typed = await askSecret(this.host, `${what}, or nothing to drop it: `);
      if (typed.length === 0) return;
      const secret = isCode ? { recoveryCode: typed } : { passphrase: typed };
      this.read.push(secret);
      if (!await this.opens(secret, row)) await this.host.err.write("it does not open the slot\n");
    }
  }

  private async opens(secret: Secret, { slot }: SlotRow): Promise<boolean> {
    try {
      await this.present(secret);
    } catch (error) {
      // What was typed may not even look like a recovery code.
      if (!(error instanceof VaultError) || error.kind !== "invalid") throw error;
    }
    return this.proven.has(slot);
  }

  /** Indexes of the slots that stay, and of those for which nothing was presented. */
  get result(): { kept: number[]; dropped: number[] } {
    const kept = [...this.proven].sort((a, b) => a - b);
    return { kept, dropped: this.others().map(({ slot }) => slot) };
  }

  private others(): SlotRow[] {
    return this.listed.filter(({ slot }) => !this.proven.has(slot));
  }

  /** Names the slots that go, and asks. */
  async agreeToDrop(yes: boolean): Promise<void> {
    const dropped = this.others();
    if (dropped.length === 0) return;
    const names = dropped.map(nameOf).join(", ");
    const warning = `this drops ${plural(dropped.length, "key slot")}: ${names}`;
    if (yes) return await this.host.err.write(`sigmavault: ${warning}\n`);
    if (await confirm(this.host, `${warning}. Go on?`)) return;
    throw new VaultError(
      "conflict",
      `Cannot go on: ${warning}; present their secrets with --keep-passphrase-file or ` +
        "--keep-recovery-code-file, or use --yes",
    );
  }

  /** Overwrites the secrets that were read here. */
  wipe(): void {
    for (const secret of this.read) wipeSecret(secret);
  }
}

function nameOf({ slot, mode, label, device }: SlotRow): string {
  const named = label === "" ? mode : `${mode} "${printable(label)}"`;
  return device === null ? `${slot} (${named})` : `${slot} (${named} of ${printable(device)})`;
}
