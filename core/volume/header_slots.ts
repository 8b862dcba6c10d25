/**
 * Changing the key slots of an opened vault: `passwd`, `key add`, `key remove`, `key list`.
 *
 * @module
 */
import { compare, wipe } from "../bytes.ts";
import type { KdfChoice } from "../crypto/argon2.ts";
import { removeDeviceSecret } from "../crypto/device_secret.ts";
import type { Secret } from "../crypto/key_encryption.ts";
import { randomBytes } from "../crypto/key_slot.ts";
import { printRecoveryCode, RECOVERY_BYTES } from "../crypto/recovery_code.ts";
import type { VaultKeys } from "../crypto/vault_keys.ts";
import { VaultError } from "../errors.ts";
import { HEADER_COPIES } from "../format/header.ts";
import { SLOT_IMAGE_BYTES, type SlotDescription } from "../format/key_slot.ts";
import type { CopyImage, SlotDirectory } from "../format/key_slot_directory.ts";
import { KEY_SLOTS } from "../limits.ts";
import { type SlotOrder, withSlot } from "./header_area.ts";
import { applyDirectory, type HeaderContext, requireDirectory, slotWrite } from "./header_cells.ts";

/** One slot always stays free: a change writes the new slot before the old one goes. */
const USED_SLOTS_MAX = KEY_SLOTS - 1;

/** What header operations on an opened vault work with. */
export interface OpenHeaderContext extends HeaderContext {
  /** The opened keys. */
  readonly keys: VaultKeys;
}

/** A slot as it is listed. */
export interface SlotInfo extends SlotDescription {
  /** 0 to 15. */
  readonly index: number;
}

/** A slot to be made: with the secret it takes, or a recovery code that is drawn here. */
export type NewSlot =
  | { readonly mode: "user" | "hybrid"; readonly secret: Secret; kdf?: KdfChoice; label?: string }
  | { readonly mode: "device" | "recovery"; label?: string };

/** The slot made, and the printable recovery code where it has one: show it once, then wipe it. */
export interface AddedSlot {
  /** 0 to 15. */
  readonly slotIndex: number;
  /** ASCII. */
  readonly recoveryCode?: Uint8Array;
}

/** The used key slots, by index. */
export async function listSlots(context: OpenHeaderContext): Promise<SlotInfo[]> {
  const { entries } = await requireDirectory(context, context.keys);
  return entries.flatMap((entry, index) => entry === null ? [] : [{ index, ...entry }]);
}

/** Adds a key slot. */
export async function addSlot(context: OpenHeaderContext, slot: NewSlot): Promise<AddedSlot> {
  const directory = await requireDirectory(context, context.keys);
  if (countUsed(directory) >= USED_SLOTS_MAX) {
    throw new VaultError(
      "conflict",
      `Cannot add a key slot to "${context.medium.name}": ${USED_SLOTS_MAX} of ${KEY_SLOTS} are used ` +
        "and one stays free; remove one first",
      { operation: "add key slot", errno: "ENOSPC" },
    );
  }
  return (await putSlot(context, directory, slot)).added;
}

/** Removes a key slot; the last one stays. The slot's bytes are overwritten everywhere before it resolves. */
export async function removeSlot(
  context: OpenHeaderContext,
  { slotIndex }: { readonly slotIndex: number },
): Promise<void> {
  const directory = await requireDirectory(context, context.keys);
  requireEntry(context, directory, slotIndex);
  if (countUsed(directory) === 1) {
    throw new VaultError(
      "conflict",
      `Cannot remove key slot ${slotIndex} of "${context.medium.name}": it is the last; add another first`,
      { operation: "remove key slot" },
    );
  }
  await dropSlot(context, directory, slotIndex);
}

/**
 * Replaces a key slot (`passwd`): the new one is written to a free slot and durable in both copies before the old
 * one is overwritten, so at every moment the old secret, the new one, or both open.
 */
export async function changeSlot(
  context: OpenHeaderContext,
  { slotIndex, slot }: { readonly slotIndex: number; readonly slot: NewSlot },
): Promise<AddedSlot> {
  const directory = await requireDirectory(context, context.keys);
  const old = requireEntry(context, directory, slotIndex);
  const kept = { ...slot, label: slot.label ?? old.label };
  const { added, directory: both } = await putSlot(context, directory, kept);
  await dropSlot(context, both, slotIndex);
  return added;
}

async function putSlot(
  context: OpenHeaderContext,
  directory: SlotDirectory,
  slot: NewSlot,
): Promise<{ added: AddedSlot; directory: SlotDirectory }> {
  const index = directory.entries.indexOf(null);
  const { order, recoveryCode } = orderOf(context, slot);
  const next = await withSlot(context, context.keys, directory, { index, order });
  const writes = HEADER_COPIES.map((copy) => slotWrite(next, copy, index));
  const counter = directory.counter + 1;
  const settled = await applyDirectory(context, context.keys, { ...next, counter }, writes);
  return { added: { slotIndex: index, recoveryCode }, directory: settled };
}

function orderOf(
  { runtime }: HeaderContext,
  slot: NewSlot,
): { order: SlotOrder; recoveryCode?: Uint8Array } {
  if (slot.mode === "user" || slot.mode === "hybrid") return { order: slot };
  if (slot.mode === "device") return { order: { ...slot, secret: { device: true } } };
  const code = randomBytes(runtime, RECOVERY_BYTES);
  const recoveryCode = printRecoveryCode(code);
  wipe(code);
  return { order: { ...slot, secret: { recoveryCode } }, recoveryCode };
}

async function dropSlot(
  context: OpenHeaderContext,
  directory: SlotDirectory,
  index: number,
): Promise<void> {
  const next = {
    counter: directory.counter + 1,
    entries: directory.entries.with(index, null),
    copies: [
      withoutSlot(context, directory.copies[0], index),
      withoutSlot(context, directory.copies[1], index),
    ],
  } as const;
  const writes = HEADER_COPIES.map((copy) => slotWrite(next, copy, index));
  await applyDirectory(context, context.keys, next, writes);
  // Last of all: a crash before leaves a device secret that opens nothing.
  await forgetDevice(context, directory, index);
}

function withoutSlot({ runtime }: HeaderContext, image: CopyImage, index: number): CopyImage {
  return { ...image, slots: image.slots.with(index, randomBytes(runtime, SLOT_IMAGE_BYTES)) };
}

/** Removes this device's secret when the slot that went was its last one. */
async function forgetDevice(
  { platform }: HeaderContext,
  { entries, copies }: SlotDirectory,
  index: number,
): Promise<void> {
  const gone = entries[index]?.device;
  if (!gone || platform === undefined) return;
  const here = await platform.deviceFingerprint();
  if (compare(here.id, gone.id) !== 0) return;
  const used = entries.some((entry, other) =>
    other !== index && entry?.device && compare(entry.device.id, here.id) === 0
  );
  if (!used) await removeDeviceSecret(platform, copies.map((copy) => copy.salt));
}

function countUsed({ entries }: SlotDirectory): number {
  return entries.filter((entry) => entry !== null).length;
}

function requireEntry(
  { medium }: HeaderContext,
  { entries }: SlotDirectory,
  index: number,
): SlotDescription {
  const entry = entries[index];
  if (entry) return entry;
  throw new VaultError(
    "missing",
    `Cannot find key slot ${index} of "${medium.name}": it is free; list the slots to see which are used`,
    { operation: "change key slots" },
  );
}
