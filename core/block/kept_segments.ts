import { VaultError } from "../errors.ts";
import { SEGMENT_CELLS } from "../limits.ts";
import type { TakingOrder } from "./segment_order.ts";

/** Segments that the two copies of the header take at the start of every medium. */
export const HEADER_SEGMENTS = 2;
/** A dense vault sets as many more aside, whether or not a hidden vault has its header there. */
export const DENSE_HEADER_SEGMENTS = 4;

/** Segments at the start of the medium that are never given out. */
export function headerSegments(dense: boolean): number {
  return dense ? DENSE_HEADER_SEGMENTS : HEADER_SEGMENTS;
}

/**
 * Segments at the far end of the keyed order that are not taken, because a hidden vault lies there. Nothing is written down
 * of this: the vault that keeps them looks like one that never came so far.
 */
export class KeptSegments {
  /** Cells in all of them. */
  readonly cells: number;
  private readonly order: TakingOrder;
  private readonly segments: number;
  private readonly first: number;

  /** Keeps positions from `first` on. `isUnused` says of each segment whether it was never taken from. */
  constructor(
    order: TakingOrder,
    range: { readonly first: number; readonly segments: number },
    isUnused: (segment: number) => boolean,
  ) {
    this.order = order;
    this.segments = range.segments;
    this.first = range.first;
    let count = 0;
    for (let position = range.first; position < range.segments; position++) {
      const segment = order.segmentAt(position, range.segments);
      if (segment < DENSE_HEADER_SEGMENTS) continue;
      if (!isUnused(segment)) throw overwritten();
      count++;
    }
    this.cells = count * SEGMENT_CELLS;
  }

  /** True where a segment is kept. */
  has(segment: number): boolean {
    return segment >= DENSE_HEADER_SEGMENTS &&
      this.order.positionOf(segment, this.segments) >= this.first;
  }
}

function overwritten(): VaultError {
  return new VaultError(
    "corrupt",
    "Cannot protect the hidden vault: the outer one has written over part of it; " +
      "save what still reads there and make it anew",
    { operation: "open vault" },
  );
}
