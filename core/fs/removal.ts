import { getU64, setU64, viewOf } from "../bytes.ts";
import { VaultError } from "../errors.ts";
import { emptyInode } from "../format/inode.ts";
import { encodeNodeKey, KEY_TYPE, keyIno, NODE_KEY_BYTES } from "../format/volume_key.ts";
import { PosixError } from "./file_system.ts";
import type { VolumeStore } from "../volume/volume_store.ts";
import type { DirtyData } from "./dirty_data.ts";
import type { LeftWork } from "./left_work.ts";
import { isRegular, isSymlink } from "./mode.ts";
import { type Node, nodeOf } from "./node.ts";
import type { NodeTable } from "./node_table.ts";
import type { StoredData } from "./stored_data.ts";
import type { XattrStore } from "./xattr_store.ts";

/** Blocks freed in one group, so that a group stays small however large a file is. */
export const FREE_BLOCKS_PER_GROUP = 1024;

/** The parts of the filesystem that hold what an inode owns. */
export interface Owned {
  readonly nodes: NodeTable;
  readonly stored: StoredData;
  readonly dirty: DirtyData;
  readonly xattrs: XattrStore;
  readonly left: LeftWork;
}

/**
 * The end of inodes: an unlinked one lives as an orphan until it is released; the blocks of a large one are freed
 * in many groups, which a pending record remembers across crashes.
 */
export class Removal {
  readonly #store: VolumeStore;
  readonly #owned: Owned;
  readonly #key = new Uint8Array(NODE_KEY_BYTES);
  readonly #record = new Uint8Array(8);
  #mayPend = true;
  #mayOrphan = false;
  #holds = false;
  /** Removed nodes that a driver's kernel has not forgotten. */
  readonly #held = new Set<number>();

  constructor(store: VolumeStore, owned: Owned) {
    this.#store = store;
    this.#owned = owned;
  }

  /** From now on, removed nodes stay until they are forgotten, but for regular files that were unlinked by name. */
  hold(): void {
    this.#holds = true;
  }

  /** The last name is gone, or went to another node: frees the node, or makes it an orphan while it is open or held. */
  unlinked(node: Node, isReplaced = false): void {
    // Who walked to a file that is replaced meanwhile gets the old one. Of one that is unlinked only an O_PATH descriptor would
    // notice, as the kernel looks the name up again; and it would make each removal dearer.
    if (this.#holds && (isReplaced || !isRegular(node.inode.mode))) this.#held.add(node.ino);
    else if (node.opens === 0) return this.#owned.left.do(() => this.#destroy(node));
    this.#put(KEY_TYPE.orphan, node.ino, 0);
    this.#owned.nodes.save(node);
  }

  /** An orphan gets a name. */
  named(node: Node): void {
    this.#delete(KEY_TYPE.orphan, node.ino);
  }

  /** An orphan was closed for the last time. */
  released(node: Node): void {
    if (this.#held.has(node.ino)) return;
    this.#orRetry(() => {
      this.#delete(KEY_TYPE.orphan, node.ino);
      this.#destroy(node);
    });
  }

  /** What cannot be freed now is looked for later: nobody closes it a second time. */
  #orRetry(free: () => void): void {
    try {
      free();
    } catch (error) {
      this.#mayOrphan = true;
      throw error;
    }
  }

  isHeld(ino: number): boolean {
    return this.#held.has(ino);
  }

  /** The driver's kernel does not know a removed node any more. */
  forgotten(ino: number): void {
    this.#held.delete(ino);
    this.#orRetry(() => {
      const node = this.#existing(ino);
      if (node?.opens === 0) this.released(node);
    });
  }

  /**
   * Frees the blocks at or behind `from`, in as many groups as that takes. The node's size is cut already;
   * the record makes a crash in between harmless.
   */
  freeBehind(node: Node, from: number): void {
    const { extents } = this.#owned.stored;
    const isSmall = node.inode.cells <= FREE_BLOCKS_PER_GROUP;
    if (isSmall || extents.end(node) - from <= FREE_BLOCKS_PER_GROUP) {
      return extents.remove(node, from, Infinity);
    }
    this.#put(KEY_TYPE.pending, node.ino, from);
    for (;;) {
      const isDone = extents.removeSome(node, from, FREE_BLOCKS_PER_GROUP);
      this.#owned.nodes.save(node);
      if (isDone) break;
      this.#store.endGroup();
    }
    this.#delete(KEY_TYPE.pending, node.ino);
  }

  /** Frees up to about `blocks` blocks of deleted files; true where more wait. */
  reclaim(blocks: number): boolean {
    if (this.#store.readOnly) return false;
    if (this.#mayOrphan) this.#freeClosedOrphans();
    if (!this.#mayPend) return false;
    for (let budget = blocks; budget > 0; budget -= FREE_BLOCKS_PER_GROUP) {
      const [ino] = this.#listed(KEY_TYPE.pending, 1);
      if (ino === undefined) {
        this.#mayPend = false;
        return false;
      }
      this.#reclaimSome(ino);
      this.#store.endGroup();
    }
    return true;
  }

  /**
   * The tree is another one: there may be pending deletes again, what was removed may have its name again, and orphans may have
   * been closed in what it replaces.
   */
  reset(): void {
    this.#mayPend = true;
    this.#mayOrphan = true;
    for (const ino of this.#held) {
      if (this.#existing(ino)?.inode.nlink !== 0) this.#held.delete(ino);
    }
  }

  #freeClosedOrphans(): void {
    this.#mayOrphan = false;
    for (const ino of this.#listed(KEY_TYPE.orphan, Infinity)) {
      const node = this.#existing(ino);
      if (this.#held.has(ino) || (node !== null && node.opens > 0)) continue;
      this.#freeOrphan(ino, node);
    }
  }

  #freeOrphan(ino: number, node: Node | null): void {
    this.#delete(KEY_TYPE.orphan, ino);
    if (node !== null && node.inode.nlink === 0) this.#destroy(node);
    this.#store.endGroup();
  }

  /** After a crash: frees orphans and finishes interrupted truncates, before anything else changes. */
  recover(): void {
    for (let inos = this.#listed(KEY_TYPE.orphan, 64); inos.length > 0;) {
      for (const ino of inos) this.#freeOrphan(ino, this.#existing(ino));
      inos = this.#listed(KEY_TYPE.orphan, 64);
    }
    for (const ino of this.#listed(KEY_TYPE.pending, Infinity)) {
      if (this.#existing(ino) !== null) this.#finish(ino);
    }
  }

  /** Frees what is pending of a file that is there. Damage in one keeps nobody from opening the others: `check` names it. */
  #finish(ino: number): void {
    let before = this.#store.applied;
    try {
      for (; !this.#reclaimSome(ino); before = this.#store.applied) this.#store.endGroup();
    } catch (error) {
      const isDamage = error instanceof VaultError && error.kind === "corrupt";
      if (!isDamage || this.#store.applied !== before) throw error;
    }
    this.#store.endGroup();
  }

  #destroy(node: Node): void {
    const { nodes, stored, dirty, xattrs } = this.#owned;
    dirty.discard(node, 0, Infinity);
    stored.removeInline(node);
    xattrs.removeAll(node);
    if (isSymlink(node.inode.mode)) this.#delete(KEY_TYPE.target, node.ino);
    if (node.inode.cells > 0 && !stored.extents.removeSome(node, 0, FREE_BLOCKS_PER_GROUP)) {
      this.#put(KEY_TYPE.pending, node.ino, 0);
    }
    nodes.remove(node);
  }

  /** One group's worth of a pending record; true where it is done. */
  #reclaimSome(ino: number): boolean {
    const record = this.#store.tree.get(encodeNodeKey(this.#key, KEY_TYPE.pending, ino));
    const from = record?.length === 8 ? getU64(viewOf(record), 0) : NaN;
    if (Number.isNaN(from)) throw new VaultError("corrupt", "Cannot read a pending delete");
    const existing = this.#existing(ino);
    const node = existing ?? nodeOf(ino, emptyInode());
    const isDone = this.#owned.stored.extents.removeSome(node, from, FREE_BLOCKS_PER_GROUP);
    if (existing !== null) this.#owned.nodes.save(existing);
    if (isDone) this.#delete(KEY_TYPE.pending, ino);
    return isDone;
  }

  #existing(ino: number): Node | null {
    try {
      return this.#owned.nodes.get(ino);
    } catch (error) {
      if (error instanceof PosixError) return null;
      throw error;
    }
  }

  #listed(type: 7 | 8, limit: number): number[] {
    const inos: number[] = [];
    this.#store.tree.scan(encodeNodeKey(this.#key, type, 0), (key) => {
      if (key[0] !== type || key.length !== NODE_KEY_BYTES) return false;
      inos.push(keyIno(key));
      return inos.length < limit;
    });
    return inos;
  }

  #put(type: 7 | 8, ino: number, from: number): void {
    setU64(viewOf(this.#record), 0, from);
    this.#store.tree.put(encodeNodeKey(this.#key, type, ino), this.#record);
    if (type === KEY_TYPE.pending) this.#mayPend = true;
  }

  #delete(type: 6 | 7 | 8, ino: number): void {
    this.#store.tree.delete(encodeNodeKey(this.#key, type, ino));
  }
}
