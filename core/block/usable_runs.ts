import { NODE_CELLS_MAX } from "../format/node.ts";
import { SLOT_CELLS } from "../limits.ts";
import { FreeUnits, type UnitSource } from "./free_units.ts";

/** What counting free runs needs to know of the medium. */
export interface RunSource extends Omit<UnitSource, "cells"> {
  /** Cells that growing would add. */
  grownCells(): number;
}

/** How much is free in runs of the sizes that things take: by node, by data block, by slot. */
export class UsableRuns {
  private readonly source: RunSource;
  private readonly nodes: FreeUnits;
  /** By cells: of runs longer than nodes that were asked for. */
  private readonly blocks = new Map<number, FreeUnits>();
  private readonly slots: FreeUnits;

  constructor(source: RunSource) {
    this.source = source;
    this.nodes = new FreeUnits({ ...source, cells: NODE_CELLS_MAX });
    this.slots = new FreeUnits({ ...source, cells: SLOT_CELLS });
  }

  /** The bitmap of a segment has changed. */
  changed(segment: number): void {
    this.nodes.changed(segment);
    for (const units of this.blocks.values()) units.changed(segment);
    this.slots.changed(segment);
  }

  /** Other segments count from now on. */
  forget(): void {
    this.nodes.forget();
    for (const units of this.blocks.values()) units.forget();
    this.slots.forget();
  }

  /**
   * Cells in runs that a tree node fits into, grown ones included: at least `enough`, or all there are. What takes up to
   * {@linkcode NODE_CELLS_MAX} cells uses up no more than one such run, wherever free cells lie.
   */
  forNodes(enough: number): number {
    return this.cellsIn(this.nodes, NODE_CELLS_MAX, enough);
  }

  /** Likewise, cells in runs of `cells`; where those are no longer than nodes, any number. */
  forRuns(enough: number, cells: number): number {
    if (cells <= NODE_CELLS_MAX) return enough;
    let units = this.blocks.get(cells);
    if (units === undefined) {
      this.blocks.set(cells, units = new FreeUnits({ ...this.source, cells }));
    }
    return this.cellsIn(units, cells, enough);
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
