import type { FileSystem } from "./file_system.ts";

/** A tree of files among several that one mount shows. */
export interface View {
  /**
   * Its files, opened when they are needed. Throws ESTALE where they are gone for good, EMFILE where too many views
   * are in use.
   */
  readonly fileSystem: FileSystem;
  /** The view whose root directory leads to this one's; null of the outermost. */
  readonly up: View | null;
  /** True where files may be removed in it: what the kernel still knows of them is held. */
  readonly isLive: boolean;
  /** True where names lead from its root directory to other views that come and go unasked. */
  readonly changing: boolean;
  /** The view that a name in its root directory leads to; entries of the directory itself go first. */
  joint(name: Uint8Array): View | null;
  /** What a listing of its root directory shows behind the directory's own entries, cookies ascending. */
  joints(): Iterable<Joint>;
  /** A file of it was opened: it stays open until that is released. */
  pin(): void;
  /** One was released. */
  unpin(): void;
}

/** A name that leads to the root directory of a view. */
export interface Joint {
  readonly name: Uint8Array;
  /** Below 2^53, and above those of the directory's own entries. */
  readonly cookie: number;
  readonly view: View;
}
