import { viewOf } from "../bytes.ts";
import { fail } from "./errno.ts";

/** One entry of a POSIX ACL. `id` is a user or group for the named kinds only. */
export interface AclEntry {
  readonly tag: number;
  permissions: number;
  readonly id: number;
}

/** Tags of Linux's ACL entries, in the order that a valid ACL has them. */
const USER_OBJ = 1;
const USER = 2;
const GROUP_OBJ = 4;
const GROUP = 8;
const MASK = 16;
const OTHER = 32;

const HEADER_BYTES = 4;
const ENTRY_BYTES = 8;
const ACL_XATTR_VERSION = 2;
const NO_ID = 0xffffffff;

/** Reads the value of a system.posix_acl attribute. No entries: no ACL. Throws EINVAL for an invalid one. */
export function parseAcl(value: Uint8Array): AclEntry[] {
  if (value.length === 0) return [];
  if (value.length < HEADER_BYTES || (value.length - HEADER_BYTES) % ENTRY_BYTES !== 0) {
    fail("EINVAL");
  }
  const view = viewOf(value);
  if (view.getUint32(0, true) !== ACL_XATTR_VERSION) fail("EOPNOTSUPP");
  const entries: AclEntry[] = [];
  for (let at = HEADER_BYTES; at < value.length; at += ENTRY_BYTES) {
    const tag = view.getUint16(at, true);
    const isNamed = tag === USER || tag === GROUP;
    const id = isNamed ? view.getUint32(at + 4, true) : NO_ID;
    entries.push({ tag, permissions: view.getUint16(at + 2, true), id });
  }
  if (entries.length > 0 && !isValid(entries)) fail("EINVAL");
  return entries;
}

/** The value of a system.posix_acl attribute. */
export function encodeAcl(entries: readonly AclEntry[]): Uint8Array {
  const value = new Uint8Array(HEADER_BYTES + entries.length * ENTRY_BYTES);
  const view = viewOf(value);
  view.setUint32(0, ACL_XATTR_VERSION, true);
  entries.forEach((entry, i) => {
    const at = HEADER_BYTES + i * ENTRY_BYTES;
    view.setUint16(at, entry.tag, true);
    view.setUint16(at + 2, entry.permissions, true);
    view.setUint32(at + 4, entry.id, true);
  });
  return value;
}

/** The permission bits that an ACL shows as, and whether they say all that it says. */
export function aclMode(entries: readonly AclEntry[]): { bits: number; isAll: boolean } {
  const of = (tag: number) => entries.find((entry) => entry.tag === tag)?.permissions;
  const group = of(MASK) ?? of(GROUP_OBJ) ?? 0;
  const bits = (of(USER_OBJ) ?? 0) << 6 | group << 3 | (of(OTHER) ?? 0);
  return { bits, isAll: entries.length === 3 };
}

/** What chmod makes of an ACL: the group bits go to the mask where there is one. */
export function chmodAcl(entries: readonly AclEntry[], mode: number): AclEntry[] {
  const hasMask = entries.some((entry) => entry.tag === MASK);
  return entries.map((entry) => {
    const permissions = classBits(entry.tag, hasMask, mode) ?? entry.permissions;
    return { ...entry, permissions };
  });
}

/**
 * What a new node gets from its directory's default ACL: each class keeps what both the ACL and the mode
 * asked for allow. Returns the node's ACL and its permission bits.
 */
export function inheritAcl(
  entries: readonly AclEntry[],
  mode: number,
): { entries: AclEntry[]; bits: number } {
  const hasMask = entries.some((entry) => entry.tag === MASK);
  const made = entries.map((entry) => {
    const allowed = classBits(entry.tag, hasMask, mode) ?? 7;
    return { ...entry, permissions: entry.permissions & allowed };
  });
  return { entries: made, bits: aclMode(made).bits };
}

/** The mode's bits for the entry that stands for a class, or undefined for other entries. */
function classBits(tag: number, hasMask: boolean, mode: number): number | undefined {
  if (tag === USER_OBJ) return mode >> 6 & 7;
  if (tag === OTHER) return mode & 7;
  const groupTag = hasMask ? MASK : GROUP_OBJ;
  return tag === groupTag ? mode >> 3 & 7 : undefined;
}

/** The rules of `posix_acl_valid`: order, one of each class, a mask where there are named entries. */
function isValid(entries: readonly AclEntry[]): boolean {
  const count = (tag: number) => entries.filter((entry) => entry.tag === tag).length;
  if (count(USER_OBJ) !== 1 || count(GROUP_OBJ) !== 1 || count(OTHER) !== 1) return false;
  if (count(MASK) > 1 || (count(USER) + count(GROUP) > 0 && count(MASK) === 0)) return false;
  let previous = 0;
  for (const { tag, permissions } of entries) {
    const isKnown = [USER_OBJ, USER, GROUP_OBJ, GROUP, MASK, OTHER].includes(tag);
    if (!isKnown || permissions > 7 || tag < previous) return false;
    previous = tag;
  }
  return true;
}
