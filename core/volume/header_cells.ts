/**
 * Reading and writing of the fixed cells of both header copies, and the order of writes that makes a change of slots
 * crash-safe.
 *
 * The two copies have salts of their own and slots sealed under keys of their own. They must: two equal
 * salts or slots at fixed places would tell anybody that the medium is a vault. So one copy cannot be rebuilt from
 * the other. The slot directory, sealed under the master key, holds what both should contain.
 *
 * @module
 */
import { compare } from "../bytes.ts";
import { openDirectory, openOlderEpochs, sealDirectory } from "../crypto/directory_seal.ts";
import { randomBytes, type SealTools } from "../crypto/key_slot.ts";
import type { Platform } from "../crypto/platform.ts";
import { currentEpoch, type VaultKeys } from "../crypto/vault_keys.ts";
import { VaultError } from "../errors.ts";
import {
  DIRECTORY_BYTES,
  directoryOffset,
  FIXED_BYTES,
  HEADER_COPIES,
  type HeaderCopy,
  headerOffset,
  SALT_BYTES,
  slotOffset,
} from "../format/header.ts";
import { SLOT_IMAGE_BYTES } from "../format/key_slot.ts";
import {
  type CopyImage,
  encodeSlotDirectory,
  type SlotDirectory,
} from "../format/key_slot_directory.ts";
import { CELL_BYTES, KEY_SLOTS } from "../limits.ts";
import type { StorageBackend } from "../storage/storage_backend.ts";

/** What header operations work with. */
export interface HeaderContext extends SealTools {
  /** Where the header lies. */
  readonly medium: StorageBackend;
  /** Needed for `device` and `hybrid` slots only. */
  readonly platform?: Platform;
}

/** The fixed cells of copies A and B; null where the medium is too short or cannot be read. */
export type HeaderBytes = readonly [Uint8Array | null, Uint8Array | null];

/** Reads both copies of a header that begins at `start`. Only when neither can be read does the error of the medium come through. */
export async function readHeaderBytes(medium: StorageBackend, start = 0): Promise<HeaderBytes> {
  const size = await medium.size();
  const copies: (Uint8Array | null)[] = [];
  const failures: unknown[] = [];
  for (const copy of HEADER_COPIES) {
    const at = start + headerOffset(copy);
    try {
      copies.push(at + FIXED_BYTES <= size ? await medium.read(at, FIXED_BYTES) : null);
    } catch (error) {
      // A bad sector in one copy is what the other copy is for.
      copies.push(null);
      failures.push(error);
    }
  }
  if (failures.length > 0 && copies.every((copy) => copy === null)) throw failures[0];
  return [copies[0], copies[1]];
}

/** Salt and slot images of a copy, as views. */
export function copyImage(bytes: Uint8Array): CopyImage {
  const slots = Array.from({ length: KEY_SLOTS }, (_, slot) => {
    const at = slotOffset(slot);
    return bytes.subarray(at, at + SLOT_IMAGE_BYTES);
  });
  return { salt: bytes.subarray(0, SALT_BYTES), slots };
}

/** The newest slot directory that opens, and whether every buffer says the same. */
export interface DirectoryReading {
  /** Null where none opens. */
  readonly newest: SlotDirectory | null;
  /** True where all four buffers open and agree. */
  readonly settled: boolean;
}

/** Looks at all four directory buffers. */
export function readDirectory(
  { kernel }: Pick<HeaderContext, "kernel">,
  keys: VaultKeys,
  bytes: HeaderBytes,
): DirectoryReading {
  const found: SlotDirectory[] = [];
  for (const copy of HEADER_COPIES) {
    for (const buffer of [0, 1]) {
      const at = directoryOffset(buffer);
      const sealed = bytes[copy]?.subarray(at, at + DIRECTORY_BYTES);
      const directory = sealed && openDirectory(kernel, keys, { copy, buffer }, sealed);
      if (directory) found.push(directory);
    }
  }
  if (found.length === 0) return { newest: null, settled: false };
  const newest = found.reduce((best, next) => next.counter > best.counter ? next : best);
  const state = encodeSlotDirectory(newest);
  const same = (other: SlotDirectory) =>
    compare(encodeSlotDirectory({ ...other, counter: newest.counter }), state) === 0;
  return { newest, settled: found.length === 4 && found.every(same) };
}

/** Completes keys that a slot gave by those of older epochs, while a rotation is under way. */
export function addOlderEpochs(
  context: Pick<HeaderContext, "kernel">,
  keys: VaultKeys,
  bytes: HeaderBytes,
): void {
  const { newest } = readDirectory(context, keys, bytes);
  if (newest === null) return;
  keys.addEpochs(openOlderEpochs(context.kernel, currentEpoch(keys), newest.older));
}

/** {@linkcode readDirectory} from the medium; throws `corrupt` where none opens. */
export async function requireDirectory(
  context: HeaderContext,
  keys: VaultKeys,
): Promise<SlotDirectory> {
  const bytes = await readHeaderBytes(context.medium);
  const { newest } = readDirectory(context, keys, bytes);
  if (newest !== null) return newest;
  throw new VaultError(
    "corrupt",
    `Cannot read the slot directory of "${context.medium.name}": all its copies are damaged; ` +
      "restore a header backup",
    { operation: "read key slots" },
  );
}

/** A place whose cell must be written to reach a state. */
export interface CellWrite {
  /** Byte offset on the medium. */
  readonly offset: number;
  /** What the cell starts with; the rest becomes random. */
  readonly image: Uint8Array;
}

/** The write that brings a slot of one copy to what the directory says. */
export function slotWrite(directory: SlotDirectory, copy: HeaderCopy, slot: number): CellWrite {
  return {
    offset: headerOffset(copy) + slotOffset(slot),
    image: directory.copies[copy].slots[slot],
  };
}

/**
 * Brings the medium from one state to the next. `writes` are the slot cells that differ.
 *
 * Why a crash is safe wherever it comes:
 * 1. `next` goes to the older directory buffer of both copies: torn, the newer buffers still hold the old state, and no
 *    slot has changed. After the sync `next` is what counts, and opening writable finishes step 2 from it.
 * 2. Only cells of slots that come or go are written, never one of a slot that stays, so every secret that opens
 *    before and after opens in between. A slot that comes is listed before it can open. One copy is durable before
 *    the other is touched, because healing may have to write the same slot in both.
 * 3. `next` again, to the other buffers: from here no buffer holds the old state, so damage can
 *    never bring back a removed slot, and its sealed image is gone from the medium.
 */
export async function applyDirectory(
  context: HeaderContext,
  keys: VaultKeys,
  next: SlotDirectory,
  writes: readonly CellWrite[],
): Promise<SlotDirectory> {
  const { medium, runtime } = context;
  await writeDirectory(context, keys, next);
  await medium.sync();
  for (const copy of HEADER_COPIES) {
    for (const { offset, image } of writes) {
      if (offset < headerOffset(1) !== (copy === 0)) continue;
      const cell = randomBytes(runtime, CELL_BYTES);
      cell.set(image);
      await medium.write(offset, cell);
    }
    await medium.sync();
  }
  const settled = { ...next, counter: next.counter + 1 };
  await writeDirectory(context, keys, settled);
  await medium.sync();
  return settled;
}

async function writeDirectory(
  context: HeaderContext,
  keys: VaultKeys,
  directory: SlotDirectory,
): Promise<void> {
  for (const copy of HEADER_COPIES) {
    const sealed = sealDirectory(context, keys, copy, directory);
    await context.medium.write(headerOffset(copy) + directoryOffset(directory.counter), sealed);
  }
}

/** The fixed cells of a copy, whole and fresh: both buffers say the same, all else is random. */
export function buildCopy(
  context: SealTools,
  keys: VaultKeys,
  copy: HeaderCopy,
  directory: SlotDirectory,
): Uint8Array<ArrayBuffer> {
  const bytes = randomBytes(context.runtime, FIXED_BYTES);
  const { salt, slots } = directory.copies[copy];
  bytes.set(salt);
  slots.forEach((image, slot) => bytes.set(image, slotOffset(slot)));
  for (const counter of [directory.counter, directory.counter + 1]) {
    const sealed = sealDirectory(context, keys, copy, { ...directory, counter });
    bytes.set(sealed, directoryOffset(counter));
  }
  return bytes;
}

/** The writes that bring both copies to what the directory says; a copy that cannot be read is written whole. */
export function differences(directory: SlotDirectory, bytes: HeaderBytes): CellWrite[] {
  const writes: CellWrite[] = [];
  for (const copy of HEADER_COPIES) {
    const actual = bytes[copy] === null ? null : copyImage(bytes[copy]);
    const { salt, slots } = directory.copies[copy];
    if (actual === null || compare(actual.salt, salt) !== 0) {
      writes.push({ offset: headerOffset(copy), image: salt });
    }
    for (let slot = 0; slot < KEY_SLOTS; slot++) {
      if (actual === null || compare(actual.slots[slot], slots[slot]) !== 0) {
        writes.push(slotWrite(directory, copy, slot));
      }
    }
  }
  return writes;
}
