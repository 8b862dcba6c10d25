import { decodeExtent, encodeExtent, type Extent, EXTENT_BYTES } from "../format/extent.ts";
import {
  encodeExtentKey,
  EXTENT_KEY_BYTES,
  KEY_TYPE,
  keyBelongsTo,
  keyBlock,
} from "../format/volume_key.ts";
import type { KeyValueTree } from "../volume/volume_store.ts";
import { type BlockRange, forgetRange, type Node, type RangeState, setHole } from "./node.ts";

/** An extent and the file block that it starts at. */
interface PlacedExtent extends Extent {
  first: number;
}

/** The blocks that extents name. */
interface StoredIds {
  /** No file has these any more. */
  drop(firstId: number, count: number): void;
  /** Cells that these take as they are stored. */
  cells(firstId: number, count: number): number;
}

/** Extents handled between two searches, so that memory is bounded. */
const BATCH = 64;
/** Block numbers have 40 bits. */
const LAST_BLOCK = 2 ** 40 - 1;

/** Which ids hold the blocks of a file. Keeps the count of cells in the node; its caller saves the node. */
export class ExtentMap {
  readonly #tree: KeyValueTree;
  readonly #blockCells: number;
  readonly #ids: StoredIds;
  readonly #key = new Uint8Array(EXTENT_KEY_BYTES);
  readonly #record = new Uint8Array(EXTENT_BYTES);
  readonly #met: PlacedExtent = placed(0, 1, 0);
  #owner = 0;
  #isMet = false;

  constructor(tree: KeyValueTree, blockCells: number, ids: StoredIds) {
    this.#tree = tree;
    this.#blockCells = blockCells;
    this.#ids = ids;
  }

  /** The range that `block` lies in. The result belongs to the node and is good until its next change. */
  find(node: Node, block: number): BlockRange {
    const range = node.range;
    if (block >= range.first && block < range.end) return range;
    if (node.inode.cells === 0) node.extentsBound = 0;
    if (block >= node.extentsBound) return setHole(range, node.extentsBound, Infinity);
    let first = 0;
    if (this.#floor(node.ino, block)) {
      const met = this.#met;
      first = met.first + met.count;
      if (first > block) return setExtent(range, met);
    }
    // Nothing is remembered before all of it is known: a search may fail.
    const end = this.#next(node.ino, block) ? this.#met.first : Infinity;
    if (end === Infinity) node.extentsBound = first;
    return setHole(range, first, end);
  }

  /**
   * Makes these blocks a run of ids. `tailCells` is what the last one takes, or 0 where that is a full block. They are
   * counted as if none were compressed.
   */
  write(node: Node, first: number, extent: Extent): void {
    if (extent.count === 1 && this.#overwrite(node, first, extent)) return;
    this.remove(node, first, first + extent.count);
    this.#insert(node, { ...extent, first });
  }

  /** Sets space aside in the holes between `from` and `to`. */
  reserve(node: Node, from: number, to: number): void {
    for (let block = from; block < to;) {
      const range = this.find(node, block);
      const end = Math.min(range.end, to);
      if (range.state === "hole") {
        this.#insert(node, { ...placed(block, end - block, 0), unwritten: true });
      }
      block = end;
    }
  }

  /** How many blocks between `from` and `to` are in this state. */
  count(node: Node, { from, to }: { from: number; to: number }, state: RangeState): number {
    let count = 0;
    for (let block = from; block < to;) {
      const range = this.find(node, block);
      const end = Math.min(range.end, to);
      if (range.state === state) count += end - block;
      block = end;
    }
    return count;
  }

  /** Makes the blocks from `from` to before `to` a hole. */
  remove(node: Node, from: number, to: number): void {
    if (from >= node.extentsBound || from >= to || node.inode.cells === 0) return;
    const { first, end, state } = node.range;
    if (state === "hole" && from >= first && to <= end) return;
    forgetRange(node);
    for (;;) {
      const batch = this.#overlapping(node.ino, from, to);
      for (const extent of batch) this.#cut(node, extent, { from, to });
      if (batch.length < BATCH) return;
    }
  }

  /**
   * Removes up to `blocks` blocks at or behind `from`, from the end towards it; true where nothing
   * is left there. A large file is freed by many such steps.
   */
  removeSome(node: Node, from: number, blocks: number): boolean {
    forgetRange(node);
    let budget = blocks;
    for (let step = 0; step < BATCH && budget > 0; step++) {
      if (!this.#floor(node.ino, LAST_BLOCK)) return true;
      const extent = { ...this.#met };
      const end = extent.first + extent.count;
      if (end <= from) return true;
      // Where nothing is stored, one record goes, however many blocks it is of.
      const most = extent.unwritten ? Infinity : budget;
      const start = Math.max(extent.first, from, end - most);
      this.#cut(node, extent, { from: start, to: end });
      budget -= extent.unwritten ? 1 : end - start;
    }
    return false;
  }

  /** The block after the last extent. */
  end(node: Node): number {
    return this.#floor(node.ino, LAST_BLOCK) ? this.#met.first + this.#met.count : 0;
  }

  /** The first block at or behind `block` that has space; Infinity where there is none. */
  firstBehind(node: Node, block: number): number {
    const range = this.find(node, block);
    return range.state === "hole" ? range.end : block;
  }

  /** An extent of one block is replaced in place: what random writes do most. False where there is none. */
  #overwrite(node: Node, first: number, extent: Extent): boolean {
    if (first >= node.extentsBound || !this.#exact(node.ino, first)) return false;
    const { count, unwritten, firstId } = this.#met;
    if (count !== 1) return false;
    const more = this.#plainCells(extent, 0, 1) - this.#cells(this.#met, 0, 1);
    const replacement = { ...extent, first };
    // Counted when the tree has it: where that fails, nothing has changed.
    this.#put(node.ino, replacement);
    node.inode.cells += more;
    setExtent(node.range, replacement);
    if (!unwritten) this.#ids.drop(firstId, 1);
    return true;
  }

  #insert(node: Node, extent: PlacedExtent): void {
    const ino = node.ino;
    const end = extent.first + extent.count;
    const more = this.#plainCells(extent, 0, extent.count);
    const isLast = end >= node.extentsBound;
    if (extent.first > 0 && this.#floor(ino, extent.first - 1) && joins(this.#met, extent)) {
      extent.first = this.#met.first;
      extent.firstId = this.#met.firstId;
      extent.count += this.#met.count;
    }
    if (!isLast && this.#exact(ino, end) && joins(extent, this.#met)) {
      extent.count += this.#met.count;
      extent.tailCells = this.#met.tailCells;
      this.#tree.delete(encodeExtentKey(this.#key, ino, end));
    }
    this.#put(ino, extent);
    node.inode.cells += more;
    setExtent(node.range, extent);
    if (isLast && node.extentsBound !== Infinity) node.extentsBound = end;
  }

  /** Takes the part of `extent` that lies within `hole` away. */
  #cut(node: Node, extent: PlacedExtent, hole: { from: number; to: number }): void {
    const end = extent.first + extent.count;
    const start = Math.max(extent.first, hole.from);
    const stop = Math.min(end, hole.to);
    const fewer = this.#cells(extent, start - extent.first, stop - extent.first);
    if (start > extent.first) {
      this.#put(node.ino, { ...extent, count: start - extent.first, tailCells: 0 });
    } else {
      this.#tree.delete(encodeExtentKey(this.#key, node.ino, extent.first));
    }
    if (stop < end) {
      const skipped = stop - extent.first;
      const firstId = extent.unwritten ? 0 : extent.firstId + skipped;
      this.#put(node.ino, { ...extent, first: stop, count: end - stop, firstId });
    }
    node.inode.cells -= fewer;
    if (!extent.unwritten) this.#ids.drop(extent.firstId + start - extent.first, stop - start);
  }

  #cells(extent: Extent, from: number, to: number): number {
    if (extent.packed) return this.#ids.cells(extent.firstId + from, to - from);
    return this.#plainCells(extent, from, to);
  }

  #plainCells(extent: Extent, from: number, to: number): number {
    const full = (to - from) * this.#blockCells;
    const hasTail = to === extent.count && extent.tailCells !== 0;
    return hasTail ? full - this.#blockCells + extent.tailCells : full;
  }

  #overlapping(ino: number, from: number, to: number): PlacedExtent[] {
    const batch: PlacedExtent[] = [];
    if (this.#floor(ino, from) && this.#met.first + this.#met.count > from) {
      batch.push({ ...this.#met });
    }
    this.#tree.scan(encodeExtentKey(this.#key, ino, from), (key, value) => {
      if (!keyBelongsTo(key, KEY_TYPE.extent, ino) || batch.length === BATCH) return false;
      const first = keyBlock(key);
      if (first >= to) return false;
      if (first > from) batch.push(readExtent(value, placed(first, 1, 0)));
      return true;
    });
    return batch;
  }

  #put(ino: number, extent: PlacedExtent): void {
    encodeExtent(extent, this.#record);
    this.#tree.put(encodeExtentKey(this.#key, ino, extent.first), this.#record);
  }

  #floor(ino: number, block: number): boolean {
    this.#owner = ino;
    this.#isMet = false;
    this.#tree.floor(encodeExtentKey(this.#key, ino, block), this.#meet);
    return this.#isMet;
  }

  #next(ino: number, block: number): boolean {
    this.#owner = ino;
    this.#isMet = false;
    this.#tree.scan(encodeExtentKey(this.#key, ino, block), this.#meet);
    return this.#isMet;
  }

  #exact(ino: number, block: number): boolean {
    const value = this.#tree.get(encodeExtentKey(this.#key, ino, block));
    if (value === null) return false;
    this.#met.first = block;
    readExtent(value, this.#met);
    return true;
  }

  /** Made once: a search for a block allocates nothing. */
  readonly #meet = (key: Uint8Array, value: Uint8Array): boolean => {
    if (!keyBelongsTo(key, KEY_TYPE.extent, this.#owner)) return false;
    this.#met.first = keyBlock(key);
    readExtent(value, this.#met);
    this.#isMet = true;
    return false;
  };
}

function placed(first: number, count: number, firstId: number): PlacedExtent {
  return { first, count, firstId, tailCells: 0, unwritten: false, packed: false };
}

function readExtent(value: Uint8Array, into: PlacedExtent): PlacedExtent {
  decodeExtent(value, into);
  return into;
}

function joins(left: PlacedExtent, right: PlacedExtent): boolean {
  if (left.first + left.count !== right.first || left.unwritten !== right.unwritten) return false;
  if (left.packed !== right.packed) return false;
  if (left.tailCells !== 0 || left.count + right.count > 0xffffffff) return false;
  return left.unwritten || left.firstId + left.count === right.firstId;
}

function setExtent(range: BlockRange, extent: PlacedExtent): BlockRange {
  range.state = extent.unwritten ? "unwritten" : "written";
  range.first = extent.first;
  range.end = extent.first + extent.count;
  range.firstId = extent.firstId;
  range.packed = extent.packed;
  range.fullEnd = range.end - (extent.tailCells > 0 ? 1 : 0);
  return range;
}
