/**
 * The key slot: its sealed image and its payload. FORMAT.md, section "Key slot".
 *
 * @module
 */
import { assert } from "../assert.ts";
import { getU64, setU64, viewOf, wipe } from "../bytes.ts";
import { VaultError } from "../errors.ts";
import { KEY_BYTES, NONCE_BYTES, TAG_BYTES } from "../limits.ts";
import {
  decodeHiddenPlace,
  encodeHiddenPlace,
  HIDDEN_PLACE_BYTES,
  type HiddenPlace,
} from "./hidden_place.ts";
import { exactly } from "./exact.ts";

/** Bytes of a payload: padded, so that all slots look alike. */
export const SLOT_PAYLOAD_BYTES = 1536;
/** Bytes of the keyed hash behind the tag. */
export const COMMITMENT_BYTES = 32;
/** Bytes of a sealed slot: nonce, ciphertext, tag, commitment. The rest of its cell is random. */
export const SLOT_IMAGE_BYTES: number = NONCE_BYTES + SLOT_PAYLOAD_BYTES + TAG_BYTES +
  COMMITMENT_BYTES;
/** Bytes of a label or device name in UTF-8. */
export const LABEL_BYTES_MAX = 64;
/** Epochs that a slot can carry. */
export const SLOT_EPOCHS_MAX = 32;
/** Bytes of a vault id, and of a device id. */
export const ID_BYTES = 16;

/** How a slot is opened: what its key-encryption key comes from. "export" is a slot in a file of its own. */
export type SlotMode = "user" | "device" | "hybrid" | "recovery" | "export";

const MODES: readonly SlotMode[] = ["user", "device", "hybrid", "recovery", "export"];

/** True for what a slot of a header can be; types alone do not keep a vault from being made that nobody opens again. */
export function isHeaderMode(mode: unknown): mode is Exclude<SlotMode, "export"> {
  return mode !== "export" && MODES.some((known) => known === mode);
}

const LAYOUT = 1;
const LABEL_AT = 72;
const DEVICE_NAME_AT = 136;
const DEVICE_ID_AT = 200;
const EPOCHS_AT = 224;
/** Bytes of an epoch's number and master key. */
export const EPOCH_BYTES: number = 4 + KEY_BYTES;
const HIDDEN_AT = EPOCHS_AT + SLOT_EPOCHS_MAX * EPOCH_BYTES;
const NO_DEVICE = new Uint8Array(ID_BYTES);

/** What is said about a slot in its payload and in the slot directory. */
export interface SlotDescription {
  /** What opens it. */
  readonly mode: SlotMode;
  /** For people: at most 64 bytes of UTF-8. */
  readonly label: string;
  /** Milliseconds since 1970. */
  readonly created: number;
  /** The device of a `device` or `hybrid` slot, else null. */
  readonly device: { readonly name: string; readonly id: Uint8Array } | null;
}

/** One epoch's master key. */
export interface EpochKey {
  /** 1 or more; a rotation adds one. */
  readonly epoch: number;
  /** 32 random bytes. */
  readonly masterKey: Uint8Array;
}

/** What a slot wraps. */
export interface SlotPayload extends SlotDescription {
  /** 16 bytes. */
  readonly vaultId: Uint8Array;
  /** 32 bytes. */
  readonly layoutKey: Uint8Array;
  /** u32. */
  readonly featureBits: number;
  /** 1 to 32, ascending. */
  readonly epochs: readonly EpochKey[];
  /** Of a hidden vault. */
  readonly hidden?: HiddenPlace;
}

/** Bytes of {@linkcode encodeDescription}. */
export const DESCRIPTION_BYTES = 160;

/** The mode as a byte: 1 to 5. */
function modeByte(mode: SlotMode): number {
  return MODES.indexOf(mode) + 1;
}

/** True where a text fits a label field. */
export function fitsLabel(text: string): boolean {
  return new TextEncoder().encode(text).length <= LABEL_BYTES_MAX;
}

/** The longest start of `text` that fits a label field: device names are cut, never refused. */
export function cutLabel(text: string): string {
  let cut = text;
  while (!fitsLabel(cut)) cut = [...cut].slice(0, -1).join("");
  return cut;
}

/** Writes a payload. The caller wipes it. */
export function encodeSlotPayload(payload: SlotPayload): Uint8Array<ArrayBuffer> {
  assert(payload.epochs.length >= 1, "a slot wraps an epoch");
  assert(payload.epochs.length <= SLOT_EPOCHS_MAX, "a slot wraps at most 32 epochs");
  assert(payload.vaultId.length === ID_BYTES, "a vault id has 16 bytes");
  assert(payload.layoutKey.length === KEY_BYTES, "a key has 32 bytes");
  const bytes = new Uint8Array(SLOT_PAYLOAD_BYTES);
  const view = viewOf(bytes);
  view.setUint16(0, LAYOUT, true);
  bytes[2] = modeByte(payload.mode);
  bytes[3] = putText(bytes, LABEL_AT, payload.label);
  bytes[4] = putText(bytes, DEVICE_NAME_AT, payload.device?.name ?? "");
  bytes[5] = payload.epochs.length;
  setU64(view, 8, Math.floor(payload.created));
  bytes.set(payload.vaultId, 16);
  bytes.set(payload.layoutKey, 32);
  view.setUint32(64, payload.featureBits, true);
  bytes.set(payload.device?.id ?? NO_DEVICE, DEVICE_ID_AT);
  putEpochs(bytes, EPOCHS_AT, payload.epochs);
  bytes.set(encodeHiddenPlace(payload.hidden), HIDDEN_AT);
  return bytes;
}

/** Writes epochs one behind another. */
export function putEpochs(bytes: Uint8Array, at: number, epochs: readonly EpochKey[]): void {
  epochs.forEach(({ epoch, masterKey }, i) => {
    assert(masterKey.length === KEY_BYTES, "a key has 32 bytes");
    viewOf(bytes).setUint32(at + i * EPOCH_BYTES, epoch, true);
    bytes.set(masterKey, at + i * EPOCH_BYTES + 4);
  });
}

/** Reads so many epochs; copies their keys. Throws `corrupt` where they do not ascend. */
export function epochsIn(bytes: Uint8Array, from: number, count: number): EpochKey[] {
  const epochs: EpochKey[] = [];
  for (let i = 0; i < count; i++) {
    const at = from + i * EPOCH_BYTES;
    const epoch = viewOf(bytes).getUint32(at, true);
    if (i > 0 && epoch <= epochs[i - 1].epoch) throw badRecord("key slot", "its epochs");
    epochs.push({ epoch, masterKey: bytes.slice(at + 4, at + EPOCH_BYTES) });
  }
  return epochs;
}

/** Reads a payload; copies its keys. Throws `corrupt` where it is none. */
export function decodeSlotPayload(bytes: Uint8Array): SlotPayload {
  const view = viewOf(bytes);
  if (bytes.length !== SLOT_PAYLOAD_BYTES) throw badRecord("key slot", "its length");
  if (view.getUint16(0, true) !== LAYOUT) throw badRecord("key slot", "its layout");
  const count = bytes[5];
  if (count < 1 || count > SLOT_EPOCHS_MAX) throw badRecord("key slot", "its epochs");
  // What may be refused comes before keys are copied.
  const at = { mode: 2, label: 3, name: 4, created: 8, texts: LABEL_AT } as const;
  const description = readDescription(bytes, at);
  const hidden = decodeHiddenPlace(bytes.subarray(HIDDEN_AT, HIDDEN_AT + HIDDEN_PLACE_BYTES));
  const epochs = epochsIn(bytes, EPOCHS_AT, count);
  const payload: SlotPayload = {
    ...description,
    vaultId: bytes.slice(16, 32),
    layoutKey: bytes.slice(32, 64),
    featureBits: view.getUint32(64, true),
    epochs,
    ...(hidden && { hidden }),
  };
  return exactly(payload, bytes, encodeSlotPayload, () => {
    wipe(payload.layoutKey, ...epochs.map(({ masterKey }) => masterKey));
    if (hidden) wipe(hidden.orderKey);
    return badRecord("key slot", "its form");
  });
}

/** Writes what the slot directory says about a slot; 160 zeros where it is free. */
export function encodeDescription(slot: SlotDescription | null): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(DESCRIPTION_BYTES);
  if (slot === null) return bytes;
  bytes[0] = modeByte(slot.mode);
  bytes[1] = putText(bytes, 16, slot.label);
  bytes[2] = putText(bytes, 80, slot.device?.name ?? "");
  setU64(viewOf(bytes), 8, Math.floor(slot.created));
  bytes.set(slot.device?.id ?? NO_DEVICE, 144);
  return bytes;
}

/** Reads a directory entry; null where the slot is free. Throws `corrupt` where it is none. */
export function decodeDescription(bytes: Uint8Array): SlotDescription | null {
  if (bytes.length !== DESCRIPTION_BYTES) throw badRecord("slot directory", "its length");
  const at = { mode: 0, label: 1, name: 2, created: 8, texts: 16 };
  const slot = bytes[0] === 0 ? null : readDescription(bytes, at);
  return exactly(slot, bytes, encodeDescription, () => badRecord("slot directory", "its form"));
}

/** Where the fields of a description lie; label, name and id follow each other from `texts`. */
interface DescriptionFields {
  mode: number;
  label: number;
  name: number;
  created: number;
  texts: number;
}

function readDescription(bytes: Uint8Array, at: DescriptionFields): SlotDescription {
  const mode = MODES[bytes[at.mode] - 1];
  if (mode === undefined) throw badRecord("key slot", "its mode");
  const created = getU64(viewOf(bytes), at.created);
  if (Number.isNaN(created)) throw badRecord("key slot", "its time");
  const nameAt = at.texts + LABEL_BYTES_MAX;
  const idAt = nameAt + LABEL_BYTES_MAX;
  const name = getText(bytes, nameAt, bytes[at.name]);
  const id = bytes.slice(idAt, idAt + ID_BYTES);
  const bound = mode === "device" || mode === "hybrid";
  return {
    mode,
    label: getText(bytes, at.texts, bytes[at.label]),
    created,
    device: bound ? { name, id } : null,
  };
}

/** The error of a record that opened but makes no sense: a later layout, or a bug of the writer. */
export function badRecord(record: string, what: string): VaultError {
  return new VaultError(
    "corrupt",
    `Cannot read the ${record}: ${what} is not one this release knows; try a newer release`,
    { operation: "read header" },
  );
}

function putText(bytes: Uint8Array, at: number, text: string): number {
  const encoded = new TextEncoder().encode(text);
  assert(encoded.length <= LABEL_BYTES_MAX, "a label has at most 64 bytes");
  bytes.set(encoded, at);
  return encoded.length;
}

function getText(bytes: Uint8Array, at: number, length: number): string {
  if (length > LABEL_BYTES_MAX) throw badRecord("key slot", "its label");
  // A byte order mark is a character like any other here.
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
      .decode(bytes.subarray(at, at + length));
  } catch {
    throw badRecord("key slot", "its label");
  }
}
