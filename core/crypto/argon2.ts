/**
 * Passphrase stretching: Argon2id (RFC 9106, version 0x13) by WebCrypto, or by hash-wasm where the
 * runtime's WebCrypto does not know it. Passphrases are bytes, used exactly as given: no Unicode
 * normalisation happens here, a caller who wants NFC does it before.
 *
 * @module
 */
import { requireBytes, wipe } from "../bytes.ts";
import { VaultError } from "../errors.ts";
import { KEY_BYTES, KIB } from "../limits.ts";

/** Cost of one Argon2id run. */
export interface KdfParameters {
  /** Memory in KiB. */
  readonly memoryKib: number;
  /** Passes over the memory. */
  readonly passes: number;
  /** Lanes. */
  readonly parallelism: number;
}

/** The costs that people choose from. */
export type KdfProfileName = "interactive" | "moderate" | "sensitive";

/**
 * A profile, or explicit costs. Costs are for tests only: what a person can type is a name, so that no
 * vault is ever made with a cheap derivation.
 */
export type KdfChoice = KdfProfileName | KdfParameters;

/** The profiles. One lane: lanes help an attacker's hardware more than one person's laptop. */
export const KDF_PROFILES: Readonly<Record<KdfProfileName, KdfParameters>> = {
  interactive: { memoryKib: 64 * 1024, passes: 3, parallelism: 1 },
  moderate: { memoryKib: 256 * 1024, passes: 3, parallelism: 1 },
  sensitive: { memoryKib: 1024 * 1024, passes: 4, parallelism: 1 },
};

/** The order in which an opening tries them, since the medium does not say: cheapest first. */
export const KDF_ORDER: readonly KdfProfileName[] = ["interactive", "moderate", "sensitive"];

/** Reads a profile's name as a person typed it. Explicit costs have no name, so nobody can type them. */
export function parseKdfProfile(name: string): KdfProfileName {
  const found = KDF_ORDER.find((profile) => profile === name);
  if (found !== undefined) return found;
  throw new VaultError("invalid", `Cannot use KDF profile "${name}": want ${KDF_ORDER.join(", ")}`);
}

/** What one run stretches. */
export interface KdfInput {
  /** Any bytes, used as they are. */
  readonly passphrase: Uint8Array;
  /** 32 random bytes in a header; at least 8. */
  readonly salt: Uint8Array;
}

/** One implementation of Argon2id; both give the same 32 bytes. */
export type Argon2id = (input: KdfInput, cost: KdfParameters) => Promise<Uint8Array<ArrayBuffer>>;

/** Stretches a passphrase at the cost that is chosen. The caller wipes input and result. */
export type Stretch = (input: KdfInput, choice: KdfChoice) => Promise<Uint8Array<ArrayBuffer>>;

/** The costs behind a choice. */
export function kdfParameters(choice: KdfChoice): KdfParameters {
  if (typeof choice !== "string") return choice;
  if (Object.hasOwn(KDF_PROFILES, choice)) return KDF_PROFILES[choice];
  const known = Object.keys(KDF_PROFILES).join(", ");
  throw new VaultError("invalid", `Cannot derive a key by "${choice}": choose one of ${known}`);
}

/** Stretches a passphrase to 32 bytes. */
export const stretchPassphrase: Stretch = async (input, choice) => {
  requireBytes(input.passphrase, "a passphrase");
  const cost = kdfParameters(choice);
  try {
    return await argon2idByWebCrypto(input, cost);
  } catch (error) {
    if (!isUnsupported(error)) throw costError(cost, error);
  }
  try {
    return await argon2idByHashWasm(input, cost);
  } catch (error) {
    throw costError(cost, error);
  }
};

/**
 * Runs derivations of this cost, and what comes with them: side by side where together they take no more than half of what is
 * free, or than two moderate ones do; else one after the other.
 */
export async function deriveAll<T>(
  runs: readonly (() => T | Promise<T>)[],
  { kdf, freeBytes = 0, wipe }: DeriveOptions<T>,
): Promise<T[]> {
  const most = Math.max(2 * KDF_PROFILES.moderate.memoryKib, freeBytes / 2 / KIB);
  const isBeside = runs.length * kdfParameters(kdf).memoryKib <= most;
  const results: PromiseSettledResult<T>[] = [];
  if (isBeside) results.push(...await Promise.allSettled(runs.map(async (run) => await run())));
  for (const run of isBeside ? [] : runs) {
    const [result] = await Promise.allSettled([(async () => await run())()]);
    results.push(result);
    if (result.status === "rejected") break;
  }
  const derived = results.flatMap((each) => each.status === "fulfilled" ? [each.value] : []);
  for (const each of results) {
    if (each.status === "fulfilled") continue;
    for (const one of derived) wipe(one);
    throw each.reason;
  }
  return derived;
}

/** How derivations are run. */
export interface DeriveOptions<T> {
  readonly kdf: KdfChoice;
  /** Memory that may be taken. */
  readonly freeBytes?: number;
  /** Overwrites what one gave, where another one has failed. */
  wipe(derived: T): void;
}

/** Argon2id by the runtime (fastest; runs off this thread). */
export const argon2idByWebCrypto: Argon2id = async ({ passphrase, salt }, cost) => {
  const algorithm = { name: "Argon2id" };
  // Copies: WebCrypto takes no views of shared memory.
  const secret = new Uint8Array(passphrase);
  try {
    const key = await crypto.subtle.importKey(
      "raw-secret",
      secret,
      algorithm,
      false,
      ["deriveBits"],
    );
    const parameters = {
      ...algorithm,
      nonce: new Uint8Array(salt),
      memory: cost.memoryKib,
      passes: cost.passes,
      parallelism: cost.parallelism,
    };
    return new Uint8Array(await crypto.subtle.deriveBits(parameters, key, KEY_BYTES * 8));
  } finally {
    secret.fill(0);
  }
};

/** Argon2id in WebAssembly, loaded only when it is needed. */
export const argon2idByHashWasm: Argon2id = async ({ passphrase, salt }, cost) => {
  const { argon2id } = await import("hash-wasm");
  const hash = await argon2id({
    password: passphrase,
    salt,
    memorySize: cost.memoryKib,
    iterations: cost.passes,
    parallelism: cost.parallelism,
    hashLength: KEY_BYTES,
    outputType: "binary",
  });
  const key = new Uint8Array(hash);
  wipe(hash);
  return key;
};

/** A runtime without Argon2id says so with one of these two. */
function isUnsupported(error: unknown): boolean {
  return error instanceof TypeError ||
    (error instanceof DOMException && error.name === "NotSupportedError");
}

function costError(cost: KdfParameters, cause: unknown): VaultError {
  return new VaultError(
    "unavailable",
    `Cannot derive a key with ${cost.memoryKib / 1024} MiB: the system does not give the memory`,
    { operation: "derive key", cause },
  );
}
