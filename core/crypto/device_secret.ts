/**
 * The secret that a device keeps for a vault. Its label comes from the salts of the two header copies, since
 * nothing else of a vault can be read before it is open; it is kept under both, so that one damaged copy
 * hides nothing.
 *
 * @module
 */
import { wipe } from "../bytes.ts";
import { KEY_BYTES } from "../limits.ts";
import { VaultError } from "../errors.ts";
import { expandKey } from "./hkdf.ts";
import type { Platform, SecureStorage } from "./platform.ts";
import type { Runtime } from "../runtime.ts";
import { randomBytes } from "./key_slot.ts";

const LABEL_BYTES = 16;

/** The label of the secret for the vault with this salt: hexadecimal, safe as a file name. */
export function deviceLabel(salt: Uint8Array): string {
  const label = expandKey(salt, "device label", undefined, LABEL_BYTES);
  return Array.from(label, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** This device's secret for the vault, or null. The caller wipes it. */
export async function readDeviceSecret(
  storage: SecureStorage,
  salt: Uint8Array,
): Promise<Uint8Array | null> {
  const secret = await storage.get(deviceLabel(salt));
  if (secret !== null && secret.length !== KEY_BYTES) {
    throw new VaultError(
      "corrupt",
      `Cannot use the device secret in "${storage.name}": want ${KEY_BYTES} bytes, it has ${secret.length}`,
    );
  }
  return secret;
}

/**
 * This device's secret for the vault, made where there is none. It is durable before any slot
 * depends on it. The caller wipes it.
 */
export async function provideDeviceSecret(
  platform: Platform,
  runtime: Runtime,
  salts: readonly Uint8Array[],
): Promise<Uint8Array> {
  const storage = platform.secureStorage();
  const kept: (Uint8Array | null)[] = [];
  for (const salt of salts) kept.push(await readDeviceSecret(storage, salt));
  const secret = kept.find((found) => found !== null) ?? randomBytes(runtime, KEY_BYTES);
  for (const found of kept) if (found !== null && found !== secret) wipe(found);
  try {
    for (let i = 0; i < salts.length; i++) {
      if (kept[i] === null) await storage.set(deviceLabel(salts[i]), secret);
    }
    return secret;
  } catch (error) {
    wipe(secret);
    throw error;
  }
}

/** Forgets the secret when no slot needs it any more. */
export async function removeDeviceSecret(
  platform: Platform,
  salts: readonly Uint8Array[],
): Promise<void> {
  const storage = platform.secureStorage();
  for (const salt of salts) await storage.remove(deviceLabel(salt));
}
