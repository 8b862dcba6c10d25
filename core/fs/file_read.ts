import type { BytesPart } from "../bytes.ts";
import { assert } from "../assert.ts";
import type { PendingGet } from "../volume/volume_store.ts";
import type { BlockBuffer } from "./block_pool.ts";
import { asPosixError } from "./errno.ts";
import type { PendingRead, ReadSpans } from "./file_system.ts";
import type { BlockRange, Node } from "./node.ts";
import { INLINE_BYTES_MAX, type StoredData } from "./stored_data.ts";

/** Bytes that one read gives at most; a longer one is cut. */
export const READ_BYTES_MAX = 1024 * 1024;

/** Reads in the background: how many at once, how large, and from how many blocks on they pay. */
const LATER_AREAS = 6;
const LATER_BYTES_MAX = 256 * 1024;
const LATER_BLOCKS_MIN = 4;

/** What is opened of a block in part is a multiple of this. */
const GROUP_BYTES = 256;
/** However many parts were opened, a few reads that come back to their blocks outweigh them. */
const PART_READS_MAX = 64;
/** Blocks that are opened whole after that. */
const WHOLE_READS = 64;

/**
 * Reads files as spans of kernel memory. Whole blocks are opened into an area of their own, a run of ids at once; blocks
 * of which a read wants a part are kept, because the next small read is likely to want another part.
 */
export class FileReader {
  readonly #stored: StoredData;
  readonly #zeros: number;
  readonly #area: number;
  readonly #inline: number;
  readonly #laterAreas: number[];
  #areaUsed = 0;

  constructor(stored: StoredData) {
    this.#stored = stored;
    const { memory } = stored;
    this.#zeros = memory.reserve(stored.blockBytes);
    this.#area = memory.reserve(READ_BYTES_MAX + 2 * stored.blockBytes);
    this.#inline = memory.reserve(INLINE_BYTES_MAX);
    const areas = stored.store.blocks.getLater === undefined ? 0 : LATER_AREAS;
    this.#laterAreas = Array.from({ length: areas }, () => memory.reserve(LATER_BYTES_MAX));
    stored.store.wipers?.push(() => this.#wipe());
  }

  /** Overwrites the clear text of what was read last. */
  #wipe(): void {
    const { kernel: { bytes }, blockBytes } = this.#stored.store;
    bytes.fill(0, this.#area, this.#area + READ_BYTES_MAX + 2 * blockBytes);
    bytes.fill(0, this.#inline, this.#inline + INLINE_BYTES_MAX);
    for (const area of this.#laterAreas) bytes.fill(0, area, area + LATER_BYTES_MAX);
  }

  /** Fills `out` with what lies between `offset` and the end of the file. */
  read(node: Node, offset: number, size: number, out: ReadSpans): void {
    out.total = 0;
    out.count = 0;
    const end = Math.min(node.size, offset + Math.min(size, READ_BYTES_MAX));
    this.#areaUsed = 0;
    const { blockBytes, pool } = this.#stored;
    pool.unpin();
    for (let at = offset; at < end;) {
      const block = Math.floor(at / blockBytes);
      const dirty = node.dirty?.get(block);
      if (dirty !== undefined) {
        at += this.#readDirty(node, dirty, { at, end }, out);
      } else if (block === 0 && this.#copyInline(node)) {
        at += this.#readInline(at, end, out);
      } else {
        at += this.#readRange(node, { at, end }, out);
      }
    }
  }

  /** Starts to read whole blocks of one run in the background; null where the read is not of that kind. */
  later(node: Node, offset: number, size: number): PendingRead | null {
    const { blockBytes, extents, inFlight, store: { blocks } } = this.#stored;
    const end = Math.min(node.size, offset + Math.min(size, LATER_BYTES_MAX));
    const first = offset / blockBytes;
    const count = Math.ceil((end - offset) / blockBytes);
    const isWhole = Number.isInteger(first) && (end - offset) % blockBytes === 0;
    if (!isWhole || count < LATER_BLOCKS_MIN || this.#laterAreas.length === 0) return null;
    if (node.dirty !== null && node.dirty !== undefined && node.dirty.size > 0) return null;
    if (blocks.getLater === undefined || (first === 0 && this.#stored.inline(node) !== null)) {
      return null;
    }
    const range = extents.find(node, first);
    if (range.state !== "written" || range.end < first + count) return null;
    const firstId = range.firstId + first - range.first;
    inFlight.settleIds(firstId, count);
    const address = this.#laterAreas.pop()!;
    const release = () => this.#laterAreas.push(address);
    const pending = this.#orRelease(() => blocks.getLater!(firstId, count, address), release);
    if (pending === null) return null;
    return {
      address,
      length: end - offset,
      settled: () => pending.settled(),
      finish: () => this.#finish(pending),
      release,
    };
  }

  #finish(pending: PendingGet): void {
    try {
      pending.finish();
    } catch (error) {
      throw asPosixError(error);
    }
  }

  /** Runs `start`, and gives the memory back where nothing was started. */
  #orRelease<T>(start: () => T | null, release: () => void): T | null {
    let started: T | null = null;
    try {
      started = start();
      return started;
    } finally {
      if (started === null) release();
    }
  }

  #readDirty(node: Node, buffer: BlockBuffer, part: Part, out: ReadSpans): number {
    const { blockBytes } = this.#stored;
    const from = part.at % blockBytes;
    const length = Math.min(blockBytes - from, part.end - part.at);
    if (from < buffer.from || from + length > buffer.to) this.#stored.completion.one(node, buffer);
    return emit(out, buffer.address + from, length);
  }

  #copyInline(node: Node): boolean {
    const data = this.#stored.inline(node);
    if (data === null) return false;
    const area = this.#stored.store.kernel.bytes;
    area.set(data.subarray(0, INLINE_BYTES_MAX), this.#inline);
    area.fill(0, this.#inline + data.length, this.#inline + INLINE_BYTES_MAX);
    return true;
  }

  /** Block 0 of a file whose first bytes lie in the tree: behind them are zeros. */
  #readInline(at: number, end: number, out: ReadSpans): number {
    if (at < INLINE_BYTES_MAX) {
      return emit(out, this.#inline + at, Math.min(end, INLINE_BYTES_MAX) - at);
    }
    return emit(out, this.#zeros, Math.min(end, this.#stored.blockBytes) - at);
  }

  #readRange(node: Node, part: Part, out: ReadSpans): number {
    const { blockBytes, extents, pool } = this.#stored;
    const block = Math.floor(part.at / blockBytes);
    const range = extents.find(node, block);
    const from = part.at - block * blockBytes;
    const length = Math.min(blockBytes - from, part.end - part.at);
    if (range.state !== "written") return emit(out, this.#zeros + from, length);
    const id = range.firstId + block - range.first;
    const cached = pool.find(id, from, from + length);
    if (cached !== undefined) return emit(out, cached.address + from, length);
    if (from === 0 && part.at + length >= Math.min(node.size, (block + 1) * blockBytes)) {
      return this.#readRun(node, range, part, out);
    }
    const address = pool.partOf(id) !== undefined
      ? this.#openRest(node, id)
      : this.#open(node, id, { from, length });
    return emit(out, address + from, length);
  }

  /** Opens a whole block and those behind it that can be opened with it. */
  #readRun(node: Node, range: BlockRange, part: Part, out: ReadSpans): number {
    const { blockBytes, pool } = this.#stored;
    const first = part.at / blockBytes;
    const firstId = range.firstId + first - range.first;
    const limit = Math.min(range.end, Math.ceil(part.end / blockBytes));
    let next = first + 1;
    while (next < limit) {
      const stop = Math.min(node.size, (next + 1) * blockBytes);
      if (part.end < stop || node.dirty?.has(next)) break;
      if (pool.find(firstId + next - first) !== undefined) break;
      next++;
    }
    const address = this.#area + this.#areaUsed;
    this.#areaUsed += (next - first) * blockBytes;
    assert(this.#areaUsed <= READ_BYTES_MAX + 2 * blockBytes, "a read fits its area");
    this.#stored.open(firstId, next - first, address);
    return emit(out, address, Math.min(part.end, next * blockBytes) - part.at);
  }

  /**
   * Opens a block into the cache, or the part that is wanted: who reads here and there does not want the rest. Where every buffer
   * is busy, into the area. Returns its address.
   */
  #open(node: Node, id: number, wanted: BytesPart): number {
    const { blockBytes, pool } = this.#stored;
    const buffer = pool.take();
    if (buffer === null) {
      const address = this.#area + this.#areaUsed;
      this.#areaUsed += blockBytes;
      this.#stored.open(id, 1, address);
      return address;
    }
    const part = wholeGroups(wanted);
    const isPart = node.partReads >= 0 && 2 * part.length <= blockBytes;
    if (isPart && this.#stored.openPart(id, buffer.address, part)) {
      node.partReads = Math.min(PART_READS_MAX, node.partReads + 1);
      pool.cache(buffer, id, part);
    } else {
      if (isPart) node.partReads = -WHOLE_READS; // refused: the next ones will be, too
      else if (node.partReads < 0) node.partReads++;
      this.#stored.open(id, 1, buffer.address);
      pool.cache(buffer, id);
    }
    return buffer.address;
  }

  /** Opens all of a block of which a part was opened: who comes back to blocks wants them whole, for a while. */
  #openRest(node: Node, id: number): number {
    const { pool } = this.#stored;
    const buffer = pool.partOf(id)!;
    node.partReads = Math.max(-WHOLE_READS, node.partReads - WHOLE_READS / 4);
    pool.free(buffer);
    this.#stored.open(id, 1, buffer.address);
    pool.cache(buffer, id);
    return buffer.address;
  }
}

/** The same and what lies around it, up to whole groups of the cipher. */
function wholeGroups({ from, length }: BytesPart): BytesPart {
  const start = Math.floor(from / GROUP_BYTES) * GROUP_BYTES;
  return { from: start, length: Math.ceil((from + length) / GROUP_BYTES) * GROUP_BYTES - start };
}

interface Part {
  readonly at: number;
  readonly end: number;
}

/** Adds a span, or makes the last one longer. */
function emit(out: ReadSpans, address: number, length: number): number {
  const last = out.count - 1;
  if (last >= 0 && out.addresses[last] + out.lengths[last] === address) {
    out.lengths[last] += length;
  } else {
    out.addresses[out.count] = address;
    out.lengths[out.count] = length;
    out.count++;
  }
  out.total += length;
  return length;
}
