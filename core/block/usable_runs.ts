import { NODE_CELLS_MAX } from "../format/node.ts";
import { SLOT_CELLS } from "../limits.ts";
import { FreeUnits, type UnitSource } from "./free_units.ts";

/** What counting free runs needs to know of the medium. */
export interface RunSource extends Omit<UnitSource, "cells"> {
  /** Cells of a full data block. */
  readonly blockCells: number;
  /** Cells that growing would add. */
  grownCells(): number;
}

/** How much is free in runs of the sizes that things take: by node, by data block, by slot. */
export class UsableRuns {
  private readonly source: RunSource;
  private readonly blockCells: number;
  private readonly nodes: FreeUnits;
  private readonly blocks: FreeUnits;
  private readonly slots: FreeUnits;

  constructor(source: RunSource) {
    this.source = source;
    this.blockCells = Math.max(NODE_CELLS_MAX, source.blockCells);
    this.nodes = new FreeUnits({ ...source, cells: NODE_CELLS_MAX });
    this.blocks = new FreeUnits({ ...source, cells: this.blockCells });
    this.slots = new FreeUnits({ ...source, cells: SLOT_CELLS });
  }

  /** The bitmap of a segment has changed. */
  changed(segment: number): void {
    this.nodes.changed(segment);
    this.blocks.changed(segment);
    this.slots.changed(segment);
  }

  /** Other segments count from now on. */
  forget(): void {
    this.nodes.forget();
    this.blocks.forget();
    this.slots.forget();
  }

  /**
   * Cells in runs that a tree node fits into, grown ones included: at least `enough`, or all there are. What takes up to
   * {@linkcode NODE_CELLS_MAX} cells uses up no more than one such run, wherever free cells lie.
   */
  forNodes(enough: number): number {
    return this.cellsIn(this.nodes, NODE_CELLS_MAX, enough);
  }

  /** Likewise, cells in runs that a full data block fits into; where blocks are no larger than nodes, any number. */
  forBlocks(enough: number): number {
    if (this.blockCells === NODE_CELLS_MAX) return enough;
    return this.cellsIn(this.blocks, this.blockCells, enough);
  }

  /** Likewise, cells in slots that are wholly free. */
  forSlots(enough: number): number {
    return this.cellsIn(this.slots, SLOT_CELLS, enough);
  }

  private cellsIn(units: FreeUnits, size: number, enough: number): number {
    const grown = this.source.grownCells();
    return grown >= enough ? grown : grown + size * units.count(Math.ceil((enough - grown) / size));
  }
}
