/**
 * The secret of a locked file: random, sealed under a key that only the file's own passphrase gives (FORMAT.md §12).
 *
 * @module
 */
import { setU48, viewOf, wipe } from "../bytes.ts";
import type { LineFile, LockRecord, WrappedSecret } from "../format/lock_record.ts";
import { KEY_BYTES, NONCE_BYTES } from "../limits.ts";
import type { Runtime } from "../runtime.ts";
import { type KdfChoice, kdfParameters, stretchPassphrase } from "./argon2.ts";
import { expandKey } from "./hkdf.ts";
import type { Kernel } from "./kernel.ts";
import { openBytes, sealBytes } from "./sealed_bytes.ts";

const SALT_BYTES = 32;

/** What seals and opens secrets of files. */
export interface SecretParts {
  readonly kernel: Kernel;
  readonly runtime: Runtime;
}

/** A secret that belongs to a file. */
export interface OwnedSecret {
  readonly file: Pick<LineFile, "ino">;
  readonly secret: Uint8Array;
}

/** The key that seals the blocks of a file; the caller wipes it. */
export function fileBlockKey(secret: Uint8Array): Uint8Array<ArrayBuffer> {
  return expandKey(secret, "file block");
}

/** The key that seals what a file had in trees; the caller wipes it. */
export function fileInlineKey(secret: Uint8Array): Uint8Array<ArrayBuffer> {
  return expandKey(secret, "file inline");
}

/** So many random bytes. */
export function randomBytes({ runtime }: Pick<SecretParts, "runtime">, count: number) {
  const bytes = new Uint8Array(count);
  runtime.random(bytes);
  return bytes;
}

/** Seals a secret under a passphrase. */
export async function wrapSecret(
  parts: SecretParts,
  owned: OwnedSecret,
  passphrase: Uint8Array,
  kdf: KdfChoice,
): Promise<WrappedSecret> {
  const salt = randomBytes(parts, SALT_BYTES);
  const nonce = randomBytes(parts, NONCE_BYTES);
  const cost = kdfParameters(kdf);
  const key = await wrappingKey(passphrase, salt, kdf);
  const aad = aadOf(owned);
  const sealed = sealBytes(parts.kernel, { key, nonce, aad }, owned.secret);
  wipe(key);
  return { ...cost, salt, nonce, sealed };
}

/** The secret of a record; null where the passphrase is wrong. */
export async function unwrapSecret(
  parts: SecretParts,
  { file, record }: { readonly file: Pick<LineFile, "ino">; readonly record: LockRecord },
  passphrase: Uint8Array,
): Promise<Uint8Array<ArrayBuffer> | null> {
  const { wrapped } = record;
  if (wrapped === null) return null;
  const { memoryKib, passes, parallelism, salt, nonce, sealed } = wrapped;
  const key = await wrappingKey(passphrase, salt, { memoryKib, passes, parallelism });
  const aad = aadOf({ file });
  const secret = openBytes(parts.kernel, { key, nonce, aad }, sealed);
  wipe(key);
  return secret?.length === KEY_BYTES ? secret : null;
}

async function wrappingKey(
  passphrase: Uint8Array,
  salt: Uint8Array,
  kdf: KdfChoice,
): Promise<Uint8Array> {
  const stretched = await stretchPassphrase({ passphrase, salt }, kdf);
  const key = expandKey(stretched, "file secret", salt);
  wipe(stretched);
  return key;
}

/** The inode number, which a file keeps wherever its snapshots are sent. */
function aadOf({ file: { ino } }: Pick<OwnedSecret, "file">): Uint8Array {
  const aad = new Uint8Array(6);
  setU48(viewOf(aad), 0, ino);
  return aad;
}
