import type { Tree } from "../btree/tree.ts";
import { compare } from "../bytes.ts";
import {
  decodeSecret,
  encodeSecret,
  readSecretKey,
  secretKey,
  type SecretRecord,
} from "../format/secret_record.ts";
import { KEY_BYTES } from "../limits.ts";
import { CATALOG_KEY } from "../format/catalog_record.ts";
import {
  decodeLock,
  decodeLockedInline,
  encodeLock,
  encodeLockedInline,
  type InlineName,
  type LineFile,
  lockedInlineKey,
  lockKey,
  type LockRecord,
  readLockedInlineKey,
  readLockKey,
  type SealedInline,
} from "../format/lock_record.ts";

/** Bytes of a sealed content's key that say which secret it is under. */
const SECRET_BYTES = 9;

/** The locks of files, as the catalog has them (FORMAT.md §12). */
export class KeyTable {
  /** Opens the secrets of files: every superblock of this state has it, and nothing else. Replaced, never changed. */
  secretsKey: Uint8Array = new Uint8Array(KEY_BYTES);
  private readonly tree: Tree;

  /** In a catalog's tree. */
  constructor(tree: Tree) {
    this.tree = tree;
  }

  /** Puts down the lock of a file, or that it has none. */
  putLock(file: LineFile, record: LockRecord | null): void {
    if (record === null) this.tree.delete(lockKey(file));
    else this.tree.put(lockKey(file), encodeLock(record));
  }

  /** Visits all locks. */
  locks(visit: (file: LineFile, record: LockRecord) => void): void {
    this.tree.scan(new Uint8Array([CATALOG_KEY.lock]), (key, value) => {
      if (key[0] !== CATALOG_KEY.lock) return false;
      visit(readLockKey(key), decodeLock(value));
      return true;
    });
  }

  /** Keeps a content of a locked file that was in trees, or lets it go. */
  putInline(name: InlineName, content: SealedInline | null): void {
    if (content === null) this.tree.delete(lockedInlineKey(name));
    else this.tree.put(lockedInlineKey(name), encodeLockedInline(content));
  }

  /** Such a content; null where there is none. */
  inline(name: InlineName): SealedInline | null {
    const bytes = this.tree.get(lockedInlineKey(name));
    return bytes === null ? null : decodeLockedInline(bytes);
  }

  /** Puts down the secret of a file, or lets it go. */
  putSecret(secretId: number, record: SecretRecord | null): void {
    if (record === null) this.tree.delete(secretKey(secretId));
    else this.tree.put(secretKey(secretId), encodeSecret(record));
  }

  /** Such a secret, sealed; null where there is none. */
  secret(secretId: number): SecretRecord | null {
    const bytes = this.tree.get(secretKey(secretId));
    return bytes === null ? null : decodeSecret(bytes);
  }

  /** The ids of all secrets of files. */
  secretIds(): number[] {
    const ids: number[] = [];
    this.tree.scan(new Uint8Array([CATALOG_KEY.secret]), (key) => {
      if (key[0] !== CATALOG_KEY.secret) return false;
      return ids.push(readSecretKey(key)) > 0;
    });
    return ids;
  }

  /** The names of all contents under a secret. */
  inlineNames(secretId: number): InlineName[] {
    const names: InlineName[] = [];
    const from = lockedInlineKey({ secretId, length: 0, index: 0 });
    const own = from.subarray(0, SECRET_BYTES);
    this.tree.scan(from, (key) => {
      if (compare(key.subarray(0, SECRET_BYTES), own) !== 0) return false;
      names.push(readLockedInlineKey(key));
      return true;
    });
    return names;
  }
}
