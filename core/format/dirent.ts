import { putU48, readU48 } from "../bytes.ts";
import { VaultError } from "../errors.ts";

/** Bytes before the name in a directory entry (RECORDS: directory entry). */
export const DIRENT_NAME_AT = 7;
/** Longest name in bytes. */
export const NAME_BYTES_MAX = 255;
const DOT = 0x2e;
/** Longest entry record. */
export const DIRENT_BYTES_MAX = DIRENT_NAME_AT + NAME_BYTES_MAX;

/** Writes an entry into `out` and returns the part that was used. */
export function encodeDirent(
  out: Uint8Array,
  name: Uint8Array,
  entry: { ino: number; type: number },
): Uint8Array {
  putU48(out, 0, entry.ino);
  out[6] = entry.type;
  out.set(name, DIRENT_NAME_AT);
  return out.subarray(0, DIRENT_NAME_AT + name.length);
}

/** Throws `corrupt` unless these bytes are an entry; the other functions here want checked ones. */
export function checkDirent(bytes: Uint8Array): void {
  const length = bytes.length - DIRENT_NAME_AT;
  if (length < 1 || length > NAME_BYTES_MAX) throw corrupt("wrong length");
  if (direntIno(bytes) === 0) throw corrupt("no inode number");
  for (let i = DIRENT_NAME_AT; i < bytes.length; i++) {
    if (bytes[i] === 0 || bytes[i] === 0x2f) throw corrupt("bad byte in the name");
  }
  // They would lead whoever copies a stranger's vault out of the directory that he copies to.
  if (length <= 2 && bytes.subarray(DIRENT_NAME_AT).every((byte) => byte === DOT)) {
    throw corrupt('the name is "." or ".."');
  }
}

/** The inode number of an entry. */
export function direntIno(bytes: Uint8Array): number {
  return readU48(bytes, 0);
}

/** The d_type of an entry. */
export function direntType(bytes: Uint8Array): number {
  return bytes[6];
}

/** True where the entry has this name. */
export function direntIsNamed(bytes: Uint8Array, name: Uint8Array): boolean {
  if (bytes.length !== DIRENT_NAME_AT + name.length) return false;
  for (let i = 0; i < name.length; i++) {
    if (bytes[DIRENT_NAME_AT + i] !== name[i]) return false;
  }
  return true;
}

function corrupt(why: string): VaultError {
  return new VaultError("corrupt", `Cannot read a directory entry: ${why}`);
}
