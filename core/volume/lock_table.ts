import type { Page } from "../btree/page.ts";
import { wipe } from "../bytes.ts";
import { fileBlockKey, fileInlineKey } from "../crypto/file_secret.ts";
import { blake3Keyed, openBytes, sealBytes } from "../crypto/sealed_bytes.ts";
import { VaultError } from "../errors.ts";
import {
  indexOf,
  type InlineName,
  type LineFile,
  lockedInlineAad,
  type LockRecord,
  type LockState,
  placeholder,
  type SealedInline,
} from "../format/lock_record.ts";
import { KEY_TYPE, nodeKey } from "../format/volume_key.ts";
import { NONCE_BYTES } from "../limits.ts";
import { firstOfLine } from "../tree/lineage.ts";
import type { TreeStore } from "../tree/tree_store.ts";
import { FileSecrets } from "./file_secrets.ts";
import { everyTree } from "./every_tree.ts";
import type { ContentLocks } from "./volume_store.ts";

/** The locks of one line of snapshots and clones. */
export class LineLocks implements ContentLocks {
  readonly line: number;
  readonly records: Map<number, LockRecord> = new Map();
  /** Of inodes that may be read: the key of their inline data. */
  readonly opened: Map<number, Uint8Array> = new Map();
  /** Counts what was done to the records. */
  changes = 0;
  private readonly table: LockTable;

  constructor(table: LockTable, line: number) {
    this.table = table;
    this.line = line;
  }

  mayRead(ino: number): boolean {
    return this.records.size === 0 || !this.records.has(ino) || this.opened.has(ino);
  }

  mayWrite(ino: number): boolean {
    return this.records.size === 0 || !this.records.has(ino);
  }

  inline(ino: number, stored: Uint8Array): Uint8Array {
    const key = this.opened.get(ino);
    const record = this.records.get(ino);
    return key === undefined || record === undefined
      ? stored
      : this.table.inlineFor(record, key, stored);
  }
}

/**
 * The key table: which files are locked or shredded, in all volumes and snapshots, and the secrets that are open. While a
 * record is there, trees hold placeholders instead of the file's inline data.
 */
export class LockTable {
  private readonly store: TreeStore;
  /** Secrets that the vault itself has. */
  readonly secrets: FileSecrets;
  private readonly lines = new Map<number, LineLocks>();

  /** Reads the catalog of the newest root. */
  constructor(store: TreeStore) {
    this.store = store;
    this.secrets = new FileSecrets(store);
    store.catalog.keyTable.locks(({ line, ino }, record) => {
      this.line(line).records.set(ino, record);
    });
  }

  /** The locks of a line. */
  line(line: number): LineLocks {
    const known = this.lines.get(line) ?? new LineLocks(this, line);
    this.lines.set(line, known);
    return known;
  }

  /** The locks of the line that a branch is of. */
  lineOfBranch(branch: number): LineLocks {
    return this.line(firstOfLine(this.store.catalog, branch));
  }

  /** The record of a file; null where it is not locked. */
  of({ line, ino }: LineFile): LockRecord | null {
    return this.line(line).records.get(ino) ?? null;
  }

  /** How many files are in each state. */
  count(): { readonly locked: number; readonly shredded: number; readonly unfinished: number } {
    const all = [...this.lines.values()].flatMap(({ records }) => [...records.values()]);
    const of = (state: LockState) => all.filter((record) => record.state === state).length;
    return {
      locked: of("locked"),
      shredded: of("shredded"),
      unfinished: this.unfinished().length,
    };
  }

  /** Files with something that is not finished. */
  unfinished(): LineFile[] {
    const isUnfinished = ({ erasing, secret }: LockRecord) => erasing || secret !== null;
    return [...this.lines.values()].flatMap(({ line, records }) =>
      [...records].filter(([, record]) => isUnfinished(record)).map(([ino]) => ({ line, ino }))
    );
  }

  /** True where the secret is open in memory. */
  isOpen({ line, ino }: LineFile): boolean {
    return this.line(line).opened.has(ino);
  }

  /** Changes the record of a file, as part of the root that is written next; null: it has none any more. */
  put(file: LineFile, record: LockRecord | null): void {
    const line = this.line(file.line);
    const { records } = line;
    line.changes++;
    const secret = records.get(file.ino)?.secret;
    if (secret !== undefined && secret !== null && secret !== record?.secret) wipe(secret);
    this.store.catalog.keyTable.putLock(file, record);
    if (record === null) records.delete(file.ino);
    else records.set(file.ino, record);
  }

  /** True where a lock for a file is on its way, on a branch that is being received. */
  isArriving({ line, ino }: LineFile): boolean {
    const { catalog } = this.store;
    return catalog.receives().some(({ branch }) =>
      branch !== line && firstOfLine(catalog, branch) === line && this.line(branch).records.has(ino)
    );
  }

  /** What has arrived is part of another line from now on, which has none of these locks; in the root that is written next. */
  moveLine(from: number, to: number): void {
    for (const [ino, record] of [...this.line(from).records]) {
      this.put({ line: from, ino }, null);
      this.put({ line: to, ino }, record);
    }
  }

  /** A line is given up before anybody saw it: its locks go, as part of the root that is written next. */
  forgetLine(line: number): void {
    for (const [ino, { secretId }] of [...this.line(line).records]) {
      this.forgetInline(secretId);
      this.put({ line, ino }, null);
    }
  }

  /** Makes the content of a file readable until `close`; nothing of it goes to the medium. */
  open(file: LineFile, secret: Uint8Array): void {
    this.use(file, secret);
    const { opened } = this.line(file.line);
    if (!opened.has(file.ino)) opened.set(file.ino, fileInlineKey(secret));
  }

  /** Keeps the key of the blocks in memory, for moving them into or out of their seals. */
  use(file: LineFile, secret: Uint8Array): void {
    const key = fileBlockKey(secret);
    try {
      this.store.blocks.inner.open(this.known(file).secretId, key);
    } finally {
      wipe(key);
    }
  }

  /** Forgets the secret of a file. */
  close(file: LineFile): void {
    const { opened } = this.line(file.line);
    const key = opened.get(file.ino);
    if (key !== undefined) wipe(key);
    opened.delete(file.ino);
    this.store.blocks.inner.close(this.known(file).secretId);
  }

  /** Forgets every secret. */
  wipe(): void {
    for (const { opened, records } of this.lines.values()) {
      for (const key of opened.values()) wipe(key);
      opened.clear();
      for (const { secret } of records.values()) if (secret !== null) wipe(secret);
    }
    this.store.blocks.inner.wipe();
    this.secrets.wipe();
  }

  private known(file: LineFile): LockRecord {
    const record = this.of(file);
    if (record !== null) return record;
    throw new VaultError("invalid", "Cannot find the secret of a file: it is not locked");
  }

  /** The content that a placeholder stands for. */
  inlineFor({ secretId }: LockRecord, key: Uint8Array, stored: Uint8Array): Uint8Array {
    return this.inlineOf({ secretId, length: stored.length, index: indexOf(stored) }, key);
  }

  private inlineOf(name: InlineName, key: Uint8Array): Uint8Array {
    const found = this.store.catalog.keyTable.inline(name);
    if (found !== null) {
      const { nonce, sealed } = found;
      const plain = openBytes(
        this.store.context.kernel,
        { key, nonce, aad: lockedInlineAad(name) },
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
    return {
      nonce,
      sealed: sealBytes(kernel, { key, nonce, aad: lockedInlineAad(name) }, content),
    };
  }

  /** The nodes, of all trees, that have inline data of a file. All heads are stored. */
  inlineNodes({ line, ino }: LineFile): InlineNode[] {
    const key = nodeKey(KEY_TYPE.inline, ino);
    const nodes = new Map<number, InlineNode>();
    for (const tree of everyTree(this.store, line)) {
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
        this.store.catalog.keyTable.putInline(name, this.sealed(name, key, content));
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
        return this.inlineOf({ secretId, length: stored.length, index: indexOf(stored) }, key);
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
    const { keyTable } = this.store.catalog;
    for (const name of keyTable.inlineNames(secretId)) keyTable.putInline(name, null);
  }
}

/** A node of some tree, and where in it the inline data of a file is. */
export interface InlineNode {
  readonly leaf: Page;
  readonly at: number;
}
