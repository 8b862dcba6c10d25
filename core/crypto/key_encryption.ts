/**
 * From what a person or a device presents to the key-encryption keys of slots.
 *
 * @module
 */
import { assert } from "../assert.ts";
import { concat, requireBytes, wipe } from "../bytes.ts";
import { VaultError } from "../errors.ts";
import type { SlotMode } from "../format/key_slot.ts";
import { type KdfChoice, type Stretch, stretchPassphrase } from "./argon2.ts";
import { expandKey } from "./hkdf.ts";
import { parseRecoveryCode } from "./recovery_code.ts";

/**
 * What opens a vault. Bytes are used as they are: a caller who wants Unicode normalisation (NFC) of a
 * typed passphrase does it before. The caller wipes them.
 */
export type Secret =
  /** Opens `user` slots, and `hybrid` slots where this device has its secret. */
  | { readonly passphrase: Uint8Array }
  /** A printed recovery code as typed, in ASCII. */
  | { readonly recoveryCode: Uint8Array }
  /** Opens `device` slots with the secret in this device's secure storage. */
  | { readonly device: true };

/** What the keys of one header copy are derived from. */
export interface KekInputs {
  /** What was presented. */
  readonly secret: Secret;
  /** The copy's salt. */
  readonly salt: Uint8Array;
  /** Cost of stretching a passphrase. */
  readonly kdf: KdfChoice;
  /** This device's secret for the vault, where it has one. */
  readonly deviceSecret: Uint8Array | null;
  /** Who stretches a passphrase; see `stretched.ts`. */
  readonly stretch?: Stretch;
}

/** The key that wraps a new slot of `mode`. The caller wipes it. */
export async function deriveKek(mode: SlotMode, inputs: KekInputs): Promise<Uint8Array> {
  const { secret, salt, deviceSecret, stretch = stretchPassphrase } = inputs;
  if (mode === "device") {
    assert(deviceSecret !== null, "a device slot has a device secret");
    return kekFrom(mode, salt, deviceSecret);
  }
  if (mode === "recovery") {
    if (!("recoveryCode" in secret)) throw wrongSecret(mode, "a recovery code");
    return kekFromCode(secret.recoveryCode, salt);
  }
  if (!("passphrase" in secret)) throw wrongSecret(mode, "a passphrase");
  requireBytes(secret.passphrase, "a passphrase");
  if (secret.passphrase.length === 0) {
    throw new VaultError("invalid", "Cannot use an empty passphrase: choose a longer one");
  }
  const stretched = await stretch({ passphrase: secret.passphrase, salt }, inputs.kdf);
  try {
    if (mode !== "hybrid") return kekFrom(mode, salt, stretched);
    assert(deviceSecret !== null, "a hybrid slot has a device secret");
    return kekFrom(mode, salt, stretched, deviceSecret);
  } finally {
    wipe(stretched);
  }
}

/**
 * All keys that the secret may open a slot with; one passphrase run serves `user` and `hybrid`.
 * The caller wipes them.
 */
export async function candidateKeks(inputs: KekInputs): Promise<Uint8Array[]> {
  const { secret, salt, deviceSecret, stretch = stretchPassphrase } = inputs;
  if ("recoveryCode" in secret) return [kekFromCode(secret.recoveryCode, salt)];
  if ("device" in secret) {
    return deviceSecret === null ? [] : [kekFrom("device", salt, deviceSecret)];
  }
  const { passphrase } = secret;
  const stretched = await stretch({ passphrase, salt }, inputs.kdf);
  try {
    const keks = [kekFrom("user", salt, stretched)];
    if (deviceSecret !== null) keks.push(kekFrom("hybrid", salt, stretched, deviceSecret));
    return keks;
  } finally {
    wipe(stretched);
  }
}

function kekFromCode(typed: Uint8Array, salt: Uint8Array): Uint8Array {
  requireBytes(typed, "a recovery code");
  const code = parseRecoveryCode(typed);
  const kek = kekFrom("recovery", salt, code);
  wipe(code);
  return kek;
}

/** HKDF of the parts, one behind another, under the mode's label: no two modes share a key. */
function kekFrom(mode: SlotMode, salt: Uint8Array, ...parts: Uint8Array[]): Uint8Array {
  const joined = concat(...parts);
  const kek = expandKey(joined, `kek ${mode}`, salt);
  wipe(joined);
  return kek;
}

function wrongSecret(mode: SlotMode, want: string): VaultError {
  return new VaultError("invalid", `Cannot make a key slot of mode "${mode}": it takes ${want}`);
}
