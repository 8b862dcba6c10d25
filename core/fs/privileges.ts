import { INODE_FLAG } from "../format/inode.ts";
import { isDirectory, S_IFDIR, S_IFMT, S_ISGID, withoutSetId } from "./mode.ts";
import { aclMode, chmodAcl, encodeAcl, inheritAcl, parseAcl } from "./acl.ts";
import type { Caller } from "./file_system.ts";
import type { Node } from "./node.ts";
import type { XattrStore } from "./xattr_store.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);

/** Names of attributes that the filesystem itself understands. */
export const ACCESS_ACL = bytesOf("system.posix_acl_access");
export const DEFAULT_ACL = bytesOf("system.posix_acl_default");
export const CAPABILITY = bytesOf("security.capability");

/** Who may do what with a node: mode, owner, ACLs, capabilities. Callers save the node. */
export class Privileges {
  readonly #xattrs: XattrStore;

  constructor(xattrs: XattrStore) {
    this.#xattrs = xattrs;
  }

  /** Owner, mode and ACLs of a node made in `parent`; `node.inode.mode` is what was asked for. */
  inherit(caller: Caller, parent: Node, node: Node): void {
    const { inode } = node;
    inode.uid = caller.uid;
    inode.gid = caller.gid;
    if ((parent.inode.mode & S_ISGID) !== 0) {
      inode.gid = parent.inode.gid;
      if (isDirectory(inode.mode)) inode.mode |= S_ISGID;
    }
    const inherited = (parent.inode.flags & INODE_FLAG.defaultAcl) !== 0
      ? this.#xattrs.get(parent, DEFAULT_ACL)
      : null;
    if (inherited === null) {
      inode.mode &= ~(caller.umask & 0o777);
      return;
    }
    const acl = inheritAcl(parseAcl(inherited), inode.mode);
    inode.mode = inode.mode & ~0o777 | acl.bits;
    if (!aclMode(acl.entries).isAll) {
      this.#setFlagged(node, ACCESS_ACL, encodeAcl(acl.entries));
    }
    if (isDirectory(inode.mode)) this.#setFlagged(node, DEFAULT_ACL, inherited);
  }

  /** chmod: the access ACL follows the mode. */
  setMode(node: Node, mode: number): void {
    const { inode } = node;
    inode.mode = inode.mode & S_IFMT | mode & 0o7777;
    if ((inode.flags & INODE_FLAG.accessAcl) === 0) return;
    const acl = this.#xattrs.get(node, ACCESS_ACL);
    if (acl === null) return;
    this.#xattrs.set(node, ACCESS_ACL, encodeAcl(chmodAcl(parseAcl(acl), mode)));
  }

  /** Sets the access ACL; one that says no more than a mode becomes the mode. */
  setAccessAcl(node: Node, value: Uint8Array): void {
    const entries = parseAcl(value);
    if (entries.length === 0) return this.removeFlagged(node, ACCESS_ACL);
    const { bits, isAll } = aclMode(entries);
    node.inode.mode = node.inode.mode & ~0o777 | bits;
    if (isAll) this.removeFlagged(node, ACCESS_ACL);
    else this.#setFlagged(node, ACCESS_ACL, encodeAcl(entries));
  }

  /** Sets the ACL that new nodes in a directory inherit. */
  setDefaultAcl(node: Node, value: Uint8Array): void {
    const entries = parseAcl(value);
    if (entries.length === 0) return this.removeFlagged(node, DEFAULT_ACL);
    this.#setFlagged(node, DEFAULT_ACL, encodeAcl(entries));
  }

  /** Removes an attribute that has a flag, if it is there. */
  removeFlagged(node: Node, name: Uint8Array): void {
    const flag = flagOf(name);
    if ((node.inode.flags & flag) === 0) return;
    this.#xattrs.remove(node, name);
    node.inode.flags &= ~flag;
  }

  /**
   * What a write, a truncate or a change of owner takes away: file capabilities always, setuid and setgid
   * where `setId` says so. True where something changed.
   */
  drop(node: Node, setId: boolean): boolean {
    const { inode } = node;
    const mode = setId && (inode.mode & S_IFMT) !== S_IFDIR ? withoutSetId(inode.mode) : inode.mode;
    const hasCapability = (inode.flags & INODE_FLAG.capability) !== 0;
    if (mode === inode.mode && !hasCapability) return false;
    inode.mode = mode;
    this.removeFlagged(node, CAPABILITY);
    return true;
  }

  #setFlagged(node: Node, name: Uint8Array, value: Uint8Array): void {
    this.#xattrs.set(node, name, value);
    node.inode.flags |= flagOf(name);
  }
}

/** The inode flag that says that this attribute is there, or 0. */
export function flagOf(name: Uint8Array): number {
  if (isSame(name, ACCESS_ACL)) return INODE_FLAG.accessAcl;
  if (isSame(name, DEFAULT_ACL)) return INODE_FLAG.defaultAcl;
  return isSame(name, CAPABILITY) ? INODE_FLAG.capability : 0;
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
