/** Places of a block at most (k + m). */
export const PLACES_MAX = 32;

/** How much may be lost: any m of k + m shards, or all but one of m + 1 copies. */
export interface Redundancy {
  /** Data shards of a full block. */
  readonly k: number;
  /** Parity shards; also the further copies of whatever is kept whole. */
  readonly m: number;
}

/** One place for everything. */
export const UNPROTECTED: Redundancy = { k: 1, m: 0 };

/** True where such a redundancy exists: shards without parity would only spread the harm. */
export function isRedundancy({ k, m }: Redundancy): boolean {
  if (!Number.isInteger(k) || !Number.isInteger(m)) return false;
  return k >= 1 && m >= 0 && k + m <= PLACES_MAX && (k === 1 || m >= 1);
}

/** How a block of so many cells is kept: in shards where each has a cell or more, else in copies (k = 1). */
export function shapeOf({ k, m }: Redundancy, cells: number): Redundancy {
  return cells >= k ? { k, m } : { k: 1, m };
}

/** Cells that a block of so many cells takes in all its places. */
export function cellsStored(redundancy: Redundancy, cells: number): number {
  const { k, m } = shapeOf(redundancy, cells);
  return (k + m) * Math.ceil(cells / k);
}

/** Cells that all places of a block take for each cell of it, at worst: whatever its length. */
export function storageRate(redundancy: Redundancy, blockCells: number): number {
  let most = 0;
  for (let cells = 1; cells <= blockCells; cells++) {
    most = Math.max(most, cellsStored(redundancy, cells));
  }
  return most / blockCells;
}

/** Cells of the largest run that a data block takes: of a shard of a full one, or of the longest that is kept in copies. */
export function largestRun(redundancy: Redundancy, blockCells: number): number {
  const { k } = shapeOf(redundancy, blockCells);
  return Math.max(Math.ceil(blockCells / k), Math.min(blockCells, redundancy.k - 1));
}
