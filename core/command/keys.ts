/**
 * `passwd` and `key`: what opens a vault.
 *
 * @module
 */
import type { KdfProfileName } from "../crypto/argon2.ts";
import { exportKeys } from "../crypto/key_export.ts";
import type { SlotMode } from "../format/key_slot.ts";
import {
  addSlot,
  changeSlot,
  listSlots,
  type NewSlot,
  removeSlot,
} from "../volume/header_slots.ts";
import type { SlotInfo } from "../volume/header_slots.ts";
import { VaultError } from "../errors.ts";
import type { Host } from "./host.ts";
import { onMountOr, type VaultTarget, withHeader } from "./open.ts";
import { newPassphrase, type NewSecretOptions } from "./secrets.ts";
import { isoTime } from "./times.ts";
import { columns, printable } from "./terminal/colours.ts";

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
      created.slice(0, 10),
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
  await refuseMounted(target);
  return await withHeader(target, "write", async ({ context }) => {
    const slot = await newSlot(target.host, options);
    try {
      const added = await addSlot(context, slot);
      return report(slot, added);
    } finally {
      wipeSlot(slot);
    }
  });
}

/** `passwd`: replaces the slot that the given secret opens. */
export async function changePassphrase(
  target: VaultTarget,
  options: NewKeyOptions,
): Promise<NewKeyReport> {
  await refuseMounted(target);
  return await withHeader(target, "write", async ({ context, slotIndex }) => {
    const old = (await listSlots(context)).find(({ index }) => index === slotIndex);
    const mode = old?.mode === "hybrid" ? "hybrid" : "user";
    const slot = await newSlot(target.host, { mode, ...options });
    try {
      return report(slot, await changeSlot(context, { slotIndex, slot }));
    } finally {
      wipeSlot(slot);
    }
  });
}

/** `key remove`. */
export async function removeKey(target: VaultTarget, slotIndex: number): Promise<{ slot: number }> {
  const options = { slot: slotIndex };
  return await onMountOr(target, { name: "key remove", options }, async () => {
    return await withHeader(target, "write", async ({ context }) => {
      await removeSlot(context, { slotIndex });
      return { slot: slotIndex };
    });
  });
}

/** `key export`: the keys under a passphrase of their own, for when the header is gone. */
export async function exportKey(
  target: VaultTarget,
  file: string,
  options: NewSecretOptions & { readonly force?: boolean },
): Promise<{ file: string; bytes: number }> {
  await refuseMounted(target);
  return await withHeader(target, "read", async ({ context }) => {
    const { newPassphraseFile, newPassphraseFd } = options;
    const source = newPassphraseFile ?? newPassphraseFd;
    const passphrase = await newPassphrase(target.host, source, "Passphrase of the export");
    try {
      const bytes = await exportKeys(context, context.keys, { passphrase });
      await target.host.writePrivate(target.host.absolute(file), bytes, options.force === true);
      return { file, bytes: bytes.length };
    } finally {
      passphrase.fill(0);
    }
  });
}

async function refuseMounted({ host, medium }: VaultTarget): Promise<void> {
  const mount = await host.runningMount(medium);
  if (mount === null) return;
  mount.close();
  throw new VaultError(
    "conflict",
    `Cannot take a new secret for "${medium}": it is mounted; unmount it and name the medium`,
  );
}

async function newSlot(host: Host, options: NewKeyOptions): Promise<NewSlot> {
  const { mode = "user", newKdf: kdf, label, newPassphraseFile, newPassphraseFd } = options;
  if (mode === "device" || mode === "recovery") return { mode, label };
  const source = newPassphraseFile ?? newPassphraseFd;
  const passphrase = await newPassphrase(host, source, "New passphrase");
  return { mode, secret: { passphrase }, kdf, label };
}

function wipeSlot(slot: NewSlot): void {
  if ("secret" in slot && "passphrase" in slot.secret) slot.secret.passphrase.fill(0);
}

function report(
  { mode }: NewSlot,
  added: { readonly slotIndex: number; readonly recoveryCode?: Uint8Array },
): NewKeyReport {
  const { slotIndex: slot, recoveryCode } = added;
  if (recoveryCode === undefined) return { slot, mode };
  const text = new TextDecoder().decode(recoveryCode);
  recoveryCode.fill(0);
  return { slot, mode, recoveryCode: text };
}
