import type { DirtyData } from "./dirty_data.ts";
import { fail } from "./errno.ts";
import type { FileWriter } from "./file_write.ts";
import type { Node, RangeState } from "./node.ts";
import type { NodeTable } from "./node_table.ts";
import { FREE_BLOCKS_PER_GROUP, type Removal } from "./removal.ts";
import type { StoredData } from "./stored_data.ts";
import { INODE_FLAG } from "../format/inode.ts";
import { CELL_BYTES } from "../limits.ts";

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

  /** Cells of the new last block, where `truncate` to this size has to seal it again without what was cut off; else none. */
  truncateCells(node: Node, size: number): number {
    const kept = size % this.#blockBytes;
    if (size >= node.size || kept === 0) return 0;
    const isStored = this.#isStored(node, Math.floor(size / this.#blockBytes));
    return isStored ? Math.ceil(kept / CELL_BYTES) : 0;
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

  /** Cells that `punch` may take: a block of which a part stays is sealed again. */
  punchCells(node: Node, offset: number, end: number): number {
    return this.#edges(node, offset, end).length * this.#parts.stored.blockCells;
  }

  /** Makes a range read as zeros and gives its whole blocks back. */
  punch(node: Node, offset: number, end: number): void {
    const { stored, dirty, writer } = this.#parts;
    for (const [from, to] of this.#edges(node, offset, end)) writer.zero(node, from, to);
    const [first, stop] = this.#inner(node, offset, end);
    if (stop <= first) return;
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

  /** What a range has of blocks that it does not cover, unless it is zeros already. */
  #edges(node: Node, offset: number, end: number): [number, number][] {
    const [first, stop] = this.#inner(node, offset, end);
    const parts: [number, number][] = [[offset, Math.min(end, first * this.#blockBytes)]];
    if (stop >= first) parts.push([stop * this.#blockBytes, end]);
    const cut = parts.map(([from, to]): [number, number] => [from, Math.min(to, node.size)]);
    return cut.filter(([from, to]) => from < to && this.#hasData(node, from));
  }

  #hasData(node: Node, offset: number): boolean {
    const block = Math.floor(offset / this.#blockBytes);
    return node.dirty?.has(block) === true || this.#parts.stored.has(node, block);
  }

  /** The blocks that a range covers: a last one that ends with the file counts as whole. */
  #inner(node: Node, offset: number, end: number): [number, number] {
    const size = this.#blockBytes;
    const last = end >= node.size ? Math.ceil(node.size / size) : 0;
    return [Math.ceil(offset / size), Math.max(Math.floor(end / size), last)];
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
