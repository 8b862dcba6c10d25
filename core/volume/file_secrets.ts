import { isHole, wipe } from "../bytes.ts";
import { fileBlockKey, randomBytes } from "../crypto/file_secret.ts";
import { openBytes, sealBytes } from "../crypto/sealed_bytes.ts";
import type { LineFile } from "../format/lock_record.ts";
import { secretAad } from "../format/secret_record.ts";
import { KEY_TYPE, nodeKey } from "../format/volume_key.ts";
import { KEY_BYTES, NONCE_BYTES } from "../limits.ts";
import type { TreeStore } from "../tree/tree_store.ts";
import type { Engine } from "./engine.ts";
import { countTrees, hasRecord } from "./every_tree.ts";

/** Looks for files that are gone, in all trees, that one shredding makes at most. */
const LOOKS_MAX = 50_000;

/**
 * The secrets of files in shreddable directories, which the vault itself has: under a key that lies in superblocks only. So
 * a secret is gone when it was left out under a fresh key, and every superblock with the one before is overwritten: wherever
 * copies of the catalog's nodes may still lie.
 */
export class FileSecrets {
  private readonly store: TreeStore;
  /** Of files that are in no tree yet, because transactions have them in memory. */
  readonly held: Set<number> = new Set();

  /** Blocks under these secrets open from now on. */
  constructor(store: TreeStore) {
    this.store = store;
    store.blocks.inner.find = (secretId) => this.blockKey(secretId);
  }

  /** Makes a secret for a file that was just made; it is in a root before anything under it counts. */
  make({ durability }: Pick<Engine, "durability">, file: LineFile): number {
    const { store } = this;
    const { keyTable } = store.catalog;
    const secretId = store.blocks.allocateIds(1);
    const secret = randomBytes(store.context, KEY_BYTES);
    durability.changeCatalog(() => {
      if (isHole(keyTable.secretsKey)) {
        keyTable.secretsKey = randomBytes(store.context, KEY_BYTES);
      }
      this.put(secretId, file, secret);
    });
    wipe(secret);
    return secretId;
  }

  private put(secretId: number, file: LineFile, secret: Uint8Array): void {
    const { kernel, nonces } = this.store.context;
    const { keyTable } = this.store.catalog;
    const nonce = new Uint8Array(NONCE_BYTES);
    nonces.take(nonce, 0);
    const aad = secretAad(secretId, file);
    const sealed = sealBytes(kernel, { key: keyTable.secretsKey, nonce, aad }, secret);
    keyTable.putSecret(secretId, { file, nonce, sealed });
  }

  private secret(secretId: number): { file: LineFile; secret: Uint8Array } | null {
    const { keyTable } = this.store.catalog;
    const record = keyTable.secret(secretId);
    if (record === null) return null;
    const { file, nonce, sealed } = record;
    const { kernel } = this.store.context;
    const aad = secretAad(secretId, file);
    const secret = openBytes(kernel, { key: keyTable.secretsKey, nonce, aad }, sealed);
    return secret?.length === KEY_BYTES ? { file, secret } : null;
  }

  /** The key of blocks under a secret, which the caller wipes; null where the vault does not have it. */
  private blockKey(secretId: number): Uint8Array | null {
    const found = this.secret(secretId);
    if (found === null) return null;
    const key = fileBlockKey(found.secret);
    wipe(found.secret);
    return key;
  }

  /**
   * Forgets secrets, as part of the root that is written next: all others go under a fresh key, but those of files that are
   * gone. Returns the key of before, to be wiped when that root is durable.
   */
  forget(secretIds: ReadonlySet<number>): Uint8Array {
    const { keyTable } = this.store.catalog;
    const kept: { secretId: number; file: LineFile; secret: Uint8Array }[] = [];
    const all = keyTable.secretIds();
    const looks = all.length * countTrees(this.store) <= LOOKS_MAX;
    for (const secretId of all) {
      const found = secretIds.has(secretId) ? null : this.secret(secretId);
      keyTable.putSecret(secretId, null);
      const looksGone = looks && !this.held.has(secretId);
      if (found !== null && !(looksGone && this.isGone(found.file))) {
        kept.push({ secretId, ...found });
      } else this.store.blocks.inner.close(secretId);
    }
    const before = keyTable.secretsKey;
    keyTable.secretsKey = randomBytes(this.store.context, KEY_BYTES);
    for (const { secretId, file, secret } of kept) {
      this.put(secretId, file, secret);
      wipe(secret);
    }
    return before;
  }

  private isGone({ line, ino }: LineFile): boolean {
    const key = nodeKey(KEY_TYPE.inode, ino);
    return !hasRecord(this.store, line, key);
  }

  /** Forgets the key of all in memory. */
  wipe(): void {
    wipe(this.store.catalog.keyTable.secretsKey);
  }
}
