/** Whose tree refers to a block. */
export interface BlockOwner {
  /** The number by which the intent log knows it. */
  readonly branch: number;
  /** Told that it gives a block up; true where nobody else has it, so that its cells come free. */
  gaveUp(id: number, birth: number, cells: number): boolean;
}

/** Told of every change of the map, for the intent log. */
export interface MapObserver {
  /** `owner` is null where a block only moved. */
  entryPut(id: number, entry: Uint8Array, owner: BlockOwner | null): void;
  runDropped(firstId: number, count: number, owner: BlockOwner): void;
}
