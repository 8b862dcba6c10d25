import type { Kernel } from "../crypto/kernel.ts";
import { PLACES_MAX, type Redundancy } from "../format/redundancy.ts";
import { CELL_BYTES } from "../limits.ts";

/** The bytes of one block in kernel memory, cut into what its places hold. */
export interface Cut {
  /** Address of each place's bytes. */
  readonly addresses: readonly number[];
  /** Bytes of each. */
  readonly bytes: number;
}

/** Cuts blocks into shards or copies in kernel memory, and rebuilds what is missing. */
export class ShardCutter {
  private readonly kernel: Kernel;
  /** Addresses for the Reed-Solomon code. */
  private readonly table: number;

  constructor(kernel: Kernel) {
    this.kernel = kernel;
    this.table = kernel.reserve(4 * PLACES_MAX);
  }

  /**
   * Bytes of memory that {@linkcode cut} needs beside a block of so many cells: further copies, parity, and data shards that
   * reach beyond the block's last cell.
   */
  static stagingBytes({ k, m }: Redundancy, cells: number): number {
    const shardCells = Math.ceil(cells / k);
    return (k + m - Math.floor(cells / shardCells)) * shardCells * CELL_BYTES;
  }

  /** Cuts a block of so many cells at `address`, zero-padded; what does not lie in it is made at `staging`. */
  cut(shape: Redundancy, cells: number, { address, staging }: CutPlace): Cut {
    const { k, m } = shape;
    const { bytes } = this.kernel;
    const size = Math.ceil(cells / k) * CELL_BYTES;
    const end = address + cells * CELL_BYTES;
    const addresses: number[] = [];
    for (let i = 0, next = staging; i < k + m; i++) {
      const from = k === 1 ? address : address + i * size;
      const isInPlace = i < k && from + size <= end;
      addresses.push(isInPlace ? from : next);
      if (isInPlace) continue;
      if (i < k || k === 1) {
        bytes.copyWithin(next, Math.min(from, end), Math.min(from + size, end));
        bytes.fill(0, next + Math.max(0, end - from), next + size);
      }
      next += size;
    }
    if (k > 1) {
      this.enter(addresses);
      this.kernel.rsEncode(this.table, k, m, size);
    }
    return { addresses, bytes: size };
  }

  /** Rebuilds the shards in `missing` (bit i: shard i), at most m, where they lie. */
  rebuild({ k, m }: Redundancy, { addresses, bytes }: Cut, missing: number): void {
    this.enter(addresses);
    this.kernel.rsReconstruct(this.table, { k, m, length: bytes }, missing);
  }

  private enter(addresses: readonly number[]): void {
    addresses.forEach((address, i) => this.kernel.words[this.table / 4 + i] = address);
  }
}

/** Where a block lies, and where its further shards or copies may be made. */
export interface CutPlace {
  readonly address: number;
  readonly staging: number;
}
