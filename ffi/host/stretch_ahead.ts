import type { KdfChoice } from "../../core/crypto/argon2.ts";
import type { Secret } from "../../core/crypto/key_encryption.ts";
import { type Stretched, stretchUnder } from "../../core/crypto/stretched.ts";
import {
  HEADER_AREA_BYTES,
  HEADER_COPIES,
  headerOffset,
  isSparseSample,
  SALT_BYTES,
  SPARSE_SAMPLE,
} from "../../core/format/header.ts";

/**
 * Begins the derivations that opening the vault at `path` asks for first: `kdf`, with the salt of the first copy of each header that
 * may be there. None where nothing is to be derived, or where it does not work: the opening then does it itself, and says what is
 * wrong.
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
  const read = (offset: number, bytes: number) => {
    file.seekSync(offset, Deno.SeekMode.Start);
    const buffer = new Uint8Array(bytes);
    return file.readSync(buffer) === bytes ? [buffer] : [];
  };
  const samples = HEADER_COPIES.flatMap((copy) => {
    return read(headerOffset(copy) + SPARSE_SAMPLE.offset, SPARSE_SAMPLE.bytes);
  });
  const areas = samples.every(isSparseSample) ? [0] : [0, HEADER_AREA_BYTES];
  return areas.flatMap((area) => read(area + headerOffset(0), SALT_BYTES));
}
