import { type KdfChoice, stretchPassphrase } from "../../core/crypto/argon2.ts";
import type { Secret } from "../../core/crypto/key_encryption.ts";
import type { Stretched } from "../../core/crypto/stretched.ts";
import { headerOffset, SALT_BYTES } from "../../core/format/header.ts";

/**
 * Begins the derivation that opening the vault at `path` asks for first: `kdf`, with the salt of the first header copy. Null where
 * nothing is to be derived, or where it does not work: the opening then does it itself, and says what is wrong.
 */
export async function stretchAhead(
  path: string | null,
  secret: Secret,
  kdf: KdfChoice,
): Promise<Stretched | null> {
  if (path === null || !("passphrase" in secret)) return null;
  try {
    const salt = firstSalt(path);
    if (salt === null) return null;
    const { passphrase } = secret;
    return { salt, kdf, bytes: await stretchPassphrase({ passphrase, salt }, kdf) };
  } catch {
    return null;
  }
}

/** At once and not by promises: those would come back only after what is loaded meanwhile. */
function firstSalt(path: string): Uint8Array | null {
  const { isFile, isBlockDevice } = Deno.statSync(path);
  // Opening a pipe would wait for its other end.
  if (!isFile && isBlockDevice !== true) return null;
  using file = Deno.openSync(path);
  file.seekSync(headerOffset(0), Deno.SeekMode.Start);
  const salt = new Uint8Array(SALT_BYTES);
  return file.readSync(salt) === SALT_BYTES ? salt : null;
}
