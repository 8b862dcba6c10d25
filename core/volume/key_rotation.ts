/**
 * The header's part of a rotation of keys: the slots get a newer epoch, the directory keeps the older ones until nothing
 * is left under them.
 *
 * @module
 */
import { compare, wipe } from "../bytes.ts";
import { sealDirectory, sealOlderEpochs } from "../crypto/directory_seal.ts";
import { randomBytes, sealKeySlot } from "../crypto/key_slot.ts";
import { currentEpoch, type VaultKeys, vaultKeys } from "../crypto/vault_keys.ts";
import { VaultError } from "../errors.ts";
import { directoryOffset, HEADER_COPIES, type HeaderCopy, headerOffset } from "../format/header.ts";
import { type EpochKey, SLOT_EPOCHS_MAX, SLOT_IMAGE_BYTES } from "../format/key_slot.ts";
import { noOlderEpochs, type SlotDirectory } from "../format/key_slot_directory.ts";
import { CELL_BYTES, KEY_BYTES, KEY_SLOTS } from "../limits.ts";
import { deriveBothKeks } from "./header_area.ts";
import {
  applyDirectory,
  differences,
  type HeaderContext,
  readDirectory,
  readHeaderBytes,
  requireDirectory,
  slotWrite,
} from "./header_cells.ts";
import { forgetDevice, type OpenHeaderContext } from "./header_slots.ts";
import { type ProvenSlot, slotPlace } from "./slot_search.ts";

/**
 * Gives the slots of `kept` a fresh epoch and removes all others. The older epochs stay readable through the directory.
 * Adds the epoch to the context's keys; nothing is sealed under it yet.
 *
 * Why a crash is safe wherever it comes: copy B is not touched until copy A is durable. Inside a copy the directories go
 * first, both buffers. So whoever opens a slot of before finds the directory of before in copy B, if any, and a writable
 * opening takes copy A back; and whoever opens a slot of after finds that of after in copy A, and completes copy B. Both say
 * the same of the data, because the root is still under the older epoch.
 */
export async function beginRotation(
  context: OpenHeaderContext,
  kept: readonly ProvenSlot[],
): Promise<void> {
  const { keys } = context;
  const directory = await requireDirectory(context, keys);
  checkKept(context, directory, kept);
  const fresh = {
    epoch: currentEpoch(keys).epoch + 1,
    masterKey: randomBytes(context.runtime, KEY_BYTES),
  };
  const rotated = withFresh(keys, fresh);
  try {
    const next = await rotatedDirectory(context, { directory, rotated, kept });
    for (const copy of HEADER_COPIES) await writeCopy(context, rotated, copy, next);
    keys.addEpochs([{ ...fresh, masterKey: fresh.masterKey.slice() }]);
    const gone = directory.entries.filter((_, i) => next.entries[i] === null);
    for (const entry of gone) await forgetDevice(context, next, entry);
  } finally {
    rotated.wipe();
  }
}

function checkKept(
  { medium, keys }: OpenHeaderContext,
  { entries }: SlotDirectory,
  kept: readonly ProvenSlot[],
): void {
  const refuse = (why: string) =>
    new VaultError("conflict", `Cannot rotate the keys of "${medium.name}": ${why}`, {
      operation: "rotate keys",
    });
  if (kept.length === 0) throw refuse("no key slot would stay; present a secret");
  if (kept.some(({ index }) => entries[index] === null)) {
    throw refuse("the key slots have changed meanwhile; try again");
  }
  if (keys.epochs.length >= SLOT_EPOCHS_MAX) {
    throw refuse(`${keys.epochs.length} epochs are in use; let the rotations before it end`);
  }
}

function withFresh(keys: VaultKeys, fresh: EpochKey): VaultKeys {
  const { vaultId, layoutKey, featureBits, hidden } = keys;
  return vaultKeys({
    vaultId,
    layoutKey: layoutKey.slice(),
    featureBits,
    epochs: [fresh],
    hidden: hidden && { ...hidden, orderKey: hidden.orderKey.slice() },
  });
}

interface RotationOrder {
  readonly directory: SlotDirectory;
  /** The vault's keys with the fresh epoch alone. */
  readonly rotated: VaultKeys;
  readonly kept: readonly ProvenSlot[];
}

async function rotatedDirectory(
  context: OpenHeaderContext,
  { directory, rotated, kept }: RotationOrder,
): Promise<SlotDirectory> {
  const random = () => randomBytes(context.runtime, SLOT_IMAGE_BYTES);
  const [a, b] = directory.copies;
  const images: [Uint8Array[], Uint8Array[]] = [a.slots.map(random), b.slots.map(random)];
  const entries: SlotDirectory["entries"][number][] = Array(KEY_SLOTS).fill(null);
  for (const { index, secret, kdf } of kept) {
    const description = directory.entries[index]!;
    const { mode } = description;
    if (mode === "export") continue;
    const keks = await deriveBothKeks(context, directory, { mode, secret, kdf });
    for (const copy of HEADER_COPIES) {
      const place = slotPlace(copy, index, directory.copies[copy].salt);
      images[copy][index] = sealKeySlot(context, keks[copy], place, { ...description, ...rotated });
    }
    wipe(...keks);
    entries[index] = description;
  }
  const older = sealOlderEpochs(context, currentEpoch(rotated), context.keys.epochs);
  const copies = [{ ...a, slots: images[0] }, { ...b, slots: images[1] }] as const;
  return { counter: directory.counter + 1, entries, copies, older };
}

async function writeCopy(
  context: HeaderContext,
  rotated: VaultKeys,
  copy: HeaderCopy,
  directory: SlotDirectory,
): Promise<void> {
  const { medium, runtime } = context;
  const start = headerOffset(copy);
  for (const counter of [directory.counter, directory.counter + 1]) {
    const sealed = sealDirectory(context, rotated, copy, { ...directory, counter });
    await medium.write(start + directoryOffset(counter), sealed);
  }
  await medium.sync();
  for (let slot = 0; slot < KEY_SLOTS; slot++) {
    const { offset, image } = slotWrite(directory, copy, slot);
    const cell = randomBytes(runtime, CELL_BYTES);
    cell.set(image);
    await medium.write(offset, cell);
  }
  await medium.sync();
}

/** True where both copies of the header hold what the newest directory says: its epoch may be written under. */
export async function isHeaderSettled(context: OpenHeaderContext): Promise<boolean> {
  const { keys } = context;
  const bytes = await readHeaderBytes(context.medium);
  const { newest, settled } = readDirectory(context, keys, bytes);
  return newest !== null && settled && differences(newest, bytes).length === 0;
}

/** Removes the older epochs from the header and from the context's keys. */
export async function endRotation(context: OpenHeaderContext): Promise<void> {
  const { keys } = context;
  const directory = await requireDirectory(context, keys);
  const none = noOlderEpochs();
  if (compare(directory.older, none) !== 0) {
    const counter = directory.counter + 1;
    await applyDirectory(context, keys, { ...directory, counter, older: none }, []);
  }
  keys.dropOlder();
}
