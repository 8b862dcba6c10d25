import { compare } from "../bytes.ts";
import { XATTR_NAME_BYTES_MAX, XATTR_VALUE_BYTES_MAX } from "../format/xattr.ts";
import { INODE_FLAG } from "../format/inode.ts";
import { fail } from "./errno.ts";
import { isReservedName } from "./lock_attributes.ts";
import { isDirectory, isRegular, isSymlink } from "./mode.ts";
import type { Node } from "./node.ts";
import { ACCESS_ACL, DEFAULT_ACL, flagOf, type Privileges } from "./privileges.ts";
import type { XattrStore } from "./xattr_store.ts";

/** Flags of setxattr. */
export const XATTR_CREATE = 1;
export const XATTR_REPLACE = 2;

const NAMESPACES = ["user.", "trusted.", "security."].map((text) => new TextEncoder().encode(text));

/** Extended attributes as Linux means them. Callers set ctime and save the node. */
export class XattrRules {
  readonly #xattrs: XattrStore;
  readonly #privileges: Privileges;

  constructor(xattrs: XattrStore, privileges: Privileges) {
    this.#xattrs = xattrs;
    this.#privileges = privileges;
  }

  /** The value; ENODATA where there is none. */
  get(node: Node, name: Uint8Array): Uint8Array {
    checkXattrName(name);
    return this.#xattrs.get(node, name) ?? fail("ENODATA");
  }

  /** Sets a value: XATTR_CREATE wants none to be there, XATTR_REPLACE one. */
  set(node: Node, name: Uint8Array, value: Uint8Array, flags: number): void {
    checkXattrName(name);
    if (value.length > XATTR_VALUE_BYTES_MAX) fail("ENOSPC");
    if ((flags & ~(XATTR_CREATE | XATTR_REPLACE)) !== 0) fail("EINVAL");
    checkType(node, name);
    if (isReservedName(name)) fail("EOPNOTSUPP"); // it may be a passphrase
    if (flags !== 0) {
      const isThere = this.#xattrs.has(node, name);
      if (isThere && (flags & XATTR_CREATE) !== 0) fail("EEXIST");
      if (!isThere && (flags & XATTR_REPLACE) !== 0) fail("ENODATA");
    }
    const flag = flagOf(name);
    if (flag === INODE_FLAG.accessAcl) return this.#privileges.setAccessAcl(node, value);
    if (flag === INODE_FLAG.defaultAcl) return this.#privileges.setDefaultAcl(node, value);
    this.#xattrs.set(node, name, value);
    node.inode.flags |= flag;
  }

  /** All names. */
  list(node: Node): Uint8Array[] {
    return this.#xattrs.list(node);
  }

  /** Removes one; ENODATA where there is none, but for ACLs, whose absence is fine. */
  remove(node: Node, name: Uint8Array): void {
    checkXattrName(name);
    if (flagOf(name) !== 0 && this.#xattrs.has(node, name)) {
      return this.#privileges.removeFlagged(node, name);
    }
    const isAcl = compare(name, ACCESS_ACL) === 0 || compare(name, DEFAULT_ACL) === 0;
    if (!this.#xattrs.remove(node, name) && !isAcl) fail("ENODATA");
  }
}

function checkXattrName(name: Uint8Array): void {
  if (name.length > XATTR_NAME_BYTES_MAX) fail("ERANGE");
  if (compare(name, ACCESS_ACL) === 0 || compare(name, DEFAULT_ACL) === 0) return;
  const space = NAMESPACES.find((prefix) => compare(name.subarray(0, prefix.length), prefix) === 0);
  if (space === undefined) return fail("EOPNOTSUPP");
  if (name.length === space.length || name.includes(0)) fail("EINVAL");
}

function checkType(node: Node, name: Uint8Array): void {
  const { mode } = node.inode;
  const flag = flagOf(name);
  if (flag === INODE_FLAG.accessAcl && isSymlink(mode)) fail("EOPNOTSUPP");
  if (flag === INODE_FLAG.defaultAcl && !isDirectory(mode)) fail("EACCES");
  const isUser = name[0] === 0x75;
  if (isUser && !isRegular(mode) && !isDirectory(mode)) fail("EPERM");
}
