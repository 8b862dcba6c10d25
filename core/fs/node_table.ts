import {
  decodeInode,
  emptyInode,
  encodeInode,
  INODE_BYTES,
  isSameButAccess,
} from "../format/inode.ts";
import type { Inode } from "../format/inode.ts";
import { encodeNodeKey, KEY_TYPE, NODE_KEY_BYTES } from "../format/volume_key.ts";
import { viewOf } from "../bytes.ts";
import { CELL_BYTES } from "../limits.ts";
import type { VolumeStore } from "../volume/volume_store.ts";
import { fail } from "./errno.ts";
import type { Attributes } from "./file_system.ts";
import type { StaleNode } from "./kernel_cache.ts";
import { isRegular } from "./mode.ts";
import { hasDirtyData, type Node, nodeOf, showInode, showNode } from "./node.ts";

/** Idle nodes kept in memory, so that directories in use need no decoding. */
const IDLE_NODES_MAX = 1024;
/** Removed inodes whose last attributes are still known. */
const REMOVED_NODES_MAX = 1024;
/** Nodes with attributes in memory only (mostly access times) before they are put to the tree. */
const STALE_NODES_MAX = 1024;

/**
 * The inodes in memory: one object for each that is open, changed or lately used, so that every part of the
 * filesystem sees the same one. Everything else lives in the tree only.
 */
export class NodeTable {
  readonly #store: VolumeStore;
  readonly #nodes = new Map<number, Node>();
  readonly #stale = new Set<Node>();
  readonly #removed = new Map<number, Inode>();
  readonly #key = new Uint8Array(NODE_KEY_BYTES);
  readonly #record = new Uint8Array(INODE_BYTES);
  readonly #view = viewOf(this.#record);
  readonly #shown = emptyInode();
  readonly #blockCells: number;
  /** Calls of `trim` until it is worth another look at all that is busy. */
  #untilTrim = 0;

  constructor(store: VolumeStore) {
    this.#store = store;
    this.#blockCells = store.blockBytes / CELL_BYTES;
  }

  /** Nodes in memory. */
  get count(): number {
    return this.#nodes.size;
  }

  /** The node of an inode; ESTALE where there is none. */
  get(ino: number): Node {
    const known = this.#nodes.get(ino);
    if (known !== undefined) return known;
    const inode = emptyInode();
    if (!this.#decode(ino, inode)) fail("ESTALE");
    return this.#keep(nodeOf(ino, inode));
  }

  /** Fills `out`, without an object for an inode that is not in memory; false where there is none. */
  show(ino: number, out: Attributes): boolean {
    const known = this.#nodes.get(ino);
    if (known !== undefined) {
      showNode(known, this.#blockCells, out);
      return true;
    }
    if (!this.#decode(ino, this.#shown)) return false;
    showInode(ino, this.#shown, out);
    return true;
  }

  /** The mode of an inode, or 0 where there is none. */
  mode(ino: number): number {
    const known = this.#nodes.get(ino);
    if (known !== undefined) return known.inode.mode;
    return this.#decode(ino, this.#shown) ? this.#shown.mode : 0;
  }

  /** Adds an inode that was just made. */
  add(ino: number, inode: Inode): Node {
    const node = this.#keep(nodeOf(ino, inode));
    node.extentsBound = 0;
    this.save(node);
    return node;
  }

  /** Puts the record to the tree. The size goes with it unless data is still in memory only. */
  save(node: Node): void {
    if (isRegular(node.inode.mode) && !hasDirtyData(node)) node.inode.size = node.size;
    encodeInode(node.inode, this.#view);
    this.#store.tree.put(encodeNodeKey(this.#key, KEY_TYPE.inode, node.ino), this.#record);
    if (node.stale) {
      node.stale = false;
      this.#stale.delete(node);
    }
  }

  /** Notes that attributes have changed in memory; they go to the tree later. */
  touch(node: Node): void {
    if (node.stale) return;
    node.stale = true;
    this.#stale.add(node);
  }

  /** Removes the record and the node. */
  remove(node: Node): void {
    this.#store.tree.delete(encodeNodeKey(this.#key, KEY_TYPE.inode, node.ino));
    this.#stale.delete(node);
    node.stale = false;
    this.#nodes.delete(node.ino);
    this.#removed.set(node.ino, node.inode);
    if (this.#removed.size <= REMOVED_NODES_MAX) return;
    for (const oldest of this.#removed.keys()) return void this.#removed.delete(oldest);
  }

  /** Fills `out` with what an inode was like when it was removed, a while ago at most; false where that is not known. */
  showRemoved(ino: number, out: Attributes): boolean {
    const inode = this.#removed.get(ino);
    if (inode === undefined) return false;
    showInode(ino, inode, out);
    out.nlink = 0;
    return true;
  }

  /** Puts every changed record to the tree. */
  saveStale(): void {
    for (const node of this.#stale) this.save(node);
  }

  /** How many nodes have attributes in memory only. */
  get staleCount(): number {
    return this.#stale.size;
  }

  /** True where attributes are in memory only. */
  get hasStale(): boolean {
    return this.#stale.size > 0;
  }

  /**
   * Lets go of idle nodes. Called between operations only: within one, two parts must
   * not hold different objects for one inode.
   */
  trim(): void {
    if (this.#stale.size > STALE_NODES_MAX) this.saveStale();
    if (this.#nodes.size <= IDLE_NODES_MAX || this.#untilTrim-- > 0) return;
    let excess = this.#nodes.size - IDLE_NODES_MAX / 2;
    for (const node of this.#nodes.values()) {
      if (excess-- <= 0) break;
      this.#nodes.delete(node.ino);
      // A busy one goes to the end, so that the next trim does not meet it first.
      if (isBusy(node)) this.#nodes.set(node.ino, node);
    }
    // Many may be busy, and met in vain: as many calls share the price of the next look.
    this.#untilTrim = this.#nodes.size - IDLE_NODES_MAX / 2;
  }

  /**
   * Forgets everything that is in memory only and reads what is open anew: the tree has been rolled back. `changed` are inodes of
   * which more than the access time was taken back; adds those that changed in memory only. Returns those that are open.
   */
  reset(changed: Set<number>): StaleNode[] {
    const known = [...this.#nodes.values()];
    const stale: StaleNode[] = [];
    this.#nodes.clear();
    this.#stale.clear();
    this.#removed.clear();
    for (const { ino, opens, failure, inode: before } of known) {
      const inode = emptyInode();
      const exists = this.#decode(ino, inode);
      if (!exists || !isSameButAccess(before, inode)) changed.add(ino);
      if (opens === 0) continue;
      if (changed.has(ino)) stale.push({ ino, opens });
      if (exists) Object.assign(this.#keep(nodeOf(ino, inode)), { opens, failure });
    }
    return stale;
  }

  #keep(node: Node): Node {
    this.#nodes.set(node.ino, node);
    return node;
  }

  #decode(ino: number, inode: Inode): boolean {
    const record = this.#store.tree.get(encodeNodeKey(this.#key, KEY_TYPE.inode, ino));
    if (record === null) return false;
    decodeInode(record, inode);
    return true;
  }
}

function isBusy(node: Node): boolean {
  return node.opens > 0 || node.stale || hasDirtyData(node) || node.failure !== undefined;
}
