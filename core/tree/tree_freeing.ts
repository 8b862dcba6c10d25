import type { BlockStore } from "../block/block_store.ts";
import type { Page } from "../btree/page.ts";
import { getU64, viewOf } from "../bytes.ts";
import { decodeExtent, type Extent } from "../format/extent.ts";
import type { PendingTree } from "../format/freeing_record.ts";
import { KEY_TYPE } from "../format/volume_key.ts";
import type { IdPages } from "./id_pages.ts";

/** What one step of freeing a tree may do, and where it stops. */
interface Step {
  /** Blocks and nodes that may still be freed. */
  budget: number;
  /** Where the next step goes on; null: it is done. */
  stop: { cursor: Uint8Array; skip: number } | null;
}

/**
 * Frees a tree that nothing leads to any more, from its first record on: nodes and blocks born after a root. What is
 * older belongs to a snapshot, with everything below it. A node goes when its last child has gone, so that the next step
 * finds its way to the cursor.
 */
export class TreeFreeing {
  private readonly blocks: BlockStore;
  private readonly pages: IdPages;
  private readonly extent: Extent = { count: 1, firstId: 0, tailCells: 0, unwritten: false };

  constructor(blocks: BlockStore, pages: IdPages) {
    this.blocks = blocks;
    this.pages = pages;
  }

  /** Frees up to about `budget` blocks; returns what is left, or null. The root was born late enough to go. */
  step(work: PendingTree, budget: number): PendingTree | null {
    const step: Step = { budget, stop: null };
    this.freeBelow(this.pages.page(work.root), work, step);
    return step.stop === null ? null : { ...work, ...step.stop };
  }

  /** Frees a node and what is below it from the cursor on; false where the budget ended first. */
  private freeBelow(page: Page, work: PendingTree, step: Step): boolean {
    const isDone = page.level === 0
      ? this.freeRecords(page, work, step)
      : this.freeChildren(page, work, step);
    if (!isDone) return false;
    this.pages.cache.delete(page);
    this.blocks.free(page.ref);
    step.budget--;
    return true;
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
      if (!this.freeBelow(this.pages.load(pointer, 0), work, step)) return false;
    }
    return true;
  }

  private freeRecords(page: Page, work: PendingTree, step: Step): boolean {
    const found = page.search(work.cursor);
    const start = found < 0 ? -found - 1 : found;
    for (let index = start; index < page.count; index++) {
      const key = page.key(index);
      if (key[0] !== KEY_TYPE.extent) continue;
      const done = this.freeExtent(page.value(index), work, {
        skip: index === found ? work.skip : 0,
        step,
      });
      if (done === null) continue;
      step.stop = { cursor: key.slice(), skip: done };
      return false;
    }
    return true;
  }

  /** Frees the blocks of an extent; returns how many are done where the budget ended first, else null. */
  private freeExtent(
    value: Uint8Array,
    work: PendingTree,
    from: { skip: number; step: Step },
  ): number | null {
    const { extent } = this;
    decodeExtent(value, extent);
    if (extent.unwritten) return null;
    const { step } = from;
    // Ids ascend with births: below the first one, everything is older.
    let done = Math.max(from.skip, work.firstId - extent.firstId);
    for (; done < extent.count; done++) {
      if (step.budget <= 0) return done;
      this.blocks.free(extent.firstId + done);
      step.budget--;
    }
    return null;
  }
}
