import type { BlockStore } from "../block/block_store.ts";
import type { Page } from "../btree/page.ts";
import { compare, getU64, viewOf } from "../bytes.ts";
import { VaultError } from "../errors.ts";
import { decodeExtent, emptyExtent, type Extent } from "../format/extent.ts";
import type { PendingTree } from "../format/freeing_record.ts";
import { KEY_TYPE } from "../format/volume_key.ts";
import type { IdPages } from "./id_pages.ts";

/** What one step of freeing a tree may do, and where it stops. */
interface Step {
  /** Blocks and nodes that may still be freed. */
  budget: number;
  /** Where the next step goes on; null: it is done. */
  stop: { cursor: Uint8Array; skip: number } | null;
  /** Blocks that are freed of the extent that is looked at. */
  done: number;
}

/** How far a step came. */
export interface FreedTree {
  /** What is left; null: nothing. */
  readonly rest: PendingTree | null;
  /** What cannot be read, at the beginning of the rest. */
  readonly failure: VaultError | null;
}

/**
 * Frees a tree that nothing leads to any more, from its first record on: nodes and blocks born after a root. What is
 * older belongs to a snapshot, with everything below it. A node goes when its last child has gone, so that the next step
 * finds its way to the cursor.
 */
export class TreeFreeing {
  private readonly blocks: BlockStore;
  private readonly pages: IdPages;
  private readonly extent: Extent = emptyExtent();

  constructor(blocks: BlockStore, pages: IdPages) {
    this.blocks = blocks;
    this.pages = pages;
  }

  /** Frees up to about `budget` blocks. The root was born late enough to go. */
  step(work: PendingTree, budget: number): FreedTree {
    const step: Step = { budget, stop: null, done: 0 };
    try {
      if (!this.isFreed(work.root)) this.freeBelow(this.pages.page(work.root), work, step);
      return { rest: step.stop && { ...work, ...step.stop }, failure: null };
    } catch (failure) {
      if (!(failure instanceof VaultError)) throw failure;
      // Without a place to go on it begins where it did, and passes over what has gone already.
      return { rest: { ...work, ...step.stop }, failure };
    }
  }

  /** Frees a node and what is below it from the cursor on; false where the budget ended first. */
  private freeBelow(page: Page, work: PendingTree, step: Step): boolean {
    const isDone = page.level === 0
      ? this.freeRecords(page, work, step)
      : this.freeChildren(page, work, step);
    if (!isDone) return false;
    this.pages.cache.delete(page);
    this.free(page.ref);
    step.budget--;
    return true;
  }

  /** True where a step before has freed it, which failed behind that: ids are never used again. */
  private isFreed(id: number): boolean {
    return this.blocks.entry(id) === null;
  }

  private free(id: number): void {
    const entry = this.blocks.entry(id);
    if (entry !== null) this.blocks.free(id, entry);
  }

  private freeChildren(page: Page, work: PendingTree, step: Step): boolean {
    for (let index = page.childIndex(work.cursor); index < page.count; index++) {
      const pointer = page.value(index);
      const birth = getU64(viewOf(pointer), 8);
      if (birth <= work.bornAfter) continue;
      if (step.budget <= 0) {
        step.stop = { cursor: page.key(index).slice(), skip: 0 };
        return false;
      }
      if (!this.freeChild(pointer, page.key(index), { work, step })) return false;
    }
    return true;
  }

  private freeChild(
    pointer: Uint8Array,
    key: Uint8Array,
    { work, step }: { readonly work: PendingTree; readonly step: Step },
  ): boolean {
    try {
      if (this.isFreed(getU64(viewOf(pointer), 0))) return true;
      return this.freeBelow(this.pages.load(pointer, 0), work, step);
    } catch (error) {
      // The first key of a page is empty: whoever is above knows where it begins. What is below the cursor is done.
      if (compare(key, work.cursor) > 0) step.stop ??= { cursor: key.slice(), skip: 0 };
      throw error;
    }
  }

  private freeRecords(page: Page, work: PendingTree, step: Step): boolean {
    const found = page.search(work.cursor);
    const start = found < 0 ? -found - 1 : found;
    for (let index = start; index < page.count; index++) {
      const key = page.key(index);
      if (key[0] !== KEY_TYPE.extent) continue;
      step.done = index === found ? work.skip : 0;
      try {
        if (this.freeExtent(page.value(index), work, step)) continue;
        step.stop = { cursor: key.slice(), skip: step.done };
        return false;
      } catch (error) {
        step.stop = { cursor: key.slice(), skip: step.done };
        throw error;
      }
    }
    return true;
  }

  /** Frees the blocks of an extent that are not done; false where the budget ended first. */
  private freeExtent(value: Uint8Array, work: PendingTree, step: Step): boolean {
    const { extent } = this;
    decodeExtent(value, extent);
    if (extent.unwritten) return true;
    // Ids ascend with births: below the first one, everything is older.
    for (
      step.done = Math.max(step.done, work.firstId - extent.firstId);
      step.done < extent.count;
      step.done++
    ) {
      if (step.budget <= 0) return false;
      this.free(extent.firstId + step.done);
      step.budget--;
    }
    return true;
  }
}
