import { ERRNO } from "../../ffi/libc/errno.ts";
import type { MemoryNode } from "./memory_node.ts";
import { ACCESS_ACL, DEFAULT_ACL, modeOfAcl } from "./posix_acl.ts";
import { fail } from "./posix_failure.ts";

const XATTR_CREATE = 1;
const XATTR_REPLACE = 2;
const VALUE_BYTES_MAX = 65536;
const ACL_EMPTY_BYTES = 4;

/** Extended attributes, and the two whose values mean something: the ACLs. */
export class MemoryXattrs {
  get(node: MemoryNode, key: string): Uint8Array {
    return node.xattrs.get(key)?.value.slice() ?? fail(ERRNO.ENODATA);
  }

  /** Stores without any check. */
  put(node: MemoryNode, key: string, value: Uint8Array): void {
    const name = Uint8Array.from(key, (unit) => unit.charCodeAt(0));
    node.xattrs.set(key, { name, value });
  }

  set(node: MemoryNode, key: string, change: { value: Uint8Array; flags: number }): void {
    const { value, flags } = change;
    if (value.length > VALUE_BYTES_MAX) fail(ERRNO.E2BIG);
    const exists = node.xattrs.has(key);
    if (exists && flags & XATTR_CREATE) fail(ERRNO.EEXIST);
    if (!exists && flags & XATTR_REPLACE) fail(ERRNO.ENODATA);
    if (key === ACCESS_ACL) return this.#setAccessAcl(node, value);
    if (key === DEFAULT_ACL) return this.#setDefaultAcl(node, value);
    this.put(node, key, value.slice());
  }

  /** An access ACL is the mode's group bits too; one that says no more than a mode is not kept. */
  #setAccessAcl(node: MemoryNode, value: Uint8Array): void {
    const meaning = modeOfAcl(value) ?? fail(ERRNO.EINVAL);
    node.mode = (node.mode & ~0o777) | meaning.bits;
    if (meaning.modeOnly) node.xattrs.delete(ACCESS_ACL);
    else this.put(node, ACCESS_ACL, value.slice());
  }

  #setDefaultAcl(node: MemoryNode, value: Uint8Array): void {
    if (!node.isDirectory) fail(ERRNO.EACCES);
    if (value.length === ACL_EMPTY_BYTES) node.xattrs.delete(DEFAULT_ACL);
    else if (modeOfAcl(value) === null) fail(ERRNO.EINVAL);
    else this.put(node, DEFAULT_ACL, value.slice());
  }
}
