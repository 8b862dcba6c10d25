import { assert } from "../assert.ts";
import type { BlockOwner } from "../block/block_owner.ts";
import type { BlockStore } from "../block/block_store.ts";
import type { PageCache } from "../btree/page_cache.ts";
import { Tree } from "../btree/tree.ts";
import type { DeadRun } from "../format/freeing_record.ts";
import { KEY_TYPE } from "../format/volume_key.ts";
import type { Catalog, NumberedBranch } from "./catalog.ts";
import { IdPages } from "./id_pages.ts";

/** Cells of one dead run at most: its record counts them in 32 bits. */
const RUN_CELLS_MAX = 2 ** 30;

/** What a branch stands on. */
export interface BranchParts {
  readonly blocks: BlockStore;
  readonly cache: PageCache;
  readonly catalog: Catalog;
}

/**
 * The head of a branch while it is open: its tree, and what becomes of the blocks that it gives up. A block born
 * after the newest snapshot is nobody else's; an older one becomes part of a dead run.
 */
export class Branch implements BlockOwner {
  readonly branch: number;
  readonly tree: Tree;
  /** Sequence of the snapshot that the head was made from last; 0: of none. */
  newest: number;
  /** Cells of the blocks that the tree refers to, but for changed pages. */
  cells: number;
  /** Inodes that the tree has. */
  inodes: number;
  private readonly parts: BranchParts;
  private readonly pages: IdPages;
  /** The record as the catalog has it. */
  private stored: NumberedBranch;
  /** The run that the next block may continue. */
  private run: DeadRun | null = null;

  constructor(parts: BranchParts, record: NumberedBranch, newest: number) {
    this.parts = parts;
    this.branch = record.id;
    this.stored = record;
    this.cells = record.cells;
    this.inodes = record.inodes;
    this.newest = newest;
    this.pages = new IdPages(parts.blocks, parts.cache, this);
    this.tree = new Tree(
      this.pages,
      record.root === 0 ? undefined : this.pages.page(record.root),
    );
  }

  /** Puts a record, and counts inodes. */
  put(key: Uint8Array, value: Uint8Array): void {
    if (this.tree.put(key, value) && key[0] === KEY_TYPE.inode) this.inodes++;
  }

  /** Removes a record; false where there is none. */
  delete(key: Uint8Array): boolean {
    const isGone = this.tree.delete(key);
    if (isGone && key[0] === KEY_TYPE.inode) this.inodes--;
    return isGone;
  }

  took(cells: number): void {
    this.cells += cells;
  }

  gaveUp(id: number, birth: number, cells: number): boolean {
    this.cells -= cells;
    if (birth > this.newest) return true;
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
    return false;
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
    const { stored, cells, inodes } = this;
    if (stored.root === root && stored.cells === cells) return;
    // The root node is changed with everything below it: it was born with the root that is being written.
    const birth = stored.root === root ? stored.birth : this.parts.blocks.birth;
    this.stored = { ...stored, root, birth, cells, inodes };
    this.parts.catalog.putBranch(this.branch, this.stored);
  }
}
