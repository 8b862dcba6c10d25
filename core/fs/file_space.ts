import type { DirtyData } from "./dirty_data.ts";
import { fail } from "./errno.ts";
import type { FileWriter } from "./file_write.ts";
import type { Node, RangeState } from "./node.ts";
import type { NodeTable } from "./node_table.ts";
import { FREE_BLOCKS_PER_GROUP, type Removal } from "./removal.ts";
import type { StoredData } from "./stored_data.ts";
import { INODE_FLAG } from "../format/inode.ts";

/** Bits of fallocate's mode. */
export const FALLOC_KEEP_SIZE = 1;
export const FALLOC_PUNCH_HOLE = 2;
export const FALLOC_ZERO_RANGE = 16;

/** The parts of the filesystem that file space is made of. */
export interface SpaceParts {
  readonly stored: StoredData;
  readonly dirty: DirtyData;
  readonly writer: FileWriter;
  readonly nodes: NodeTable;
  readonly removal: Removal;
}

/** Size and space of files: truncate, fallocate, and where data and holes are. */
export class FileSpace {
  readonly #parts: SpaceParts;
  readonly #blockBytes: number;

  constructor(parts: SpaceParts) {
    this.#parts = parts;
    this.#blockBytes = parts.stored.blockBytes;
  }

  /** Cells that `truncate` to this size may take: the new last block is sealed again without what was cut off. */
  truncateCells(node: Node, size: number): number {
    const isCut = size < node.size && size % this.#blockBytes !== 0;
    return isCut ? this.#parts.stored.blockCells : 0;
  }

  /** Sets the size. The caller sets times and saves the node. */
  truncate(node: Node, size: number): void {
    const isLonger = size > node.size;
    if (size < node.size) this.#cut(node, size);
    node.size = size;
    if (isLonger || node.inode.cells === 0) return;
    // Space set aside behind the end goes even where the size stays.
    this.#parts.removal.freeBehind(node, Math.ceil(size / this.#blockBytes));
  }

  /** Cells that `allocate` will set aside, when the range was punched before that `punches` too. */
  allocateCells(node: Node, range: { offset: number; end: number }, punches: boolean): number {
    const [from, to] = this.#outer(range.offset, range.end);
    const { extents, blockCells } = this.#parts.stored;
    const count = (state: RangeState) => extents.count(node, { from, to }, state);
    return (punches ? to - from - count("unwritten") : count("hole")) * blockCells;
  }

  /** Sets space aside for the holes in a range, which go on reading as zeros. */
  allocate(node: Node, offset: number, end: number): void {
    const [from, to] = this.#outer(offset, end);
    this.#parts.stored.extents.reserve(node, from, to);
  }

  /** Makes a range read as zeros and gives its whole blocks back. */
  punch(node: Node, offset: number, end: number): void {
    const { stored, dirty } = this.#parts;
    const size = this.#blockBytes;
    const first = Math.ceil(offset / size);
    // A last block that ends with the file counts as whole.
    const stop = Math.max(
      Math.floor(end / size),
      end >= node.size ? Math.ceil(node.size / size) : 0,
    );
    this.#zero(node, offset, Math.min(end, first * size));
    if (stop < first) return;
    this.#zero(node, stop * size, end);
    if (stop === first) return;
    dirty.discard(node, first, stop);
    if (first === 0) stored.removeInline(node);
    this.#removeBlocks(node, first, stop);
  }

  /** The first byte at or behind `offset` that is data (or, `whence` 4, a hole). Dirty data was put before. */
  seek(node: Node, offset: number, whence: number): number {
    if (offset < 0 || offset >= node.size) fail("ENXIO");
    const wantsData = whence === 3;
    const size = this.#blockBytes;
    for (let block = Math.floor(offset / size); block * size < node.size;) {
      const isInline = block === 0 && (node.inode.flags & INODE_FLAG.inline) !== 0;
      const range = this.#parts.stored.extents.find(node, block);
      const isData = isInline || range.state === "written";
      if (isData === wantsData) return Math.max(offset, block * size);
      block = isInline ? 1 : range.end;
    }
    if (wantsData) fail("ENXIO");
    return node.size;
  }

  #cut(node: Node, size: number): void {
    const { stored, dirty } = this.#parts;
    const kept = Math.ceil(size / this.#blockBytes);
    const isInside = size % this.#blockBytes !== 0;
    if (isInside) this.#readBlock(node, kept - 1);
    dirty.discard(node, kept, Infinity);
    stored.cutInline(node, size);
    if (isInside) this.#cutBlock(node, kept - 1, size);
    node.inode.size = Math.min(node.inode.size, size);
  }

  /** Reads what stays of a block that is cut, where it is stored: before anything has changed. */
  #readBlock(node: Node, block: number): void {
    const { stored, dirty } = this.#parts;
    if (!this.#isStored(node, block)) return;
    const isNew = node.dirty?.has(block) !== true;
    try {
      stored.completion.one(node, dirty.buffer(node, block));
    } catch (error) {
      if (isNew) dirty.discard(node, block, block + 1);
      throw error;
    }
  }

  #isStored(node: Node, block: number): boolean {
    const isInline = block === 0 && (node.inode.flags & INODE_FLAG.inline) !== 0;
    return !isInline && this.#parts.stored.extents.find(node, block).state === "written";
  }

  /** Zeros what the block of the new end holds behind it, on the medium too: nothing cut off may come back. */
  #cutBlock(node: Node, block: number, size: number): void {
    const { stored, dirty } = this.#parts;
    const keep = size - block * this.#blockBytes;
    const known = node.dirty?.get(block);
    if (!this.#isStored(node, block)) {
      if (known === undefined) return;
      if (known.whole) known.bytes.fill(0, keep);
      else if (known.from >= keep) dirty.discard(node, block, block + 1);
      else known.to = Math.min(known.to, keep);
      return;
    }
    const buffer = dirty.buffer(node, block);
    stored.completion.one(node, buffer);
    buffer.bytes.fill(0, keep);
    node.size = size;
    dirty.flushBlock(node, buffer);
  }

  /** Zeros a part of one block, unless it is zeros already. */
  #zero(node: Node, from: number, end: number): void {
    const to = Math.min(end, node.size);
    if (from >= to) return;
    const block = Math.floor(from / this.#blockBytes);
    const { stored, writer } = this.#parts;
    if (node.dirty?.has(block) || stored.has(node, block)) writer.zero(node, from, to);
  }

  #removeBlocks(node: Node, first: number, stop: number): void {
    const { stored, nodes } = this.#parts;
    const end = Math.min(stop, stored.extents.end(node));
    for (let from = first; from < end;) {
      const to = Math.min(end, from + FREE_BLOCKS_PER_GROUP);
      stored.extents.remove(node, from, to);
      from = to;
      if (from === end) return;
      nodes.save(node);
      stored.store.endGroup();
      from = Math.max(from, stored.extents.firstBehind(node, from));
    }
  }

  #outer(offset: number, end: number): [number, number] {
    return [Math.floor(offset / this.#blockBytes), Math.ceil(end / this.#blockBytes)];
  }
}
