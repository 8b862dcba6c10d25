import type { Page } from "../btree/page.ts";
import { concat, wipe } from "../bytes.ts";
import { fileBlockKey, fileInlineKey } from "../crypto/file_secret.ts";
import { blake3Keyed, openBytes, sealBytes } from "../crypto/sealed_bytes.ts";
import { VaultError } from "../errors.ts";
import {
  indexOf,
  type InlineName,
  lockedInlineKey,
  type LockRecord,
  placeholder,
  type SealedInline,
} from "../format/lock_record.ts";
import { encodeNodeKey, KEY_TYPE, NODE_KEY_BYTES } from "../format/volume_key.ts";
import { NONCE_BYTES } from "../limits.ts";
import type { TreeStore } from "../tree/tree_store.ts";
import { everyTree } from "./every_tree.ts";
import type { ContentLocks } from "./volume_store.ts";

/**
 * The key table: which files are locked or shredded, in all volumes and snapshots, and the secrets that are open. While a
 * record is there, trees hold placeholders instead of the file's inline data.
 */
export class LockTable implements ContentLocks {
  private readonly store: TreeStore;
  private readonly records = new Map<number, LockRecord>();
  /** Of inodes that may be read: the key of their inline data. */
  private readonly opened = new Map<number, Uint8Array>();

  /** Reads the catalog of the newest root. */
  constructor(store: TreeStore) {
    this.store = store;
    store.catalog.locks((ino, record) => void this.records.set(ino, record));
  }

  /** The record of an inode; null where it is not locked. */
  of(ino: number): LockRecord | null {
    return this.records.get(ino) ?? null;
  }

  /** Inodes with something that is not finished. */
  unfinished(): number[] {
    const isUnfinished = ({ erasing, secret }: LockRecord) => erasing || secret !== null;
    return [...this.records].filter(([, record]) => isUnfinished(record)).map(([ino]) => ino);
  }

  mayRead(ino: number): boolean {
    return this.records.size === 0 || !this.records.has(ino) || this.opened.has(ino);
  }

  mayWrite(ino: number): boolean {
    return this.records.size === 0 || !this.records.has(ino);
  }

  /** True where the secret is open in memory. */
  isOpen(ino: number): boolean {
    return this.opened.has(ino);
  }

  /** Changes the record of an inode, as part of the root that is written next; null: it has none any more. */
  put(ino: number, record: LockRecord | null): void {
    const secret = this.records.get(ino)?.secret;
    if (secret !== undefined && secret !== null && secret !== record?.secret) wipe(secret);
    this.store.catalog.putLock(ino, record);
    if (record === null) this.records.delete(ino);
    else this.records.set(ino, record);
  }

  /** Makes the content of an inode readable until `close`; nothing of it goes to the medium. */
  open(ino: number, secret: Uint8Array): void {
    this.use(ino, secret);
    if (!this.opened.has(ino)) this.opened.set(ino, fileInlineKey(secret));
  }

  /** Keeps the key of the blocks in memory, for moving them into or out of their seals. */
  use(ino: number, secret: Uint8Array): void {
    const key = fileBlockKey(secret);
    try {
      this.store.blocks.inner.open(this.known(ino).secretId, key);
    } finally {
      wipe(key);
    }
  }

  /** Forgets the secret of an inode. */
  close(ino: number): void {
    const key = this.opened.get(ino);
    if (key !== undefined) wipe(key);
    this.opened.delete(ino);
    this.store.blocks.inner.close(this.known(ino).secretId);
  }

  /** Forgets every secret. */
  wipe(): void {
    for (const key of this.opened.values()) wipe(key);
    this.opened.clear();
    for (const { secret } of this.records.values()) if (secret !== null) wipe(secret);
    this.store.blocks.inner.wipe();
  }

  private known(ino: number): LockRecord {
    const record = this.records.get(ino);
    if (record !== undefined) return record;
    throw new VaultError("invalid", "Cannot find the secret of a file: it is not locked");
  }

  inline(ino: number, stored: Uint8Array): Uint8Array {
    const key = this.opened.get(ino);
    if (key === undefined) return stored;
    const { secretId } = this.known(ino);
    return this.inlineOf({ secretId, length: stored.length, index: indexOf(stored) }, key);
  }

  private inlineOf(name: InlineName, key: Uint8Array): Uint8Array {
    const found = this.store.catalog.lockedInline(name);
    if (found !== null) {
      const { nonce, sealed } = found;
      const plain = openBytes(
        this.store.context.kernel,
        { key, nonce, aad: this.aad(name) },
        sealed,
      );
      if (plain?.length === name.length) return plain;
    }
    throw new VaultError(
      "corrupt",
      `Cannot read a locked file: its content is damaged; run "check"`,
    );
  }

  private sealed(name: InlineName, key: Uint8Array, content: Uint8Array): SealedInline {
    const { kernel, nonces } = this.store.context;
    const nonce = new Uint8Array(NONCE_BYTES);
    nonces.take(nonce, 0);
    return { nonce, sealed: sealBytes(kernel, { key, nonce, aad: this.aad(name) }, content) };
  }

  private aad(name: InlineName): Uint8Array {
    return concat(this.store.context.vaultId, lockedInlineKey(name));
  }

  /** The nodes, of all trees, that have inline data of an inode. All heads are stored. */
  inlineNodes(ino: number): InlineNode[] {
    const key = encodeNodeKey(new Uint8Array(NODE_KEY_BYTES), KEY_TYPE.inline, ino);
    const nodes = new Map<number, InlineNode>();
    for (const tree of everyTree(this.store)) {
      const leaf = tree.leafOf(key);
      const at = leaf.search(key);
      if (at >= 0) nodes.set(leaf.ref, { leaf, at });
    }
    return [...nodes.values()];
  }

  /** Takes inline data out of nodes and keeps it under the secret, in one root with the record. */
  takeInline(nodes: readonly InlineNode[], secretId: number, secret: Uint8Array): void {
    const key = fileInlineKey(secret);
    const { kernel } = this.store.context;
    const known = new Map<string, Uint8Array>();
    const counts = new Map<number, number>();
    for (const node of nodes) {
      const content = node.leaf.value(node.at).slice();
      const { length } = content;
      const same = `${length} ${blake3Keyed(kernel, key, content).toHex()}`;
      let stands = known.get(same);
      if (stands === undefined) {
        const index = counts.get(length) ?? 0;
        counts.set(length, index + 1);
        const name = { secretId, length, index };
        this.store.catalog.putLockedInline(name, this.sealed(name, key, content));
        stands = placeholder(length, index);
        known.set(same, stands);
      }
      wipe(content);
      this.replace(node, stands);
    }
    wipe(key);
  }

  /** Stores a node again, under its id. */
  private replace({ leaf, at }: InlineNode, value: Uint8Array): void {
    leaf.overwrite(at, value);
    this.store.blocks.replaceNode(leaf.ref, leaf.bytes);
  }

  /** What was in nodes of an inode before; throws `corrupt` where it is damaged. */
  inlineContents(nodes: readonly InlineNode[], secretId: number, secret: Uint8Array): Uint8Array[] {
    const key = fileInlineKey(secret);
    try {
      return nodes.map(({ leaf, at }) => {
        const stored = leaf.value(at);
        const name = { secretId, length: stored.length, index: indexOf(stored) };
        return this.inlineOf(name, key);
      });
    } finally {
      wipe(key);
    }
  }

  /** Puts inline data back into nodes. */
  giveInlineBack(
    nodes: readonly InlineNode[],
    contents: readonly Uint8Array[],
    secretId: number,
  ): void {
    nodes.forEach((node, i) => this.replace(node, contents[i]));
    this.forgetInline(secretId);
  }

  /** Lets all inline data under a secret go. */
  forgetInline(secretId: number): void {
    const { catalog } = this.store;
    for (const name of catalog.lockedInlines(secretId)) catalog.putLockedInline(name, null);
  }
}

/** A node of some tree, and where in it the inline data of a file is. */
export interface InlineNode {
  readonly leaf: Page;
  readonly at: number;
}
