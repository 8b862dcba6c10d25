import {
  decodeExtent,
  emptyExtent,
  encodeExtent,
  type Extent,
  EXTENT_BYTES,
  unwrittenBlocks,
} from "../format/extent.ts";
import { decodeInode, emptyInode } from "../format/inode.ts";
import { KEY_TYPE, keyIno, nodeKey } from "../format/volume_key.ts";
import { CELL_BYTES } from "../limits.ts";
import type { Volume } from "../volume/volume.ts";
import { type OverlayStore, OWN_IDS } from "./overlay_store.ts";

/** Cells that the tree's nodes on the way to one record may take. */
const RECORD_CELLS = 16;

/** Puts what a transaction has in memory into the volume: inside a transaction of the volume, so that it is there as a whole or not. */
export class OverlayCommit {
  readonly #volume: Volume;
  /** Kernel memory for one block. */
  readonly #block: number;
  readonly #extent: Extent = emptyExtent();
  readonly #record = new Uint8Array(EXTENT_BYTES);

  constructor(volume: Volume) {
    this.#volume = volume;
    this.#block = volume.kernel.reserve(volume.blockBytes);
    volume.wipers.push(() => volume.kernel.wipe(this.#block, volume.blockBytes));
  }

  /** Cells that the transaction's blocks will take at most, where every one is stored as a whole. */
  cellsOf(store: OverlayStore): number {
    return store.blocks.count * this.#volume.blockBytes / CELL_BYTES;
  }

  /** Throws where the vault is full; the volume's transaction is then to be rolled back. */
  apply(store: OverlayStore): void {
    const { tree } = this.#volume;
    this.#volume.admitInodes(this.#addedInodes(store));
    for (const [key, value] of store.tree.changes()) {
      // Asked for before each change: what cannot be stored once it was changed would end the vault's use.
      const cells = RECORD_CELLS + this.#setAsideCells(key, value);
      this.#volume.admit(cells, value === null ? "delete" : "write");
      if (value === null) tree.delete(key);
      else if (key[0] !== KEY_TYPE.extent) tree.put(key, value);
      else tree.put(key, this.#settled(store, key, value));
    }
    for (const [firstId, count] of store.blocks.drops) this.#volume.drop(firstId, count);
  }

  /** Cells that are set aside anew with a record. */
  #setAsideCells(key: Uint8Array, value: Uint8Array | null): number {
    if (key[0] !== KEY_TYPE.extent || value === null) return 0;
    const blocks = unwrittenBlocks(value);
    if (blocks === 0) return 0;
    const replaced = this.#volume.tree.get(key);
    const more = blocks - (replaced === null ? 0 : unwrittenBlocks(replaced));
    return Math.max(0, more) * this.#volume.blockBytes / CELL_BYTES;
  }

  /** How many more the volume will have, or fewer. */
  #addedInodes(store: OverlayStore): number {
    let added = 0;
    for (const [key, value] of store.tree.changes()) {
      if (key[0] !== KEY_TYPE.inode) continue;
      const isThere = this.#volume.tree.get(key) !== null;
      if (isThere !== (value !== null)) added += isThere ? -1 : 1;
    }
    return added;
  }

  /** What the blocks of an extent's file are sealed under. */
  #secretOf(store: OverlayStore, extentKey: Uint8Array): number | undefined {
    const key = nodeKey(KEY_TYPE.inode, keyIno(extentKey));
    const record = store.tree.get(key);
    if (record === null) return undefined;
    const inode = emptyInode();
    decodeInode(record, inode);
    return inode.secret === 0 ? undefined : inode.secret;
  }

  /** The extent with blocks of the volume in place of those in memory. */
  #settled(store: OverlayStore, key: Uint8Array, value: Uint8Array): Uint8Array {
    const extent = this.#extent;
    decodeExtent(value, extent);
    if (extent.unwritten || extent.firstId < OWN_IDS) return value;
    const { kernel, blockBytes } = this.#volume;
    this.#volume.admit(extent.count * blockBytes / CELL_BYTES + RECORD_CELLS, "write");
    const secretId = this.#secretOf(store, key);
    const firstId = this.#volume.allocateIds(extent.count);
    for (let i = 0; i < extent.count; i++) {
      const bytes = store.blocks.own(extent.firstId + i);
      kernel.bytes.set(bytes, this.#block);
      const run = { count: 1, address: this.#block, lastLength: bytes.length, secretId };
      this.#volume.settle(this.#volume.put({ ...run, firstId: firstId + i }).ticket);
    }
    extent.firstId = firstId;
    encodeExtent(extent, this.#record);
    return this.#record;
  }
}
