import { hkdfSync } from "node:crypto";
import { KEY_BYTES } from "../limits.ts";

const NO_SALT = new Uint8Array(0);
const INFO_PREFIX = "sigmavault 1 ";

/** HKDF-SHA-256 (RFC 5869) to `length` bytes under the info string "sigmavault 1 `label`". */
export function expandKey(
  key: Uint8Array,
  label: string,
  salt: Uint8Array = NO_SALT,
  length: number = KEY_BYTES,
): Uint8Array<ArrayBuffer> {
  return new Uint8Array(hkdfSync("sha256", key, salt, INFO_PREFIX + label, length));
}

/** Subkeys of the master key of one epoch. They change with the epoch. */
export type MasterLabel =
  | "block"
  | "node"
  | "log"
  | "root"
  | "superblock"
  | "directory"
  | "older-epochs"
  | "stream";

/**
 * Subkeys of the layout key. They never change, so that what they place or name stays findable:
 * "name-hash" is here and not below the master key because a rotation would move every directory entry.
 */
export type LayoutLabel =
  | "layout"
  | "ring"
  | "segment-order"
  | "slot-shuffle"
  | "name-hash"
  | "root-memory"
  | "object-seal"
  | "object-name";

/** The 32-byte subkey of a master or layout key. The caller wipes it. */
export function subkey(key: Uint8Array, label: MasterLabel | LayoutLabel): Uint8Array<ArrayBuffer> {
  return expandKey(key, label);
}
