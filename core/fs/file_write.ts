import type { BlockBuffer } from "./block_pool.ts";
import type { DirtyData } from "./dirty_data.ts";
import type { RequestBuffer, WriteRequest } from "./file_system.ts";
import type { Node } from "./node.ts";
import type { NodeTable } from "./node_table.ts";
import { INLINE_BYTES_MAX, secretOf, type StoredData } from "./stored_data.ts";

/** A stretch of a file. */
type BytesAt = Pick<WriteRequest, "offset" | "length">;

/** What `BlockRun.address` must be a multiple of. */
const RUN_ALIGNMENT = 64;

/**
 * Writes to files. Whole blocks of a request go straight from its buffer to the medium; the rest is
 * copied into dirty buffers, so that small writes are gathered and never read what they overwrite.
 */
export class FileWriter {
  readonly #stored: StoredData;
  readonly #dirty: DirtyData;
  readonly #nodes: NodeTable;

  constructor(stored: StoredData, dirty: DirtyData, nodes: NodeTable) {
    this.#stored = stored;
    this.#dirty = dirty;
    this.#nodes = nodes;
  }

  /** Cells that writing this range may take at most. */
  cells(node: Node, offset: number, length: number): number {
    const { blockBytes, blockCells } = this.#stored;
    const first = Math.floor(offset / blockBytes);
    const end = Math.ceil((offset + length) / blockBytes);
    return this.#dirty.missing(node, first, end) * blockCells;
  }

  /**
   * Those of them that were set aside for it, or that come free by it: of blocks that no snapshot has and that may not have been
   * compressed. Of blocks that are full, where `exactly`; else of a file's last one, too, and of a small file that stays one, which
   * may grow.
   */
  keptCells(node: Node, { offset, length }: BytesAt, exactly: boolean): number {
    const { store, extents, blockBytes, blockCells } = this.#stored;
    const { ownFrom = Infinity } = store;
    if (!exactly && offset + length <= INLINE_BYTES_MAX && this.#stored.inline(node) !== null) {
      return this.#dirty.missing(node, 0, 1) * blockCells;
    }
    const end = Math.ceil((offset + length) / blockBytes);
    let blocks = 0;
    for (let block = Math.floor(offset / blockBytes); block < end;) {
      const range = extents.find(node, block);
      const { state, firstId, first, packed, fullEnd } = range;
      const stop = Math.min(range.end, end);
      const isOwn = state === "written" && !packed;
      const own = isOwn ? Math.max(block, first + ownFrom - firstId) : stop;
      const from = state === "unwritten" ? block : own;
      const to = exactly && isOwn ? Math.min(stop, fullEnd) : stop;
      if (from < to) blocks += this.#dirty.missing(node, from, to);
      block = stop;
    }
    return blocks * blockCells;
  }

  /** Writes; the caller has checked bounds and space. */
  write(node: Node, request: WriteRequest): void {
    const { blockBytes } = this.#stored;
    const { offset, length, address, buffer } = request;
    const end = offset + length;
    const first = Math.ceil(offset / blockBytes);
    const stop = Math.floor(end / blockBytes);
    const whole = address + first * blockBytes - offset;
    if (buffer === null || stop <= first || whole % RUN_ALIGNMENT !== 0) {
      this.#copy(node, offset, end, address);
      return;
    }
    // The copies come first: sealing may start in the request's memory at once.
    this.#copy(node, offset, first * blockBytes, address);
    this.#copy(node, stop * blockBytes, end, address + stop * blockBytes - offset);
    this.#putWhole(node, { first, count: stop - first, address: whole }, buffer);
  }

  /** Zeros `from` to before `to`, which lie in one block. */
  zero(node: Node, from: number, to: number): void {
    const { blockBytes } = this.#stored;
    const block = Math.floor(from / blockBytes);
    const start = from - block * blockBytes;
    const buffer = this.#ready(node, block, { from: start, to: to - block * blockBytes });
    buffer.bytes.fill(0, start, to - block * blockBytes);
  }

  #copy(node: Node, offset: number, end: number, address: number): void {
    const { blockBytes, store } = this.#stored;
    for (let at = offset; at < end;) {
      const block = Math.floor(at / blockBytes);
      const from = at - block * blockBytes;
      const to = Math.min(blockBytes, from + end - at);
      const source = address + at - offset;
      const buffer = this.#ready(node, block, { from, to });
      store.kernel.bytes.copyWithin(buffer.address + from, source, source + to - from);
      at += to - from;
      if (at > node.size) node.size = at;
    }
  }

  /** The dirty buffer of a block in which `from` to `to` may be overwritten. */
  #ready(node: Node, block: number, part: { from: number; to: number }): BlockBuffer {
    const buffer = this.#dirty.buffer(node, block);
    if (buffer.whole) return buffer;
    if (buffer.from === buffer.to) {
      buffer.from = part.from;
      buffer.to = part.to;
    } else if (part.from <= buffer.to && part.to >= buffer.from) {
      buffer.from = Math.min(buffer.from, part.from);
      buffer.to = Math.max(buffer.to, part.to);
    } else {
      this.#stored.completion.one(node, buffer);
    }
    if (buffer.to - buffer.from === this.#stored.blockBytes) buffer.whole = true;
    return buffer;
  }

  #putWhole(
    node: Node,
    blocks: { first: number; count: number; address: number },
    request: RequestBuffer,
  ): void {
    const { store, blockBytes, blockCells, extents, inFlight } = this.#stored;
    const { first, count, address } = blocks;
    this.#dirty.flushBefore(node, first);
    this.#dirty.discard(node, first, first + count);
    if (first === 0) this.#stored.removeInline(node);
    const firstId = store.blocks.allocateIds(count);
    const trials = this.#stored.trials(node);
    const packed = trials !== undefined;
    extents.write(node, first, { count, firstId, tailCells: 0, unwritten: false, packed });
    const end = (first + count) * blockBytes;
    node.size = Math.max(node.size, end);
    node.inode.size = Math.max(node.inode.size, end);
    const run = { firstId, count, address, lastLength: blockBytes, trials, ...secretOf(node) };
    node.inode.cells += inFlight.putRequest(run, request) - count * blockCells;
    this.#nodes.save(node);
  }
}
