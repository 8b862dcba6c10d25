/**
 * The slot directory: what all key slots are, and the sealed image of every slot of both header copies. FORMAT.md,
 * section "Slot directory". A slot's label lies sealed under its own key, so listing needs this; and a damaged copy
 * of a slot can only be rewritten from here, because the two copies are sealed under different keys.
 *
 * @module
 */
import { assert } from "../assert.ts";
import { getU64, setU64, viewOf, wipe } from "../bytes.ts";
import { KEY_SLOTS, NONCE_BYTES, TAG_BYTES } from "../limits.ts";
import { DIRECTORY_BYTES, SALT_BYTES } from "./header.ts";
import {
  badRecord,
  decodeDescription,
  DESCRIPTION_BYTES,
  encodeDescription,
  EPOCH_BYTES,
  type EpochKey,
  epochsIn,
  putEpochs,
  SLOT_EPOCHS_MAX,
  SLOT_IMAGE_BYTES,
  type SlotDescription,
} from "./key_slot.ts";
import { exactly } from "./exact.ts";

/** Bytes of a directory inside its seal: it fills its cells, so that no cell of it is regular. */
export const DIRECTORY_PAYLOAD_BYTES = DIRECTORY_BYTES - NONCE_BYTES - TAG_BYTES;

const LAYOUT = 1;
const ENTRIES_AT = 16;
const SALTS_AT = ENTRIES_AT + KEY_SLOTS * DESCRIPTION_BYTES;
const IMAGES_AT = SALTS_AT + 2 * SALT_BYTES;
const COPY_IMAGES_BYTES = KEY_SLOTS * SLOT_IMAGE_BYTES;
const OLDER_AT = IMAGES_AT + 2 * COPY_IMAGES_BYTES;

/** Bytes of the older epochs inside their seal: their number u32le, then up to 31 of them. */
export const OLDER_EPOCHS_BYTES: number = 4 + (SLOT_EPOCHS_MAX - 1) * EPOCH_BYTES;
/** The same sealed: nonce, ciphertext, tag. */
export const OLDER_SEAL_BYTES: number = NONCE_BYTES + OLDER_EPOCHS_BYTES + TAG_BYTES;

/** What one header copy should hold at its fixed cells. */
export interface CopyImage {
  readonly salt: Uint8Array;
  /** 16 images; random bytes for a free slot. */
  readonly slots: readonly Uint8Array[];
}

/** The state of the key slots. */
export interface SlotDirectory {
  /** Rises with every write; its parity names the buffer. */
  readonly counter: number;
  /** 16 entries; null for a free slot. */
  readonly entries: readonly (SlotDescription | null)[];
  readonly copies: readonly [CopyImage, CopyImage];
  /** While a rotation is under way: the keys of older epochs, sealed under the slots' own; else zeros. */
  readonly older: Uint8Array;
}

/** There are no older epochs. */
export function noOlderEpochs(): Uint8Array<ArrayBuffer> {
  return new Uint8Array(OLDER_SEAL_BYTES);
}

/** Writes the older epochs. The caller wipes them. */
export function encodeOlderEpochs(epochs: readonly EpochKey[]): Uint8Array<ArrayBuffer> {
  assert(epochs.length < SLOT_EPOCHS_MAX, "at most 31 epochs are older");
  const bytes = new Uint8Array(OLDER_EPOCHS_BYTES);
  viewOf(bytes).setUint32(0, epochs.length, true);
  putEpochs(bytes, 4, epochs);
  return bytes;
}

/** Reads them; copies their keys. Throws `corrupt` where they are none. */
export function decodeOlderEpochs(bytes: Uint8Array): EpochKey[] {
  if (bytes.length !== OLDER_EPOCHS_BYTES) throw badRecord("slot directory", "its epochs");
  const count = viewOf(bytes).getUint32(0, true);
  if (count >= SLOT_EPOCHS_MAX) throw badRecord("slot directory", "its epochs");
  const epochs = epochsIn(bytes, 4, count);
  return exactly(epochs, bytes, encodeOlderEpochs, () => {
    wipe(...epochs.map(({ masterKey }) => masterKey));
    return badRecord("slot directory", "its epochs");
  });
}

/** Writes a directory. */
export function encodeSlotDirectory(directory: SlotDirectory): Uint8Array<ArrayBuffer> {
  assert(directory.entries.length === KEY_SLOTS, "a directory has 16 entries");
  assert(OLDER_AT + OLDER_SEAL_BYTES <= DIRECTORY_PAYLOAD_BYTES, "a directory fits");
  assert(directory.older.length === OLDER_SEAL_BYTES, "the older epochs are sealed, or zeros");
  const bytes = new Uint8Array(DIRECTORY_PAYLOAD_BYTES);
  const view = viewOf(bytes);
  view.setUint32(0, LAYOUT, true);
  setU64(view, 8, directory.counter);
  directory.entries.forEach((entry, slot) =>
    bytes.set(encodeDescription(entry), ENTRIES_AT + slot * DESCRIPTION_BYTES)
  );
  directory.copies.forEach(({ salt, slots }, copy) => {
    assert(salt.length === SALT_BYTES && slots.length === KEY_SLOTS, "a copy is whole");
    bytes.set(salt, SALTS_AT + copy * SALT_BYTES);
    slots.forEach((image, slot) => {
      assert(image.length === SLOT_IMAGE_BYTES, "a slot image is whole");
      bytes.set(image, IMAGES_AT + copy * COPY_IMAGES_BYTES + slot * SLOT_IMAGE_BYTES);
    });
  });
  bytes.set(directory.older, OLDER_AT);
  return bytes;
}

/** Reads a directory; copies. Throws `corrupt` where it is none. */
export function decodeSlotDirectory(bytes: Uint8Array): SlotDirectory {
  if (bytes.length !== DIRECTORY_PAYLOAD_BYTES) throw badRecord("slot directory", "its length");
  const view = viewOf(bytes);
  if (view.getUint32(0, true) !== LAYOUT) throw badRecord("slot directory", "its layout");
  const counter = getU64(view, 8);
  if (Number.isNaN(counter)) throw badRecord("slot directory", "its counter");
  const entries = Array.from({ length: KEY_SLOTS }, (_, slot) => {
    const at = ENTRIES_AT + slot * DESCRIPTION_BYTES;
    return decodeDescription(bytes.subarray(at, at + DESCRIPTION_BYTES));
  });
  const older = bytes.slice(OLDER_AT, OLDER_AT + OLDER_SEAL_BYTES);
  const copies = [readCopyImage(bytes, 0), readCopyImage(bytes, 1)] as const;
  const form = () => badRecord("slot directory", "its form");
  return exactly({ counter, entries, copies, older }, bytes, encodeSlotDirectory, form);
}

function readCopyImage(bytes: Uint8Array, copy: number): CopyImage {
  const saltAt = SALTS_AT + copy * SALT_BYTES;
  const slots = Array.from({ length: KEY_SLOTS }, (_, slot) => {
    const at = IMAGES_AT + copy * COPY_IMAGES_BYTES + slot * SLOT_IMAGE_BYTES;
    return bytes.slice(at, at + SLOT_IMAGE_BYTES);
  });
  return { salt: bytes.slice(saltAt, saltAt + SALT_BYTES), slots };
}
