import { assert } from "../assert.ts";
import type { BlockOwner } from "../block/block_owner.ts";
import type { BlockStore } from "../block/block_store.ts";
import type { PageCache } from "../btree/page_cache.ts";
import { Tree } from "../btree/tree.ts";
import type { DeadRun } from "../format/freeing_record.ts";
import { unwrittenBlocks } from "../format/extent.ts";
import { KEY_TYPE } from "../format/volume_key.ts";
import type { Catalog, NumberedBranch, PlacedSnapshot } from "./catalog.ts";
import { IdPages } from "./id_pages.ts";
import { Lineage } from "./lineage.ts";
import type { SetAside } from "./set_aside.ts";

/** Cells of one dead run at most: its record counts them in 32 bits. */
const RUN_CELLS_MAX = 2 ** 30;

/** What a branch stands on. */
export interface BranchParts {
  readonly blocks: BlockStore;
  readonly cache: PageCache;
  readonly catalog: Catalog;
  readonly setAside: SetAside;
}

/**
 * The head of a branch while it is open: its tree, and what becomes of the blocks that it gives up. A block born
 * after the newest snapshot is nobody else's; an older one becomes part of a dead run.
 */
export class Branch implements BlockOwner {
  readonly branch: number;
  readonly tree: Tree;
  /** The snapshot that the head was made from last, if there is one. */
  newest: PlacedSnapshot | null;
  /** Cells of the blocks that the tree refers to, but for changed pages. */
  cells: number;
  /** Inodes that the tree has. */
  inodes: number;
  /** Blocks in its unwritten extents. */
  setAside: number;
  private readonly parts: BranchParts;
  private readonly noteSetAside: (blocks: number) => void;
  private readonly pages: IdPages;
  /** The record as the catalog has it. */
  private stored: NumberedBranch;
  /** The run that the next block may continue. */
  private run: DeadRun | null = null;

  constructor(parts: BranchParts, record: NumberedBranch) {
    this.parts = parts;
    this.branch = record.id;
    this.stored = record;
    this.cells = record.cells;
    this.inodes = record.inodes;
    this.setAside = record.setAside;
    this.newest = new Lineage(parts.catalog).newestOf(record.id);
    this.noteSetAside = parts.setAside.of(record);
    this.pages = new IdPages(parts.blocks, parts.cache, this);
    this.tree = new Tree(
      this.pages,
      record.root === 0 ? undefined : this.pages.page(record.root),
    );
  }

  /** The catalog has changed: snapshots were made, or deleted. */
  followCatalog(): void {
    this.newest = new Lineage(this.parts.catalog).newestOf(this.branch);
  }

  /** Puts a record, and counts inodes and what is set aside. */
  put(key: Uint8Array, value: Uint8Array): void {
    const more = key[0] === KEY_TYPE.extent ? this.moreUnwritten(key, unwrittenBlocks(value)) : 0;
    if (this.tree.put(key, value) && key[0] === KEY_TYPE.inode) this.inodes++;
    this.countUnwritten(more);
  }

  /** Removes a record; false where there is none. */
  delete(key: Uint8Array): boolean {
    const more = key[0] === KEY_TYPE.extent ? this.moreUnwritten(key, 0) : 0;
    const isGone = this.tree.delete(key);
    if (isGone && key[0] === KEY_TYPE.inode) this.inodes--;
    this.countUnwritten(more);
    return isGone;
  }

  /** By how much the blocks in unwritten extents become more when the record of a key gets so many. */
  private moreUnwritten(key: Uint8Array, blocks: number): number {
    // Where nothing is set aside, there is nothing to be replaced.
    if (this.setAside === 0 && blocks === 0) return 0;
    const replaced = this.tree.get(key);
    return blocks - (replaced === null ? 0 : unwrittenBlocks(replaced));
  }

  private countUnwritten(more: number): void {
    if (more === 0) return;
    this.setAside += more;
    this.noteSetAside(more);
  }

  took(cells: number): void {
    this.cells += cells;
  }

  gaveUp(id: number, birth: number, cells: number): boolean {
    const isOwn = birth > (this.newest?.sequence ?? 0);
    if (!isOwn) this.addDeath(id, birth, cells);
    // Last: where the catalog cannot be read, nothing was given up.
    this.cells -= cells;
    return isOwn;
  }

  private addDeath(id: number, birth: number, cells: number): void {
    const { run } = this;
    if (
      run !== null && run.firstId + run.count === id && run.birth === birth &&
      run.cells + cells <= RUN_CELLS_MAX
    ) {
      this.run = { ...run, count: run.count + 1, cells: run.cells + cells };
    } else {
      this.settle();
      const death = this.parts.blocks.birth;
      this.run = { branch: this.branch, death, birth, firstId: id, count: 1, cells };
    }
  }

  /** Writes the run that is open down. */
  settle(): void {
    if (this.run !== null) this.parts.catalog.putDeadRun(this.run);
    this.run = null;
  }

  /** Takes the root page from the cache, where others find it too; nothing is changed that is not stored. */
  refresh(): void {
    assert(!this.tree.root.dirty, "what is refreshed is stored");
    this.tree.root = this.pages.page(this.tree.root.ref);
  }

  /** Seals and queues the changed pages. */
  storePages(): void {
    this.cells += this.pages.store();
  }

  /** Writes the head into the catalog, once its pages are stored. */
  storeRecord(): void {
    this.settle();
    const root = this.tree.root.ref;
    const { stored, cells, inodes, setAside } = this;
    if (stored.root === root && stored.cells === cells) return;
    // The root node is changed with everything below it: it was born with the root that is being written.
    const birth = stored.root === root ? stored.birth : this.parts.blocks.birth;
    this.stored = { ...stored, root, birth, cells, inodes, setAside };
    this.parts.catalog.putBranch(this.branch, this.stored);
  }
}
