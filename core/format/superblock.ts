import { getU64, setU64, viewOf } from "../bytes.ts";
import { VaultError } from "../errors.ts";
import { CELL_BYTES, KEY_BYTES, MEMBERS_MAX, NONCE_BYTES, TAG_BYTES } from "../limits.ts";
import { pointerBytes } from "./pointer.ts";
import { PLACES_MAX } from "./redundancy.ts";
import { exactly } from "./exact.ts";

/**
 * FORMAT.md §10: a superblock, one ring cell: nonce (24) | ciphertext (4,056) | tag (16). Plaintext, zero behind:
 *
 * | offset | size | meaning |
 * |---|---|---|
 * | 0 | 4 | marker "ΣVSB" |
 * | 4 | 1 | number of the member that it lies on |
 * | 5 | 3 | zero |
 * | 8 | 8 | sequence |
 * | 16 | 4 | bytes of the root record |
 * | 20 | 4 | member set's epoch |
 * | 24 | 8 + 48 c | pointer to the root record's c copies |
 * | 1,568 | 32 | key of the secrets of files; zeros: there are none |
 */
export const SUPERBLOCK_BYTES = CELL_BYTES - NONCE_BYTES - TAG_BYTES;
const MARKER = 0x425356a3;
const POINTER_AT = 24;
const SECRETS_KEY_AT: number = POINTER_AT + pointerBytes(PLACES_MAX);

/** Names the newest root. */
export interface Superblock {
  readonly sequence: number;
  /** Encoded pointer, zeros behind it. */
  readonly root: Uint8Array;
  readonly rootBytes: number;
  /** Epoch of the set of members. */
  readonly memberEpoch: number;
  /** Opens the secrets of files that this root has; zeros where it has none. Only superblocks hold it. */
  readonly secretsKey: Uint8Array;
  /** The member that it lies on. */
  readonly member: number;
}

/** Encodes the plaintext of a superblock. */
export function encodeSuperblock(superblock: Superblock): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(SUPERBLOCK_BYTES);
  const view = viewOf(bytes);
  view.setUint32(0, MARKER, true);
  bytes[4] = superblock.member;
  setU64(view, 8, superblock.sequence);
  view.setUint32(16, superblock.rootBytes, true);
  view.setUint32(20, superblock.memberEpoch, true);
  bytes.set(superblock.root, POINTER_AT);
  bytes.set(superblock.secretsKey, SECRETS_KEY_AT);
  return bytes;
}

/** Decodes the plaintext of a superblock. */
export function decodeSuperblock(bytes: Uint8Array): Superblock {
  const view = viewOf(bytes);
  if (bytes.length !== SUPERBLOCK_BYTES || view.getUint32(0, true) !== MARKER) {
    throw new VaultError("corrupt", "Cannot read superblock: no marker");
  }
  const sequence = getU64(view, 8);
  if (Number.isNaN(sequence)) throw new VaultError("corrupt", "Cannot read superblock: sequence");
  if (bytes[4] >= MEMBERS_MAX) throw new VaultError("corrupt", "Cannot read superblock: member");
  const superblock: Superblock = {
    sequence,
    root: bytes.slice(POINTER_AT, POINTER_AT + pointerBytes(PLACES_MAX)),
    rootBytes: view.getUint32(16, true),
    memberEpoch: view.getUint32(20, true),
    secretsKey: bytes.slice(SECRETS_KEY_AT, SECRETS_KEY_AT + KEY_BYTES),
    member: bytes[4],
  };
  return exactly(
    superblock,
    bytes,
    encodeSuperblock,
    () => new VaultError("corrupt", "Cannot read superblock: form"),
  );
}
