import { assert } from "../assert.ts";
import type { Branch } from "./branch.ts";
import type { Catalog, NumberedBranch } from "./catalog.ts";

/** Blocks in unwritten extents of the heads of volumes, by bytes of a full block. */
export type BlockCounts = ReadonlyMap<number, number>;

/**
 * Blocks for which space is set aside (FORMAT.md §12): those in the unwritten extents of volumes' heads. Counted through the catalog when
 * somebody asks after that has changed, and kept up by the heads that are open.
 */
export class SetAside {
  private readonly parts: () => readonly [Catalog, ReadonlyMap<number, Branch>];
  private known: Map<number, number> | null = null;

  /** `parts`: the catalog, and the heads that are open. */
  constructor(parts: () => readonly [Catalog, ReadonlyMap<number, Branch>]) {
    this.parts = parts;
  }

  /** How many there are. */
  get blocks(): BlockCounts {
    this.known ??= this.count();
    return this.known;
  }

  private count(): Map<number, number> {
    const [catalog, open] = this.parts();
    const counts = new Map<number, number>();
    for (const { branch, blockBytes } of catalog.volumes()) {
      const { setAside } = open.get(branch) ?? catalog.branch(branch);
      if (setAside > 0) counts.set(blockBytes, (counts.get(blockBytes) ?? 0) + setAside);
    }
    return counts;
  }

  /** Who is told how many more blocks a head has in unwritten extents. */
  of({ volume }: NumberedBranch): (blocks: number) => void {
    const found = this.parts()[0].volumes().find(({ id }) => id === volume);
    // Nothing is set aside for what is being received: it has no volume yet.
    return (blocks) => void (found && this.add(found.blockBytes, blocks));
  }

  private add(blockBytes: number, blocks: number): void {
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
