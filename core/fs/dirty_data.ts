import { assert } from "../assert.ts";
import { VaultError } from "../errors.ts";
import { CELL_BYTES } from "../limits.ts";
import { asPosixError } from "./errno.ts";
import type { BlockBuffer } from "./block_pool.ts";
import type { Node } from "./node.ts";
import type { NodeTable } from "./node_table.ts";
import { INLINE_BYTES_MAX, secretOf, type StoredData } from "./stored_data.ts";

/**
 * The blocks of files that have changed in memory only. Their number is bounded: when half of the pool is dirty, the
 * file that has been dirty longest is put, and sealing goes on in the background.
 */
export class DirtyData {
  readonly #stored: StoredData;
  readonly #nodes: NodeTable;
  readonly #files = new Set<Node>();
  #buffers = 0;
  /** Mutations that made room for other data: a change that asked for it has not begun with them. */
  aside = 0;
  /** Buffers whose data was given up before it was put. */
  discarded = 0;
  #failure: VaultError | undefined;

  constructor(stored: StoredData, nodes: NodeTable) {
    this.#stored = stored;
    this.#nodes = nodes;
  }

  /** True where data is in memory only. */
  get hasAny(): boolean {
    return this.#files.size > 0;
  }

  /** The dirty buffer of a block, made where there is none. The caller has asked for space. */
  buffer(node: Node, block: number): BlockBuffer {
    const known = node.dirty?.get(block);
    if (known !== undefined) return known;
    const buffer = this.#take();
    buffer.state = "dirty";
    buffer.block = block;
    buffer.from = 0;
    buffer.to = 0;
    buffer.whole = false;
    node.dirty ??= new Map();
    node.dirty.set(block, buffer);
    this.#files.add(node);
    this.#buffers++;
    this.#promise(node, buffer);
    return buffer;
  }

  #promise(node: Node, buffer: BlockBuffer): void {
    const { store, extents, blockCells } = this.#stored;
    store.promise(blockCells);
    buffer.covered = (store.setAside ?? 0) > 0 &&
      extents.find(node, buffer.block).state === "unwritten";
    if (buffer.covered) store.cover?.(1);
  }

  /** How many of the blocks from `first` to before `end` are not dirty yet. */
  missing(node: Node, first: number, end: number): number {
    const dirty = node.dirty;
    if (dirty === null || dirty.size === 0) return end - first;
    let count = 0;
    for (let block = first; block < end; block++) if (!dirty.has(block)) count++;
    return count;
  }

  /** Forgets dirty blocks from `first` to before `end`: they were cut off or replaced. */
  discard(node: Node, first: number, end: number): void {
    const dirty = node.dirty;
    if (dirty === null || dirty.size === 0) return;
    if (end - first < dirty.size) {
      for (let block = first; block < end; block++) {
        const buffer = dirty.get(block);
        if (buffer !== undefined) this.#giveUp(node, buffer);
      }
      return;
    }
    for (const buffer of dirty.values()) {
      if (buffer.block >= first && buffer.block < end) this.#giveUp(node, buffer);
    }
  }

  /** Puts all data and attributes of a file. */
  flush(node: Node): void {
    if (node.dirty !== null && node.dirty.size > 0) {
      node.puts++;
      const buffers = this.#completed(node, 0, Infinity);
      if (buffers.length > 0) this.#flushData(node, buffers);
      this.#nodes.save(node);
    } else if (node.stale) {
      this.#nodes.save(node);
    }
  }

  /**
   * Puts the dirty blocks before `end` that the size in the tree does not cover: it may then grow past them, and a
   * crash leaves no hole where they were.
   */
  flushBefore(node: Node, end: number): void {
    if (node.dirty === null || node.dirty.size === 0) return;
    const first = Math.floor(node.inode.size / this.#stored.blockBytes);
    const buffers = this.#completed(node, first, end);
    if (buffers.length > 0) this.#putBlocks(node, buffers);
  }

  /** Puts one dirty block now, so that the tree never shows what the file had before. */
  flushBlock(node: Node, buffer: BlockBuffer): void {
    this.#stored.completion.one(node, buffer);
    this.#putBlocks(node, [buffer]);
  }

  /** Puts everything; `groupEnds` is called after each file. */
  flushAll(groupEnds: () => void): void {
    for (const node of this.#files) {
      this.flush(node);
      groupEnds();
    }
    this.#nodes.saveStale();
    groupEnds();
  }

  /** Data of a file is lost that its writer takes for written: fsync tells him, and whoever commits. */
  lost(node: Node, cause: unknown): void {
    node.failure = this.#failure = cause instanceof VaultError
      ? cause
      : new VaultError("unavailable", `Cannot keep data of inode ${node.ino}`, { cause });
  }

  /** What made data be given up since the last call. */
  takeFailure(): VaultError | undefined {
    const failure = this.#failure;
    this.#failure = undefined;
    return failure;
  }

  /** Tells whoever makes everything durable of data that was given up. */
  throwLost(): void {
    const lost = this.takeFailure();
    if (lost !== undefined) throw asPosixError(lost);
  }

  /** Forgets all data that is in memory only; adds the inodes that had some to `changed`. */
  reset(changed: Set<number>): void {
    for (const node of [...this.#files]) {
      changed.add(node.ino);
      this.discard(node, 0, Infinity);
    }
  }

  #giveUp(node: Node, buffer: BlockBuffer): void {
    if (buffer.to > buffer.from) this.discarded++;
    this.#discardOne(node, buffer);
  }

  #discardOne(node: Node, buffer: BlockBuffer): void {
    this.#stored.pool.free(buffer);
    this.#undirty(node, buffer);
  }

  #undirty(node: Node, buffer: BlockBuffer): void {
    node.dirty!.delete(buffer.block);
    if (node.dirty!.size === 0) this.#files.delete(node);
    this.#buffers--;
    const { store, blockCells } = this.#stored;
    store.promise(-blockCells);
    if (buffer.covered) store.cover?.(-1);
  }

  #take(): BlockBuffer {
    const { pool, inFlight } = this.#stored;
    inFlight.poll();
    pool.unpin();
    while (this.#buffers >= pool.size / 2) this.#flushOldest();
    while (inFlight.buffers > pool.size / 4) inFlight.settleOldest();
    let buffer = pool.take();
    while (buffer === null) {
      if (!inFlight.settleOldest()) this.#flushOldest();
      buffer = pool.take();
    }
    return buffer;
  }

  #flushOldest(): void {
    const { store } = this.#stored;
    const before = store.applied ?? 0;
    for (const node of this.#files) {
      this.flush(node);
      this.aside += (store.applied ?? 0) - before;
      return;
    }
    assert(false, "a dirty buffer belongs to a file");
  }

  /**
   * The dirty blocks from `first` to before `end` in order, each one's bytes all known. A block whose older bytes
   * cannot be read is given up, and fsync reports it: nothing else may wait for it for ever.
   */
  #completed(node: Node, first: number, end: number): BlockBuffer[] {
    const buffers = [...node.dirty!.values()]
      .filter(({ block }) => block >= first && block < end)
      .sort((a, b) => a.block - b.block);
    const partial = buffers.filter((buffer) =>
      !buffer.whole && (buffer.from > 0 || buffer.to < this.#length(node, buffer))
    );
    if (partial.length === 0) return buffers;
    this.#stored.completion.all(node, partial, (buffer, error) => {
      this.lost(node, error);
      this.#discardOne(node, buffer);
    });
    return buffers.filter(({ state }) => state === "dirty");
  }

  #flushData(node: Node, buffers: BlockBuffer[]): void {
    const [first] = buffers;
    const isSmall = node.size <= INLINE_BYTES_MAX && node.inode.cells === 0 &&
      node.inode.secret === 0;
    if (isSmall && buffers.length === 1 && first.block === 0) {
      this.#stored.putInline(node, first.bytes.slice(0, node.size));
      this.#discardOne(node, first);
      return;
    }
    this.#putBlocks(node, buffers);
  }

  /** Cuts the blocks into runs of consecutive file blocks. */
  #putBlocks(node: Node, buffers: BlockBuffer[]): void {
    for (let start = 0; start < buffers.length;) {
      let end = start + 1;
      while (end < buffers.length && buffers[end].block === buffers[end - 1].block + 1) end++;
      this.#putRun(node, buffers.slice(start, end));
      start = end;
    }
  }

  #putRun(node: Node, buffers: BlockBuffer[]): void {
    const { store, extents, blockBytes, blockCells } = this.#stored;
    const firstId = store.blocks.allocateIds(buffers.length);
    const [first] = buffers;
    const last = buffers[buffers.length - 1];
    const lastLength = this.#length(node, last);
    const cells = Math.ceil(lastLength / CELL_BYTES);
    if (first.block === 0) this.#stored.removeInline(node);
    const trials = this.#stored.trials(node);
    extents.write(node, first.block, {
      count: buffers.length,
      firstId,
      tailCells: cells === blockCells ? 0 : cells,
      unwritten: false,
      packed: trials !== undefined,
    });
    node.inode.cells -= (buffers.length - 1) * blockCells + cells;
    for (const buffer of buffers) this.#undirty(node, buffer);
    for (let start = 0; start < buffers.length;) {
      let end = start + 1;
      while (
        end < buffers.length && buffers[end].address === buffers[end - 1].address + blockBytes
      ) {
        end++;
      }
      const run = {
        firstId: firstId + start,
        count: end - start,
        address: buffers[start].address,
        lastLength: end === buffers.length ? lastLength : blockBytes,
        trials,
        ...secretOf(node),
      };
      node.inode.cells += this.#stored.inFlight.putBuffers(run, buffers.slice(start, end));
      start = end;
    }
  }

  /** Bytes of a block that lie before the end of the file. */
  #length(node: Node, buffer: BlockBuffer): number {
    const { blockBytes } = this.#stored;
    const length = Math.min(blockBytes, node.size - buffer.block * blockBytes);
    assert(length > 0, "a dirty block lies before the end of its file");
    return length;
  }
}
