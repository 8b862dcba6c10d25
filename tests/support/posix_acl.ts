/**
 * POSIX access control lists in the kernel's xattr format: version u32 = 2, then entries of tag u16, permissions u16,
 * id u32.
 */

export const ACCESS_ACL = "system.posix_acl_access";
export const DEFAULT_ACL = "system.posix_acl_default";

const VERSION = 2;
const HEADER_BYTES = 4;
const ENTRY_BYTES = 8;
const TAG = { userObject: 1, user: 2, groupObject: 4, group: 8, mask: 16, other: 32 } as const;

interface AclEntry {
  tag: number;
  permissions: number;
  id: number;
}

/** Null where the bytes are no list. */
function parse(value: Uint8Array): AclEntry[] | null {
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  if (value.length < HEADER_BYTES || view.getUint32(0, true) !== VERSION) return null;
  if ((value.length - HEADER_BYTES) % ENTRY_BYTES !== 0) return null;
  const entries: AclEntry[] = [];
  for (let at = HEADER_BYTES; at < value.length; at += ENTRY_BYTES) {
    entries.push({
      tag: view.getUint16(at, true),
      permissions: view.getUint16(at + 2, true),
      id: view.getUint32(at + 4, true),
    });
  }
  return entries;
}

function encode(entries: readonly AclEntry[]): Uint8Array {
  const value = new Uint8Array(HEADER_BYTES + entries.length * ENTRY_BYTES);
  const view = new DataView(value.buffer);
  view.setUint32(0, VERSION, true);
  entries.forEach((entry, index) => {
    const at = HEADER_BYTES + index * ENTRY_BYTES;
    view.setUint16(at, entry.tag, true);
    view.setUint16(at + 2, entry.permissions, true);
    view.setUint32(at + 4, entry.id, true);
  });
  return value;
}

/** What an access ACL means for the mode: `bits` of rwx for all three, and whether the mode says everything. */
export function modeOfAcl(value: Uint8Array): { bits: number; modeOnly: boolean } | null {
  const entries = parse(value);
  if (entries === null) return null;
  const of = (tag: number) => entries.find((entry) => entry.tag === tag);
  const user = of(TAG.userObject);
  const group = of(TAG.mask) ?? of(TAG.groupObject);
  const other = of(TAG.other);
  if (user === undefined || group === undefined || other === undefined) return null;
  return {
    bits: user.permissions << 6 | group.permissions << 3 | other.permissions,
    modeOnly: entries.every(({ tag }) =>
      tag === TAG.userObject || tag === TAG.groupObject || tag === TAG.other
    ),
  };
}

/** The access ACL after `chmod`. */
export function aclAfterChmod(value: Uint8Array, mode: number): Uint8Array {
  const entries = parse(value) ?? [];
  const hasMask = entries.some(({ tag }) => tag === TAG.mask);
  for (const entry of entries) {
    if (entry.tag === TAG.userObject) entry.permissions = mode >> 6 & 7;
    else if (entry.tag === (hasMask ? TAG.mask : TAG.groupObject)) {
      entry.permissions = mode >> 3 & 7;
    } else if (entry.tag === TAG.other) entry.permissions = mode & 7;
  }
  return encode(entries);
}

/** The access ACL and mode bits of a node made with `mode` in a directory with this default ACL. */
export function aclOfNewNode(
  defaults: Uint8Array,
  mode: number,
): { acl: Uint8Array | null; bits: number } {
  const entries = parse(defaults) ?? [];
  const hasMask = entries.some(({ tag }) => tag === TAG.mask);
  for (const entry of entries) {
    if (entry.tag === TAG.userObject) entry.permissions &= mode >> 6 & 7;
    else if (entry.tag === (hasMask ? TAG.mask : TAG.groupObject)) {
      entry.permissions &= mode >> 3 & 7;
    } else if (entry.tag === TAG.other) entry.permissions &= mode & 7;
  }
  const acl = encode(entries);
  const meaning = modeOfAcl(acl);
  if (meaning === null) return { acl: null, bits: mode & 0o777 };
  return { acl: meaning.modeOnly ? null : acl, bits: meaning.bits };
}
