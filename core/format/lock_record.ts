import { assert } from "../assert.ts";
import {
  getU64,
  putU32BE,
  putU48BE,
  putU64BE,
  readU32BE,
  readU48BE,
  readU64BE,
  setU64,
  viewOf,
  wipe,
} from "../bytes.ts";
import { VaultError } from "../errors.ts";
import { KEY_BYTES, NONCE_BYTES, TAG_BYTES } from "../limits.ts";
import { CATALOG_KEY } from "./catalog_record.ts";
import { exactly } from "./exact.ts";

/** FORMAT.md §12: bytes of inline data at most. */
const INLINE_BYTES_MAX = 2048;
const LOCK_KEY_BYTES = 11;
const INLINE_KEY_BYTES = 17;
/** Where the secret id of such a key ends. */
const SECRET_END = 9;
const RECORD_BYTES = 176;
const WRAPPED_BYTES = NONCE_BYTES + KEY_BYTES + TAG_BYTES;
const SALT_BYTES = 32;
const COST_AT = 24;
const SALT_AT = 40;
const WRAPPED_AT = SALT_AT + SALT_BYTES;
const SECRET_AT = WRAPPED_AT + WRAPPED_BYTES;
/** What Argon2id may be told to cost, whoever wrote the record. */
const MEMORY_KIB_MAX = 2 ** 20;
const PASSES_MAX = 16;
const LANES_MAX = 4;

/** What is under way with a file that is locked or shredded, or done. */
export type LockState =
  | "locking"
  | "locked"
  | "unlocking"
  | "shredding"
  | "shredded"
  | "forgetting";

/** The byte that stands for a state is 1 + its place here. */
const LOCK_STATES: readonly LockState[] = [
  "locking",
  "locked",
  "unlocking",
  "shredding",
  "shredded",
  "forgetting",
];

/** States in which the vault itself knows the secret: what is under way can be finished by whoever opens it. */
const OPEN_STATES: readonly LockState[] = ["locking", "unlocking", "shredding"];

/** The file secret, sealed under a passphrase of its own. */
export interface WrappedSecret {
  readonly salt: Uint8Array;
  /** What Argon2id costs. */
  readonly memoryKib: number;
  readonly passes: number;
  readonly parallelism: number;
  readonly nonce: Uint8Array;
  /** 32 bytes of ciphertext, then the tag. */
  readonly sealed: Uint8Array;
}

/** FORMAT.md §12: the secret of a file that is locked or shredded, and how far that is. */
export interface LockRecord {
  readonly state: LockState;
  /** Cells that held what it was before are still to be overwritten. */
  readonly erasing: boolean;
  /** Number of the secret: never used twice in a vault. */
  readonly secretId: number;
  /** Passphrases that were tried since one was right. */
  readonly attempts: number;
  /** When the last one was, milliseconds since 1970. */
  readonly lastAttempt: number;
  /** Null where no passphrase opens it: it is shredded. */
  readonly wrapped: WrappedSecret | null;
  /** The secret itself, while something is under way; else null. */
  readonly secret: Uint8Array | null;
}

/** A file, in all snapshots and clones that were made of one another. */
export interface LineFile {
  /** The branch that the line began with: elsewhere the inode number may be another file's. */
  readonly line: number;
  readonly ino: number;
}

/** The key of a file's record. */
export function lockKey({ line, ino }: LineFile): Uint8Array<ArrayBuffer> {
  const key = new Uint8Array(LOCK_KEY_BYTES);
  key[0] = CATALOG_KEY.lock;
  putU32BE(key, 1, line);
  putU48BE(key, 5, ino);
  return key;
}

/** The file of a key. */
export function readLockKey(key: Uint8Array): LineFile {
  if (key.length !== LOCK_KEY_BYTES) throw badRecord("key");
  return { line: readU32BE(key, 1), ino: readU48BE(key, 5) };
}

/** Encodes a record. */
export function encodeLock(record: LockRecord): Uint8Array<ArrayBuffer> {
  const { state, secret, wrapped } = record;
  assert((secret !== null) === OPEN_STATES.includes(state), "the secret is there while it is used");
  const bytes = new Uint8Array(RECORD_BYTES);
  const view = viewOf(bytes);
  bytes[0] = 1 + LOCK_STATES.indexOf(state);
  bytes[1] = record.erasing ? 1 : 0;
  bytes[2] = wrapped === null ? 0 : 1;
  view.setUint32(4, record.attempts, true);
  setU64(view, 8, record.secretId);
  setU64(view, 16, record.lastAttempt);
  if (wrapped !== null) {
    const { memoryKib, passes, parallelism, salt, nonce, sealed } = wrapped;
    [memoryKib, passes, parallelism].forEach((n, i) => view.setUint32(COST_AT + 4 * i, n, true));
    bytes.set(salt, SALT_AT);
    bytes.set(nonce, WRAPPED_AT);
    bytes.set(sealed, WRAPPED_AT + NONCE_BYTES);
  }
  if (secret !== null) bytes.set(secret, SECRET_AT);
  return bytes;
}

/** Decodes a record. */
export function decodeLock(bytes: Uint8Array): LockRecord {
  if (bytes.length !== RECORD_BYTES || bytes[1] > 1 || bytes[2] > 1) throw badRecord("length");
  const view = viewOf(bytes);
  const state = LOCK_STATES[bytes[0] - 1];
  const secretId = getU64(view, 8);
  const lastAttempt = getU64(view, 16);
  if (state === undefined || Number.isNaN(secretId + lastAttempt)) throw badRecord("number");
  const isShredded = state === "shredding" || state === "shredded" || state === "forgetting";
  if (isShredded === (bytes[2] === 1)) throw badRecord("state");
  const wrapped = isShredded ? null : readWrapped(bytes, view);
  const secret = OPEN_STATES.includes(state) ? bytes.slice(SECRET_AT, RECORD_BYTES) : null;
  const record: LockRecord = {
    state,
    erasing: bytes[1] === 1,
    secretId,
    attempts: view.getUint32(4, true),
    lastAttempt,
    wrapped,
    secret,
  };
  return exactly(record, bytes, encodeLock, () => {
    if (secret !== null) wipe(secret);
    return badRecord("form");
  });
}

/** True where a record can hold such costs of Argon2id. */
export function isLockCost(
  { memoryKib, passes, parallelism }: Pick<WrappedSecret, "memoryKib" | "passes" | "parallelism">,
): boolean {
  return memoryKib > 0 && memoryKib <= MEMORY_KIB_MAX && passes > 0 && passes <= PASSES_MAX &&
    parallelism > 0 && parallelism <= LANES_MAX;
}

function readWrapped(bytes: Uint8Array, view: DataView): WrappedSecret {
  const [memoryKib, passes, parallelism] = [0, 4, 8].map((at) =>
    view.getUint32(COST_AT + at, true)
  );
  if (!isLockCost({ memoryKib, passes, parallelism })) throw badRecord("cost");
  const nonceEnd = WRAPPED_AT + NONCE_BYTES;
  return {
    salt: bytes.slice(SALT_AT, WRAPPED_AT),
    memoryKib,
    passes,
    parallelism,
    nonce: bytes.slice(WRAPPED_AT, nonceEnd),
    sealed: bytes.slice(nonceEnd, SECRET_AT),
  };
}

/** FORMAT.md §12: names one content of a file whose data lies in the tree: all trees that have it name the same one. */
export interface InlineName {
  readonly secretId: number;
  /** Bytes of the content. */
  readonly length: number;
  /** Counts the contents of this length. */
  readonly index: number;
}

/** Such a content, sealed under the file's secret. */
export interface SealedInline {
  readonly nonce: Uint8Array;
  /** Ciphertext, then the tag. */
  readonly sealed: Uint8Array;
}

/** The key of a sealed content. */
export function lockedInlineKey(name: InlineName): Uint8Array<ArrayBuffer> {
  const key = new Uint8Array(INLINE_KEY_BYTES);
  key[0] = CATALOG_KEY.lockedInline;
  putU64BE(key, 1, name.secretId);
  key[9] = name.length >>> 8;
  key[10] = name.length;
  putU48BE(key, 11, name.index);
  return key;
}

/** What a sealed content is bound to: what its key says but for the secret's number, which is each vault's own. */
export function lockedInlineAad(name: InlineName): Uint8Array<ArrayBuffer> {
  return lockedInlineKey(name).slice(SECRET_END);
}

/** What the key names. */
export function readLockedInlineKey(key: Uint8Array): InlineName {
  const secretId = key.length === INLINE_KEY_BYTES ? readU64BE(key, 1) : NaN;
  if (Number.isNaN(secretId)) throw badRecord("key");
  return { secretId, length: key[9] << 8 | key[10], index: readU48BE(key, 11) };
}

/** Encodes a sealed content. */
export function encodeLockedInline({ nonce, sealed }: SealedInline): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(NONCE_BYTES + sealed.length);
  bytes.set(nonce);
  bytes.set(sealed, NONCE_BYTES);
  return bytes;
}

/** Decodes a sealed content. */
export function decodeLockedInline(bytes: Uint8Array): SealedInline {
  const length = bytes.length - NONCE_BYTES - TAG_BYTES;
  if (length < 1 || length > INLINE_BYTES_MAX) throw badRecord("length");
  return { nonce: bytes.slice(0, NONCE_BYTES), sealed: bytes.slice(NONCE_BYTES) };
}

/** What stands in a tree in place of content of this length: its index, big-endian, behind zeros. */
export function placeholder(length: number, index: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let at = length - 1, left = index; left > 0; left = Math.floor(left / 256)) {
    assert(at >= 0, "there are no more contents of a length than numbers of it");
    bytes[at--] = left % 256;
  }
  return bytes;
}

/** The index that a placeholder stands for. */
export function indexOf(bytes: Uint8Array): number {
  if (!isPlaceholder(bytes)) throw badRecord("placeholder");
  return bytes.reduce((sum, byte) => sum * 256 + byte, 0);
}

/** True where bytes can be a placeholder: all but the last six are zero. */
export function isPlaceholder(bytes: Uint8Array): boolean {
  return bytes.subarray(0, Math.max(0, bytes.length - 6)).every((byte) => byte === 0);
}

function badRecord(why: string): VaultError {
  return new VaultError("corrupt", `Cannot read lock record: bad ${why}`);
}
