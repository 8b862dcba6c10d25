import {
  decodeExtent,
  emptyExtent,
  encodeExtent,
  type Extent,
  EXTENT_BYTES,
} from "../format/extent.ts";
import { contentCells } from "../format/map_entry.ts";
import { Compressibility } from "../fs/compressibility.ts";
import { KEY_TYPE, keyIno } from "../format/volume_key.ts";
import { CELL_BYTES } from "../limits.ts";
import type { Kernel } from "../crypto/kernel.ts";
import type { Volume } from "../volume/volume.ts";
import type { SalvageSource } from "./salvage_source.ts";
import type { TolerantTree } from "./tolerant_tree.ts";

/** What copying the data of a tree has found. */
export interface CopiedData {
  /** Cells of the extents of each file, as many as there are records of: what they took. */
  readonly cells: ReadonlyMap<number, number>;
  /** What they take now: more or less where blocks are compressed. */
  readonly copiedCells: ReadonlyMap<number, number>;
  /** Files with blocks that are lost: nothing of them was copied. */
  readonly lost: ReadonlySet<number>;
  /** Blocks that are lost. */
  readonly blocks: number;
}

interface CopiedExtent {
  readonly key: Uint8Array;
  readonly extent: Extent;
}

/** Copies the extents of a tree, file by file, with their blocks under ids of the volume. Yields after each extent. */
export class DataCopy {
  readonly #source: SalvageSource;
  readonly #kernel: Kernel;
  readonly #from: number;
  readonly #to: number;
  readonly #volume: Volume;
  readonly #cells = new Map<number, number>();
  readonly #copiedCells = new Map<number, number>();
  readonly #lost: Set<number>;
  #blocks = 0;
  /** Of the file that is being copied. */
  #ino = 0;
  #extents: CopiedExtent[] = [];

  /** Reads to memory of one kernel and writes from that of the volume's. */
  constructor(parts: {
    readonly source: SalvageSource;
    readonly kernel: Kernel;
    readonly from: number;
    readonly to: number;
    readonly volume: Volume;
    /** Files that are lost whatever lies in their blocks. */
    readonly locked: ReadonlySet<number>;
  }) {
    this.#source = parts.source;
    this.#kernel = parts.kernel;
    this.#from = parts.from;
    this.#to = parts.to;
    this.#volume = parts.volume;
    this.#lost = new Set(parts.locked);
  }

  /** Copies all extents but those of inodes in `without`; yields the blocks done. */
  *run(tree: TolerantTree, without: ReadonlySet<number>): Generator<number, CopiedData> {
    const { blockBytes } = this.#volume;
    for (const { key, extent } of extentsOf(tree)) {
      const ino = keyIno(key);
      if (ino !== this.#ino) this.#next(ino);
      if (without.has(ino)) continue;
      const blockCells = blockBytes / CELL_BYTES;
      const tail = extent.tailCells === 0 ? 0 : blockCells - extent.tailCells;
      const cells = extent.count * blockCells - tail;
      if (extent.unwritten) {
        this.#extents.push({ key, extent });
        this.#count(ino, cells, cells);
      } else if (!this.#lost.has(ino)) yield* this.#copy(key, extent, cells);
    }
    this.#next(0);
    const [cells, copiedCells] = [this.#cells, this.#copiedCells];
    return { cells, copiedCells, lost: this.#lost, blocks: this.#blocks };
  }

  #count(ino: number, cells: number, copied: number): void {
    this.#cells.set(ino, (this.#cells.get(ino) ?? 0) + cells);
    this.#copiedCells.set(ino, (this.#copiedCells.get(ino) ?? 0) + copied);
  }

  *#copy(key: Uint8Array, extent: Extent, plainCells: number): Generator<number> {
    const { count, firstId } = extent;
    const { blockBytes } = this.#volume;
    const trials = this.#volume.compresses ? new Compressibility() : undefined;
    let [stored, copied] = [0, 0];
    this.#volume.admit(count * blockBytes / CELL_BYTES, "write");
    const first = this.#volume.allocateIds(count);
    for (let i = 0; i < count; i++) {
      const entry = this.#source.read(firstId + i, { address: this.#from, bytes: blockBytes });
      if (entry === null) {
        this.#lost.add(this.#ino);
        this.#blocks++;
        if (i > 0) this.#volume.drop(first, i);
        return;
      }
      const bytes = this.#kernel.bytes.subarray(this.#from, this.#from + blockBytes);
      this.#volume.kernel.bytes.set(bytes, this.#to);
      const run = { firstId: first + i, count: 1, address: this.#to, lastLength: entry.length };
      const put = this.#volume.put({ ...run, trials });
      this.#volume.settle(put.ticket);
      stored += contentCells(entry);
      copied += put.cells;
      yield put.cells;
    }
    this.#count(this.#ino, extent.packed ? stored : plainCells, copied);
    const packed = trials !== undefined;
    this.#extents.push({ key, extent: { ...extent, firstId: first, packed } });
  }

  /** The file before is done: its records go into the tree, or its blocks come free. */
  #next(ino: number): void {
    const isLost = this.#lost.has(this.#ino);
    for (const { key, extent } of this.#extents) {
      if (!isLost) {
        const value = new Uint8Array(EXTENT_BYTES);
        encodeExtent(extent, value);
        this.#volume.tree.put(key, value);
      } else if (!extent.unwritten) this.#volume.drop(extent.firstId, extent.count);
    }
    this.#volume.endGroup();
    this.#ino = ino;
    this.#extents = [];
  }
}

/** A few at a time: what is visited must not be changed meanwhile. */
function* extentsOf(tree: TolerantTree): Generator<CopiedExtent> {
  let from: Uint8Array | null = new Uint8Array([KEY_TYPE.extent]);
  while (from !== null) {
    const found: CopiedExtent[] = [];
    let next: Uint8Array | null = null;
    tree.scan(from, (key, value) => {
      if (key[0] !== KEY_TYPE.extent) return false;
      if (found.length === 256) {
        next = key.slice();
        return false;
      }
      const extent: Extent = emptyExtent();
      decodeExtent(value, extent);
      found.push({ key: key.slice(), extent });
      return true;
    });
    yield* found;
    from = next;
  }
}
