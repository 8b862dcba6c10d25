import { getU48, putU64BE, readU64BE, setU48, viewOf } from "../bytes.ts";
import { VaultError } from "../errors.ts";
import { KEY_BYTES, NONCE_BYTES, TAG_BYTES } from "../limits.ts";
import { CATALOG_KEY } from "./catalog_record.ts";
import type { LineFile } from "./lock_record.ts";

const SECRET_KEY_BYTES = 9;
const FILE_BYTES = 10;
const SEALED_AT = FILE_BYTES + NONCE_BYTES;
const RECORD_BYTES = SEALED_AT + KEY_BYTES + TAG_BYTES;

/** FORMAT.md §12: the secret of a file that can be shredded by forgetting it. */
export interface SecretRecord {
  /** Whose it was when it was made. */
  readonly file: LineFile;
  readonly nonce: Uint8Array;
  /** 32 bytes of ciphertext, then the tag. */
  readonly sealed: Uint8Array;
}

/** The key of a secret's record. */
export function secretKey(secretId: number): Uint8Array<ArrayBuffer> {
  const key = new Uint8Array(SECRET_KEY_BYTES);
  key[0] = CATALOG_KEY.secret;
  putU64BE(key, 1, secretId);
  return key;
}

/** The secret id of a key. */
export function readSecretKey(key: Uint8Array): number {
  const secretId = key.length === SECRET_KEY_BYTES ? readU64BE(key, 1) : NaN;
  if (Number.isNaN(secretId)) throw badSecret("key");
  return secretId;
}

/** Encodes a record. */
export function encodeSecret({ file, nonce, sealed }: SecretRecord): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(RECORD_BYTES);
  viewOf(bytes).setUint32(0, file.line, true);
  setU48(viewOf(bytes), 4, file.ino);
  bytes.set(nonce, FILE_BYTES);
  bytes.set(sealed, SEALED_AT);
  return bytes;
}

/** Decodes a record. */
export function decodeSecret(bytes: Uint8Array): SecretRecord {
  if (bytes.length !== RECORD_BYTES) throw badSecret("length");
  const file = { line: viewOf(bytes).getUint32(0, true), ino: getU48(viewOf(bytes), 4) };
  return { file, nonce: bytes.slice(FILE_BYTES, SEALED_AT), sealed: bytes.slice(SEALED_AT) };
}

/** What a secret is bound to: its id and its file. */
export function secretAad(secretId: number, file: LineFile): Uint8Array<ArrayBuffer> {
  const aad = new Uint8Array(SECRET_KEY_BYTES + FILE_BYTES);
  aad.set(secretKey(secretId));
  viewOf(aad).setUint32(SECRET_KEY_BYTES, file.line, true);
  setU48(viewOf(aad), SECRET_KEY_BYTES + 4, file.ino);
  return aad;
}

function badSecret(why: string): VaultError {
  return new VaultError("corrupt", `Cannot read the secret of a file: bad ${why}`);
}
