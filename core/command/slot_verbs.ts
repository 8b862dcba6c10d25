/**
 * What changes or gives away keys: the same verbs on an opened header, whether this process opened it or a mount holds it.
 *
 * @module
 */
import { KDF_ORDER, type KdfProfileName, parseKdfProfile } from "../crypto/argon2.ts";
import { exportKeys } from "../crypto/key_export.ts";
import type { Secret } from "../crypto/key_encryption.ts";
import type { SlotMode } from "../format/key_slot.ts";
import { VaultError } from "../errors.ts";
import type { ControlOptions } from "../vault/control.ts";
import {
  addSlot,
  changeSlot,
  listSlots,
  type NewSlot,
  type OpenHeaderContext,
  removeSlot,
} from "../volume/header_slots.ts";

/** An opened header, and the slot that the presented secret opens. */
export interface ProvenHeader {
  readonly context: OpenHeaderContext;
  readonly slotIndex: number;
}

/** A verb on an opened header. What it returns goes through the control socket. */
export type SlotVerb = (header: ProvenHeader, options: ControlOptions) => Promise<object>;

/** The slot made; a recovery code is ASCII, shown once and wiped. */
export type MadeSlot = {
  readonly slot: number;
  readonly mode: SlotMode;
  readonly recoveryCode?: Uint8Array;
};

/** The names of the verbs. */
export type SlotVerbName = "passwd" | "key add" | "key remove" | "key export";

/** All of them ask for a secret that opens the vault, as cryptsetup does: holding its keys open is not enough. */
export const SLOT_VERBS: Readonly<Record<SlotVerbName, SlotVerb>> = {
  passwd: async ({ context, slotIndex }, options) => {
    const old = (await listSlots(context)).find(({ index }) => index === slotIndex);
    const slot = slotFrom({ mode: old?.mode === "hybrid" ? "hybrid" : "user", ...options });
    return made(slot, await changeSlot(context, { slotIndex, slot }));
  },
  "key add": async ({ context }, options) => {
    const slot = slotFrom(options);
    return made(slot, await addSlot(context, slot));
  },
  "key remove": async ({ context }, { slot }) => {
    if (typeof slot !== "number") throw wrong("slot");
    await removeSlot(context, { slotIndex: slot });
    return { slot };
  },
  "key export": async ({ context }, { newPassphrase: passphrase }) => {
    if (!(passphrase instanceof Uint8Array)) throw wrong("newPassphrase");
    return { exported: await exportKeys(context, context.keys, { passphrase }) };
  },
};

function made(
  { mode }: NewSlot,
  { slotIndex: slot, recoveryCode }: { slotIndex: number; recoveryCode?: Uint8Array },
): MadeSlot {
  return recoveryCode === undefined ? { slot, mode } : { slot, mode, recoveryCode };
}

/** The order of a slot from options, which may come from another process. */
function slotFrom({ mode = "user", label, kdf, newPassphrase }: ControlOptions): NewSlot {
  if (label !== undefined && typeof label !== "string") throw wrong("label");
  if (mode === "device" || mode === "recovery") return { mode, label };
  if (mode !== "user" && mode !== "hybrid") throw wrong("mode");
  if (!(newPassphrase instanceof Uint8Array)) throw wrong("newPassphrase");
  return { mode, label, kdf: profileOf(kdf), secret: { passphrase: newPassphrase } };
}

function profileOf(name: ControlOptions[string]): KdfProfileName | undefined {
  if (name === undefined) return undefined;
  if (typeof name === "string") return parseKdfProfile(name);
  throw wrong("kdf");
}

/** A secret that shall be proven, as options for another process. */
export function proofOf(secret: Secret, kdf?: KdfProfileName): ControlOptions {
  return { ...secret, tryKdf: kdf };
}

/** The secret and the profiles to try, from options. */
export function secretFrom(
  { passphrase, recoveryCode, device, tryKdf }: ControlOptions,
): { readonly secret: Secret; readonly profiles: readonly KdfProfileName[] } {
  const only = profileOf(tryKdf);
  const profiles = only === undefined ? KDF_ORDER : [only];
  if (device === true) return { secret: { device }, profiles };
  if (passphrase instanceof Uint8Array) return { secret: { passphrase }, profiles };
  if (recoveryCode instanceof Uint8Array) return { secret: { recoveryCode }, profiles };
  throw new VaultError("denied", "Cannot touch the keys of the mount: present a secret");
}

function wrong(option: string): VaultError {
  return new VaultError("invalid", `Cannot change the key slots: option "${option}" is wrong`);
}
