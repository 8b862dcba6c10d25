/** A name in a directory. */
export interface NamePlace {
  readonly parent: number;
  readonly name: Uint8Array;
}

/** What is remembered wrongly, by whoever looked before, once the filesystem's state has been replaced by another. */
export interface Outdated {
  /** Inodes whose attributes or data are others now, or that are gone. */
  readonly inodes: ReadonlySet<number>;
  /** Names that lead elsewhere now, or nowhere, or somewhere at last. */
  readonly names: readonly NamePlace[];
  /** Open inodes whose file is gone or was changed: what was opened before answers ESTALE. */
  readonly stale: readonly StaleNode[];
}

/** An inode that must not be used through what was opened before. */
export interface StaleNode {
  readonly ino: number;
  /** How often it is open. */
  readonly opens: number;
}

/** What the forgetting of everything in memory finds out. */
export interface ResetReport {
  /** Inodes of which more than the access time was taken back: those that are known, to which others are added. */
  readonly changed: Set<number>;
  /** Those of them that are open are added. */
  readonly stale: StaleNode[];
}

/** What the kernel keeps of a mounted filesystem. The filesystem goes on answering while these wait. */
export interface KernelCache {
  /**
   * The barrier: resolves when what programs had written through memory maps before the call has reached the filesystem. Without
   * it, those pages are nowhere but in the kernel.
   */
  takeIn(): Promise<void>;
  /** Makes the kernel forget what is outdated; stale handles answer ESTALE from the moment of the call. */
  drop(outdated: Outdated): Promise<void>;
  /** Makes it forget what it has of the content of a file, under whatever number it knows it: in snapshots too. */
  dropContent(ino: number): Promise<void>;
}
