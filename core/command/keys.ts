/**
 * `passwd` and `key`: what opens a vault.
 *
 * @module
 */
import type { KdfProfileName } from "../crypto/argon2.ts";
import { VaultError } from "../errors.ts";
import type { SlotMode } from "../format/key_slot.ts";
import { type ControlOptions, wipeMessage } from "../vault/control.ts";
import { listSlots, type SlotInfo } from "../volume/header_slots.ts";
import { requireElsewhere } from "./own_medium.ts";
import { callProven, onMountOr, type VaultTarget, withHeader } from "./open.ts";
import { newPassphrase, type NewSecretOptions } from "./secrets.ts";
import { type MadeSlot, SLOT_VERBS, type SlotVerbName } from "./slot_verbs.ts";
import { isoTime } from "../dates.ts";
import { dayText } from "./times.ts";
import { columns, printable } from "./terminal/colours.ts";
import { showWaiting } from "./terminal/waiting.ts";

/** A key slot as it is listed. */
export interface SlotRow {
  readonly slot: number;
  readonly mode: SlotMode;
  readonly label: string;
  /** ISO 8601. */
  readonly created: string;
  /** The device that made it, for slots that need one. */
  readonly device: string | null;
}

/** The JSON form of a slot. */
export function slotRow({ index, mode, label, created, device }: SlotInfo): SlotRow {
  return {
    slot: index,
    mode,
    label,
    created: isoTime(created),
    device: device?.name ?? null,
  };
}

/** Slots for people. */
export function rowsOfSlots(rows: readonly SlotRow[]): string {
  return columns(
    rows.map(({ slot, mode, label, created, device }) => [
      `${slot}`,
      mode,
      dayText(created),
      printable(device === null ? label : `${label} (device ${device})`.trim()),
    ]),
    [0],
  );
}

/** `key list`. */
export async function listKeys(target: VaultTarget): Promise<SlotRow[]> {
  return await onMountOr(target, { name: "key list" }, async () => {
    return await withHeader(
      target,
      "read",
      async ({ context }) => (await listSlots(context)).map(slotRow),
    );
  });
}

/** What a new slot is to be. */
export interface NewKeyOptions extends NewSecretOptions {
  readonly mode?: "user" | "device" | "hybrid" | "recovery";
  readonly newKdf?: KdfProfileName;
  readonly label?: string;
}

/** The slot made; a recovery code is shown once. */
export interface NewKeyReport {
  readonly slot: number;
  readonly mode: SlotMode;
  readonly recoveryCode?: string;
}

/** `key add`. */
export async function addKey(target: VaultTarget, options: NewKeyOptions): Promise<NewKeyReport> {
  return report(await onSlots(target, "key add", () => newSlot(target, options)));
}

/** `passwd`: replaces the slot that the given secret opens. */
export async function changePassphrase(
  target: VaultTarget,
  options: NewKeyOptions,
): Promise<NewKeyReport> {
  return report(await onSlots(target, "passwd", () => newSlot(target, options)));
}

/** `key remove`. */
export async function removeKey(target: VaultTarget, slot: number): Promise<{ slot: number }> {
  return await onSlots(target, "key remove", () => Promise.resolve({ slot }));
}

/** Standard output, where a file is named. */
export const STANDARD = "-";

/** `key export`: the keys under a passphrase of their own, for when the header is gone; to standard output for `-`. */
export async function exportKey(
  target: VaultTarget,
  file: string,
  options: NewSecretOptions & { readonly force?: boolean },
): Promise<{ file: string; bytes: number }> {
  const { host } = target;
  if (file === STANDARD && host.out.isTerminal) {
    throw new VaultError("invalid", "Cannot export to a terminal: name a file, or redirect to one");
  }
  const { force = false } = options;
  if (force && file !== STANDARD) await requireElsewhere(target, file);
  const { exported } = await onSlots<{ exported: Uint8Array }>(
    target,
    "key export",
    async () => ({ newPassphrase: await typed(target, options, "Passphrase of the export") }),
  );
  if (file === STANDARD) await host.pipes.write(exported);
  else await host.writePrivate(host.absolute(file), exported, force);
  return { file, bytes: exported.length };
}

/** Why changing a key slot takes long, most of all of a dense vault. */
const CHECKING = "deriving keys; in a dense vault, a new passphrase is tried on the other one too";

/**
 * Runs a verb on key slots where the vault is: on the header that is opened here, or in the process that mounted it. Both
 * want a secret that opens the vault; `ask` gives the other options, whose bytes are wiped.
 */
async function onSlots<T extends object>(
  target: VaultTarget,
  verb: SlotVerbName,
  ask: () => Promise<ControlOptions>,
): Promise<T> {
  const mount = await target.host.runningMount(target.medium);
  if (mount !== null) {
    try {
      return await callProven(target, mount, { name: verb, ask }) as T;
    } finally {
      mount.close();
    }
  }
  const access = verb === "key export" ? "read" : "write";
  return await withHeader(target, access, async (opened) => {
    const options = await ask();
    try {
      const change = () => SLOT_VERBS[verb](opened, options);
      return await showWaiting(target.host.err, () => CHECKING, change) as T;
    } finally {
      wipeMessage(options);
    }
  });
}

async function newSlot(target: VaultTarget, options: NewKeyOptions): Promise<ControlOptions> {
  const { mode, newKdf: kdf, label } = options;
  if (mode === "device" || mode === "recovery") return { mode, label };
  const newPassphrase = await typed(target, options, "New passphrase");
  return { ...(mode && { mode }), label, kdf, newPassphrase };
}

async function typed(
  { host }: VaultTarget,
  { newPassphraseFile, newPassphraseFd }: NewSecretOptions,
  what: string,
): Promise<Uint8Array> {
  return await newPassphrase(host, newPassphraseFile ?? newPassphraseFd, what);
}

function report({ recoveryCode, ...made }: MadeSlot): NewKeyReport {
  if (recoveryCode === undefined) return made;
  const text = new TextDecoder().decode(recoveryCode);
  recoveryCode.fill(0);
  return { ...made, recoveryCode: text };
}
