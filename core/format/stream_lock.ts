import { concat, getU48, isHole, setU48, viewOf } from "../bytes.ts";
import { VaultError } from "../errors.ts";
import { NONCE_BYTES, TAG_BYTES } from "../limits.ts";
import {
  decodeLock,
  decodeLockedInline,
  encodeLock,
  encodeLockedInline,
  type LockRecord,
  type SealedInline,
} from "./lock_record.ts";
import { CODEC, savesCells } from "./map_entry.ts";

/** Bytes of a sealed block's record before the content. */
export const SEALED_HEAD_BYTES: number = 20 + NONCE_BYTES + TAG_BYTES;
const NONCE_AT = 20;
const CONTENT_NAME_BYTES = 14;

/** FORMAT.md §18: what a stream says of files that are locked or shredded, whose content it carries as it is sealed. */
export type LockedChange =
  /** The file is locked, by a secret that only its passphrase opens, or shredded. */
  | { readonly kind: "lock"; readonly ino: number; readonly record: LockRecord }
  /** What stands for such content in the tree is in its record there. */
  | {
    readonly kind: "lockedInline";
    readonly ino: number;
    readonly length: number;
    readonly index: number;
    readonly content: SealedInline;
  }
  /** One block, sealed under the file's secret. */
  | LockedBlock & { readonly kind: "lockedBlock"; readonly ino: number; readonly first: number };

/** A block of a locked file, as it is stored below the vault's own seals. */
export interface LockedBlock {
  readonly codec: number;
  /** Bytes of its content. */
  readonly length: number;
  readonly nonce: Uint8Array;
  readonly tag: Uint8Array;
  /** Ciphertext. */
  readonly content: Uint8Array;
}

/** The payload of a record. */
export function encodeLockedChange(change: LockedChange): Uint8Array {
  switch (change.kind) {
    case "lock": {
      // What is the sender's own affair stays there.
      const own = { secretId: 0, attempts: 0, lastAttempt: 0, erasing: false };
      return concat(number(change.ino), encodeLock({ ...change.record, ...own }));
    }
    case "lockedInline": {
      const { ino, length, index, content } = change;
      const name = new Uint8Array(CONTENT_NAME_BYTES);
      setU48(viewOf(name), 0, ino);
      viewOf(name).setUint16(6, length, true);
      setU48(viewOf(name), 8, index);
      return concat(name, encodeLockedInline(content));
    }
    case "lockedBlock": {
      const head = new Uint8Array(NONCE_AT);
      setU48(viewOf(head), 0, change.ino);
      setU48(viewOf(head), 6, change.first);
      head[12] = change.codec;
      viewOf(head).setUint32(16, change.length, true);
      return concat(head, change.nonce, change.tag, change.content);
    }
  }
}

/** A lock; its file is locked or shredded, with nothing under way. */
export function decodeStreamLock(payload: Uint8Array): LockedChange {
  const record = decodeLock(payload.subarray(6));
  if ((record.state !== "locked" && record.state !== "shredded") || record.erasing) {
    throw badLock("something is under way");
  }
  const { attempts, lastAttempt, secretId } = record;
  if (attempts !== 0 || lastAttempt !== 0 || secretId !== 0) throw badLock("it is of one vault");
  return { kind: "lock", ino: inoOf(payload), record };
}

/** Inline data of a locked file. */
export function decodeStreamInline(payload: Uint8Array): LockedChange {
  if (payload.length < CONTENT_NAME_BYTES + NONCE_BYTES) throw badLock("wrong length");
  const content = decodeLockedInline(payload.slice(CONTENT_NAME_BYTES));
  const length = viewOf(payload).getUint16(6, true);
  if (content.sealed.length !== length + TAG_BYTES) throw badLock("wrong length");
  const index = getU48(viewOf(payload), 8);
  return { kind: "lockedInline", ino: inoOf(payload), length, index, content };
}

/** A block of a locked file, of a volume with full blocks of so many bytes; a view. */
export function decodeStreamBlock(payload: Uint8Array, blockBytes: number): LockedChange {
  const content = payload.subarray(SEALED_HEAD_BYTES);
  if (content.length === 0) throw badLock("wrong length");
  const codec = payload[12];
  const length = viewOf(payload).getUint32(16, true);
  const fits = codec === CODEC.raw
    ? content.length === length
    : codec === CODEC.zstd && savesCells(content.length, length);
  if (!fits || length > blockBytes) throw badLock("wrong length");
  if (!isHole(payload.subarray(13, 16))) throw badLock("wrong form");
  const tagAt = NONCE_AT + NONCE_BYTES;
  return {
    kind: "lockedBlock",
    ino: inoOf(payload),
    first: getU48(viewOf(payload), 6),
    codec,
    length,
    nonce: payload.slice(NONCE_AT, tagAt),
    tag: payload.slice(tagAt, SEALED_HEAD_BYTES),
    content,
  };
}

function inoOf(payload: Uint8Array): number {
  return getU48(viewOf(payload), 0);
}

function number(value: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(6);
  setU48(viewOf(bytes), 0, value);
  return bytes;
}

function badLock(why: string): VaultError {
  return new VaultError("corrupt", `Cannot read a lock in a stream: ${why}`);
}
