import type { Page } from "./page.ts";

/** Where a tree's pages come from and go to. The tree knows no ids and no places: pointers are its values. */
export interface PageSource {
  /** Bytes of a pointer to a page, as stored in the parent's record. */
  readonly pointerBytes: number;
  /** The page that the pointer at `bytes[at…]` names, from the cache or the medium. */
  load(bytes: Uint8Array, at: number): Page;
  /** The same, only if it is in memory. */
  resident(bytes: Uint8Array, at: number): Page | undefined;
  /** A new, empty, dirty page. */
  create(level: number): Page;
  /**
   * Gives a clean page up and returns a dirty one with its records under a new ref: the page itself, or a copy where
   * another tree may have the page in memory too.
   */
  makeWritable(page: Page): Page;
  /** The page is no longer part of the tree. */
  discard(page: Page): void;
  /** Writes the pointer of a dirty page. */
  writePointer(page: Page, bytes: Uint8Array, at: number): void;
}
