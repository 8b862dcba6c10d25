import { isHole } from "../../core/bytes.ts";
import type { KdfChoice } from "../../core/crypto/argon2.ts";
import type { Secret } from "../../core/crypto/key_encryption.ts";
import { type Stretched, stretchUnder } from "../../core/crypto/stretched.ts";
import { HEADER_AREA_BYTES, headerOffset, SALT_BYTES } from "../../core/format/header.ts";

/** Where the salts lie that an opening tries first: of the vault, and of a hidden one. */
const FIRST_SALTS = [headerOffset(0), HEADER_AREA_BYTES + headerOffset(0)];

/**
 * Begins the derivations that opening the vault at `path` asks for first: `kdf`, with the salts of the first copies of both headers.
 * None where nothing is to be derived, or where it does not work: the opening then does it itself, and says what is wrong.
 */
export async function stretchAhead(
  path: string | null,
  secret: Secret,
  kdf: KdfChoice,
): Promise<Stretched[]> {
  if (path === null || !("passphrase" in secret)) return [];
  try {
    return await stretchUnder(firstSalts(path), secret.passphrase, kdf);
  } catch {
    return [];
  }
}

/** At once and not by promises: those would come back only after what is loaded meanwhile. */
function firstSalts(path: string): Uint8Array[] {
  const { isFile, isBlockDevice } = Deno.statSync(path);
  // Opening a pipe would wait for its other end.
  if (!isFile && isBlockDevice !== true) return [];
  using file = Deno.openSync(path);
  return FIRST_SALTS.flatMap((offset) => {
    file.seekSync(offset, Deno.SeekMode.Start);
    const salt = new Uint8Array(SALT_BYTES);
    return file.readSync(salt) === SALT_BYTES && !isHole(salt) ? [salt] : [];
  });
}
