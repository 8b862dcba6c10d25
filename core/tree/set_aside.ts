import { assert } from "../assert.ts";

/** Blocks in unwritten extents of the heads of volumes, by bytes of a full block. */
export type BlockCounts = ReadonlyMap<number, number>;

/**
 * Blocks for which space is set aside (FORMAT.md §12): those in the unwritten extents of volumes' heads. Counted through the catalog when
 * somebody asks after that has changed, and kept up by the heads that are open.
 */
export class SetAside {
  private readonly count: () => Map<number, number>;
  private known: Map<number, number> | null = null;

  /** `count` asks the catalog, and the heads that are open. */
  constructor(count: () => Map<number, number>) {
    this.count = count;
  }

  /** How many there are. */
  get blocks(): BlockCounts {
    this.known ??= this.count();
    return this.known;
  }

  /** A head has so many more blocks in unwritten extents, of volumes with such blocks. */
  add(blockBytes: number, blocks: number): void {
    if (this.known === null) return;
    const left = (this.known.get(blockBytes) ?? 0) + blocks;
    assert(left >= 0, "what is given up was set aside");
    if (left > 0) this.known.set(blockBytes, left);
    else this.known.delete(blockBytes);
  }

  /** The catalog has changed. */
  forget(): void {
    this.known = null;
  }
}
