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
import type { StorageBackend } from "../storage/storage_backend.ts";
import { healOpened, type SlotOrder, withSlot } from "./header_area.ts";
import {
  applyDirectory,
  type HeaderContext,
  readHeaderBytes,
  requireDirectory,
  slotWrite,
} from "./header_cells.ts";
import { refuseSharedSecret, slotInArea } from "./shared_secret.ts";

/** One slot always stays free: a change writes the new slot before the old one goes. */
const USED_SLOTS_MAX = KEY_SLOTS - 1;

/** What header operations on an opened vault work with. */
export interface OpenHeaderContext extends HeaderContext {
  /** The opened keys. */
  readonly keys: VaultKeys;
  /** Further media of the vault, whose headers change with this one. */
  readonly others?: () => readonly StorageBackend[];
  /** Throws where a medium of the vault is missing: what is removed must go everywhere. */
  readonly complete?: () => void;
}

/** The header of one medium. */
interface Header {
  readonly context: OpenHeaderContext;
  readonly directory: SlotDirectory;
}

/**
 * All headers of the vault, that of the first medium first. A change that failed half-way is finished first: what it took away may
 * still lie on a medium, and open. Slots come to the first header first, and go from there first: what another one has beside is
 * left of a removal.
 */
async function headersOf(context: OpenHeaderContext): Promise<[Header, ...Header[]]> {
  context.complete?.();
  await healOpened(context, context.keys);
  const first = { context, directory: await requireDirectory(context, context.keys) };
  const isLeft = (index: number, own: SlotDirectory) =>
    first.directory.entries[index] === null && !isOnly(own, index);
  const further: Header[] = [];
  for (const medium of context.others?.() ?? []) {
    const own = { ...context, medium };
    await healOpened(own, own.keys);
    further.push({ context: own, directory: await dropSlots(own, isLeft) });
  }
  return [first, ...further];
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
  const headers = await headersOf(context);
  if (freeSlots(headers).length <= KEY_SLOTS - USED_SLOTS_MAX) {
    throw new VaultError(
      "conflict",
      `Cannot add a key slot to "${context.medium.name}": ${USED_SLOTS_MAX} of ${KEY_SLOTS} are used ` +
        "and one stays free; remove one first",
      { operation: "add key slot", errno: "ENOSPC" },
    );
  }
  await refuseTwin(headers, slot);
  return (await putSlot(headers, slot)).added;
}

/** Removes a key slot; the last one stays. The slot's bytes are overwritten everywhere before it resolves. */
export async function removeSlot(
  context: OpenHeaderContext,
  { slotIndex }: { readonly slotIndex: number },
): Promise<void> {
  const headers = await headersOf(context);
  requireEntry(headers[0], slotIndex);
  if (headers.some(({ directory }) => isOnly(directory, slotIndex))) {
    throw new VaultError(
      "conflict",
      `Cannot remove key slot ${slotIndex} of "${context.medium.name}": it is the last; add another first`,
      { operation: "remove key slot" },
    );
  }
  await dropSlot(headers, slotIndex);
}

/**
 * Replaces a key slot (`passwd`): the new one is written to a free slot and durable in both copies before the old
 * one is overwritten, so at every moment the old secret, the new one, or both open.
 */
export async function changeSlot(
  context: OpenHeaderContext,
  { slotIndex, slot }: { readonly slotIndex: number; readonly slot: NewSlot },
): Promise<AddedSlot> {
  const headers = await headersOf(context);
  const old = requireEntry(headers[0], slotIndex);
  const kept = { ...slot, label: slot.label ?? old.label };
  await refuseTwin(headers, kept, slotIndex);
  const { added, headers: both } = await putSlot(headers, kept);
  await dropSlot(both, slotIndex);
  return added;
}

/**
 * Throws `conflict` where a new slot's secret opens another slot at the same cost, than the one that it replaces: who changes one of
 * them later would take the other for gone. It may be what is left of the same change, cut short between its two steps, or the slot
 * of somebody else, which nobody can tell. A slot that not every header has does not count: it was cut short earlier.
 */
async function refuseTwin(
  headers: readonly Header[],
  slot: NewSlot,
  replaced?: number,
): Promise<void> {
  if (!("secret" in slot)) return;
  const [{ context }] = headers;
  const { secret, kdf = "interactive" } = slot;
  const area = await readHeaderBytes(context.medium);
  const twin = await slotInArea({ context, secret, profiles: [kdf] }, area);
  if (twin === null || twin === replaced) return;
  if (headers.some(({ directory }) => directory.entries[twin] === null)) return;
  const instead = replaced === undefined ? "" : `, or remove key slot ${replaced} instead`;
  throw new VaultError(
    "conflict",
    `Cannot use this passphrase for "${context.medium.name}": it opens key slot ${twin} already; ` +
      `choose another${instead}`,
    { operation: "change key slots" },
  );
}

/** Indexes that are free in every header. */
function freeSlots(headers: readonly Header[]): number[] {
  const indexes = Array.from({ length: KEY_SLOTS }, (_, index) => index);
  return indexes.filter((index) =>
    headers.every(({ directory }) => directory.entries[index] === null)
  );
}

/** True where a header has no other slot: one that was made for a medium later may have fewer than the first. */
function isOnly({ entries }: SlotDirectory, index: number): boolean {
  return entries[index] !== null && entries.every((entry, i) => entry === null || i === index);
}

async function putSlot(
  headers: readonly Header[],
  slot: NewSlot,
): Promise<{ added: AddedSlot; headers: Header[] }> {
  if ("secret" in slot) await refuseSharedSecret(headers[0].context, slot.secret, slot.kdf);
  const [slotIndex] = freeSlots(headers);
  const { order, recoveryCode } = orderOf(headers[0].context, slot);
  const done: Header[] = [];
  for (const { context, directory } of headers) {
    const next = await withSlot(context, context.keys, directory, { index: slotIndex, order });
    const writes = HEADER_COPIES.map((copy) => slotWrite(next, copy, slotIndex));
    const counter = directory.counter + 1;
    const settled = await applyDirectory(context, context.keys, { ...next, counter }, writes);
    done.push({ context, directory: settled });
  }
  return { added: { slotIndex, recoveryCode }, headers: done };
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

async function dropSlot(headers: readonly Header[], index: number): Promise<void> {
  for (const { context, directory } of headers) {
    if (directory.entries[index] !== null) await dropFrom(context, directory, index);
  }
}

/** Takes those slots from a medium that was away that the others have not, or have for another secret. */
export async function alignSlots(
  context: OpenHeaderContext,
  medium: StorageBackend,
): Promise<void> {
  const truth = await requireDirectory(context, context.keys);
  const own = { ...context, medium };
  await dropSlots(own, (index, { entries }) => !isSameSlot(entries[index]!, truth.entries[index]));
}

/** Takes those of its slots from one header that `isGone` says; what it has then. */
async function dropSlots(
  context: OpenHeaderContext,
  isGone: (index: number, directory: SlotDirectory) => boolean,
): Promise<SlotDirectory> {
  let directory = await requireDirectory(context, context.keys);
  for (let index = 0; index < KEY_SLOTS; index++) {
    if (directory.entries[index] === null || !isGone(index, directory)) continue;
    await dropFrom(context, directory, index);
    directory = await requireDirectory(context, context.keys);
  }
  return directory;
}

function isSameSlot(a: SlotDescription, b: SlotDescription | null): boolean {
  return b !== null && a.mode === b.mode && a.label === b.label;
}

async function dropFrom(
  context: OpenHeaderContext,
  directory: SlotDirectory,
  index: number,
): Promise<void> {
  const next = {
    ...directory,
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
  await forgetDevice(context, next, directory.entries[index]);
}

function withoutSlot({ runtime }: HeaderContext, image: CopyImage, index: number): CopyImage {
  return { ...image, slots: image.slots.with(index, randomBytes(runtime, SLOT_IMAGE_BYTES)) };
}

/** Removes this device's secret when a slot that went was its last one. */
export async function forgetDevice(
  { platform }: HeaderContext,
  { entries, copies }: SlotDirectory,
  gone: SlotDescription | null,
): Promise<void> {
  const device = gone?.device;
  if (!device || platform === undefined) return;
  const here = await platform.deviceFingerprint();
  if (compare(here.id, device.id) !== 0) return;
  const used = entries.some((entry) => entry?.device && compare(entry.device.id, here.id) === 0);
  if (!used) await removeDeviceSecret(platform, copies.map((copy) => copy.salt));
}

function requireEntry(
  { context: { medium }, directory: { entries } }: Header,
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
