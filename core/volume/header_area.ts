/**
 * The header of a vault: making it, and opening it with a secret.
 *
 * @module
 */
import { compare, wipe } from "../bytes.ts";
import { deriveAll, type KdfChoice, type Stretch } from "../crypto/argon2.ts";
import { provideDeviceSecret } from "../crypto/device_secret.ts";
import { deriveKek, type Secret } from "../crypto/key_encryption.ts";
import { randomBytes, sealKeySlot } from "../crypto/key_slot.ts";
import type { BegunHeader } from "../crypto/stretched.ts";
import { currentEpoch, type VaultKeys, vaultKeys } from "../crypto/vault_keys.ts";
import { VaultError } from "../errors.ts";
import {
  HEADER_AREA_BYTES,
  HEADER_COPIES,
  headerOffset,
  KNOWN_FEATURES,
  SALT_BYTES,
} from "../format/header.ts";
import type { HiddenPlace } from "../format/hidden_place.ts";
import {
  cutLabel,
  fitsLabel,
  ID_BYTES,
  isHeaderMode,
  LABEL_BYTES_MAX,
  SLOT_IMAGE_BYTES,
  type SlotDescription,
  type SlotMode,
  type SlotPayload,
} from "../format/key_slot.ts";
import { type CopyImage, noOlderEpochs, type SlotDirectory } from "../format/key_slot_directory.ts";
import { KEY_BYTES, KEY_SLOTS } from "../limits.ts";
import {
  addOlderEpochs,
  applyDirectory,
  buildCopy,
  differences,
  type HeaderBytes,
  type HeaderContext,
  readDirectory,
  readHeaderBytes,
} from "./header_cells.ts";
import { ownParts, requireWhole } from "./hidden_place.ts";
import {
  findInAreas,
  type FoundSlot,
  type OpenHeaderOptions,
  readAreas,
  slotPlace,
} from "./slot_search.ts";

/** A key slot to be made. */
export interface SlotOrder {
  /** What opens it. */
  readonly mode: Exclude<SlotMode, "export">;
  /** A passphrase for `user` and `hybrid`, `{ device: true }` for `device`, a code for `recovery`. */
  readonly secret: Secret;
  /** Cost of stretching a passphrase; `interactive` where nothing is said. */
  readonly kdf?: KdfChoice;
  /** At most 64 bytes of UTF-8. */
  readonly label?: string;
  /** Who stretches a passphrase; see `stretched.ts`. */
  readonly stretch?: Stretch;
}

/** How to make a header. */
export interface CreateHeaderOptions extends HeaderContext, SlotOrder {
  /** Of a hidden vault: where it lies on `medium`. */
  readonly hidden?: HiddenPlace;
  /** Random ones that were drawn before, and for nothing else; fresh ones unless given. */
  readonly salts?: BegunHeader["salts"];
}

/** An opened header. */
export interface OpenedHeader {
  /** The caller wipes them. */
  readonly keys: VaultKeys;
  /** The slot that opened. */
  readonly slotIndex: number;
  /** Its mode. */
  readonly mode: SlotMode;
  /** Name of the device that made the slot, where it is not this one: the medium or the secret was moved. */
  readonly movedFrom: string | null;
}

/**
 * Makes the header of an empty vault with one key slot. Anything in the fixed header cells of the medium is
 * overwritten; the other cells of the two header segments are left as they are, so a dense vault is filled first.
 */
export async function createHeader(options: CreateHeaderOptions): Promise<{ keys: VaultKeys }> {
  const { runtime } = options;
  const keys = vaultKeys({
    vaultId: randomBytes(runtime, ID_BYTES),
    layoutKey: randomBytes(runtime, KEY_BYTES),
    epochs: [{ epoch: 1, masterKey: randomBytes(runtime, KEY_BYTES) }],
    featureBits: KNOWN_FEATURES,
    hidden: options.hidden,
  });
  try {
    await writeHeader(ownParts(options, options.hidden), keys, {
      index: 0,
      order: options,
      salts: options.salts,
    });
    return { keys };
  } catch (error) {
    keys.wipe();
    throw error;
  }
}

/** Its one key slot, and salts that were drawn for it, as `CreateHeaderOptions` has them. */
interface NewHeader extends Pick<CreateHeaderOptions, "salts"> {
  readonly index: number;
  readonly order: SlotOrder;
}

/** Makes a header with salts of its own for keys that there are already, with one key slot. */
export async function writeHeader(
  context: HeaderContext,
  keys: VaultKeys,
  { salts, ...slot }: NewHeader,
): Promise<void> {
  const { medium } = context;
  await makeRoom(context);
  const copies = [freshCopy(context, salts?.[0]), freshCopy(context, salts?.[1])] as const;
  const entries = Array(KEY_SLOTS).fill(null);
  const empty: SlotDirectory = { counter: 1, entries, copies, older: noOlderEpochs() };
  const directory = await withSlot(context, keys, empty, slot);
  for (const copy of HEADER_COPIES) {
    await medium.write(headerOffset(copy), buildCopy(context, keys, copy, directory));
  }
  await medium.sync();
}

async function makeRoom({ medium }: HeaderContext): Promise<void> {
  const size = await medium.size();
  if (size >= HEADER_AREA_BYTES) return;
  if (medium.capabilities.resize) return await medium.truncate(HEADER_AREA_BYTES);
  throw new VaultError(
    "invalid",
    `Cannot create a vault on "${medium.name}": it has ${size} bytes, the header alone takes ${HEADER_AREA_BYTES}`,
    { operation: "create vault" },
  );
}

function freshCopy({ runtime }: HeaderContext, salt?: Uint8Array): CopyImage {
  return {
    salt: salt ?? randomBytes(runtime, SALT_BYTES),
    slots: Array.from({ length: KEY_SLOTS }, () => randomBytes(runtime, SLOT_IMAGE_BYTES)),
  };
}

/** The directory with one more slot, sealed for both copies. The medium is not touched. */
export async function withSlot(
  context: HeaderContext,
  keys: VaultKeys,
  directory: SlotDirectory,
  { index, order }: { readonly index: number; readonly order: SlotOrder },
): Promise<SlotDirectory> {
  if (keys.hidden !== undefined) refuseDevice(context, order);
  const description = await describe(context, order);
  const keks = await deriveBothKeks(context, directory, order);
  const copies = HEADER_COPIES.map((copy) => {
    const { salt, slots } = directory.copies[copy];
    const image = sealKeySlot(context, keks[copy], slotPlace(copy, index, salt), {
      ...description,
      ...keys,
      epochs: [currentEpoch(keys)],
    });
    return { salt, slots: slots.with(index, image) };
  });
  wipe(...keks);
  const entries = directory.entries.with(index, description);
  return { ...directory, entries, copies: [copies[0], copies[1]] };
}

function refuseDevice({ medium }: HeaderContext, { mode }: SlotOrder): void {
  if (mode !== "device" && mode !== "hybrid") return;
  throw new VaultError(
    "invalid",
    `Cannot make a key slot of mode "${mode}" for "${medium.name}": ` +
      "what the device keeps would prove that there is a hidden vault",
  );
}

async function describe(
  { runtime, platform, medium }: HeaderContext,
  { mode, label = "" }: SlotOrder,
): Promise<SlotDescription> {
  if (!isHeaderMode(mode)) {
    throw new VaultError(
      "invalid",
      `Cannot make a key slot of mode "${mode}": choose user, device, hybrid or recovery`,
    );
  }
  if (!fitsLabel(label)) {
    throw new VaultError(
      "invalid",
      `Cannot label a key slot "${label}": want at most ${LABEL_BYTES_MAX} bytes`,
    );
  }
  const created = runtime.now();
  if (mode !== "device" && mode !== "hybrid") return { mode, label, created, device: null };
  if (platform === undefined) {
    throw new VaultError(
      "invalid",
      `Cannot make a key slot of mode "${mode}" for "${medium.name}": this platform keeps no device secrets`,
    );
  }
  const { name, id } = await platform.deviceFingerprint();
  return { mode, label, created, device: { name: cutLabel(name), id } };
}

/** The keys that wrap a slot, for both copies. The caller wipes them. */
export async function deriveBothKeks(
  { platform, runtime }: HeaderContext,
  directory: SlotDirectory,
  { mode, secret, kdf = "interactive", stretch }: SlotOrder,
): Promise<Uint8Array[]> {
  const salts = directory.copies.map((copy) => copy.salt);
  const bound = (mode === "device" || mode === "hybrid") && platform !== undefined;
  const deviceSecret = bound ? await provideDeviceSecret(platform, runtime, salts) : null;
  try {
    return await deriveAll(
      salts.map((salt) => () => deriveKek(mode, { secret, salt, kdf, deviceSecret, stretch })),
      { kdf, wipe },
    );
  } finally {
    if (deviceSecret !== null) wipe(deviceSecret);
  }
}

/**
 * Opens the header that the secret opens: the vault's, or that of a hidden vault in the second header area, which every dense
 * vault sets aside. Both are tried with the same work, so that how long it takes tells nothing; a sparse vault has only one. A
 * wrong secret, a medium without a vault and one that is too small all give the same error. On a writable medium a damaged
 * copy, or a change of slots that a crash cut short, is set right.
 */
export async function openHeader(options: OpenHeaderOptions): Promise<OpenedHeader> {
  const areas = await readAreas(options.medium);
  const found = await findInAreas(options, options.medium, areas);
  if (found === null) {
    throw new VaultError(
      "denied",
      `Cannot open vault "${options.medium.name}": wrong passphrase or not a vault`,
      { operation: "open vault" },
    );
  }
  const keys = vaultKeys(found.payload);
  try {
    checkFeatures(options, keys);
    await requireWhole(options.medium, keys.hidden);
    if (options.medium.capabilities.writable) {
      await healHeader(ownParts(options, keys.hidden), keys, areas[found.area], found);
    }
    addOlderEpochs(options, keys, areas[found.area]);
    const { index: slotIndex, payload } = found;
    const movedFrom = await otherDevice(options, payload);
    return { keys, slotIndex, mode: payload.mode, movedFrom };
  } catch (error) {
    keys.wipe();
    throw error;
  }
}

function checkFeatures({ medium }: HeaderContext, keys: VaultKeys): void {
  const unknown = keys.featureBits & ~KNOWN_FEATURES;
  if (unknown === 0) return;
  throw new VaultError(
    "invalid",
    `Cannot open vault "${medium.name}": it uses features 0x${(unknown >>> 0).toString(16)} ` +
      "that this release does not know; use a newer release",
    { operation: "open vault" },
  );
}

/**
 * Sets both copies to what the newest directory says. Nothing is touched where no directory opens, or where the slot
 * that opened is not the one listed at its place: damage must never make healing take away the secret in hand.
 */
async function healHeader(
  context: HeaderContext,
  keys: VaultKeys,
  bytes: HeaderBytes,
  found?: FoundSlot,
): Promise<void> {
  const { newest, settled } = readDirectory(context, keys, bytes);
  if (newest === null) return;
  const isListed = found === undefined ||
    compare(newest.copies[found.copy].slots[found.index], found.image) === 0;
  if (!isListed) return;
  const writes = differences(newest, bytes);
  if (settled && writes.length === 0) return;
  if (await context.medium.size() < HEADER_AREA_BYTES) return; // cut short: the engine reports that
  await applyDirectory(context, keys, { ...newest, counter: newest.counter + 1 }, writes);
}

/** Sets right the header of a medium of an open vault: its keys are in hand, whichever slot gave them. */
export async function healOpened(context: HeaderContext, keys: VaultKeys): Promise<void> {
  if (!context.medium.capabilities.writable) return;
  await healHeader(context, keys, await readHeaderBytes(context.medium));
}

async function otherDevice(
  { platform }: HeaderContext,
  { device }: SlotPayload,
): Promise<string | null> {
  if (device === null || platform === undefined) return null;
  const here = await platform.deviceFingerprint();
  return compare(here.id, device.id) === 0 ? null : device.name;
}
