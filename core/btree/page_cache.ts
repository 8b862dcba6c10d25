import type { Page } from "./page.ts";

/** What a page costs beside its bytes: object, view and map entry. */
const PAGE_OVERHEAD_BYTES = 300;

/**
 * Pages in memory by ref. Clean ones are let go, those not used lately first, when they take more than
 * the limit; dirty ones stay. Only `trim` lets pages go, so that views into pages stay valid during an operation.
 */
export class PageCache {
  private readonly pages = new Map<number, Page>();
  private readonly limit: number;
  private cleanBytes = 0;
  dirtyBytes = 0;

  /** Keeps clean pages of at most `limit` bytes. */
  constructor(limit: number) {
    this.limit = limit;
  }

  get(ref: number): Page | undefined {
    return this.pages.get(ref);
  }

  add(page: Page): void {
    this.pages.set(page.ref, page);
    this.count(page, 1);
  }

  delete(page: Page): void {
    if (this.pages.delete(page.ref)) this.count(page, -1);
  }

  /** Runs `change` on a page whose ref, size or dirtiness it changes. */
  change(page: Page, change: () => void): void {
    this.delete(page);
    change();
    this.add(page);
  }

  private count(page: Page, sign: 1 | -1): void {
    const bytes = sign * (page.bytes.length + PAGE_OVERHEAD_BYTES);
    if (page.dirty) this.dirtyBytes += bytes;
    else this.cleanBytes += bytes;
  }

  /** All dirty pages. */
  dirty(): Page[] {
    return [...this.pages.values()].filter((page) => page.dirty);
  }

  /** Lets clean pages go until the limit is kept: in insertion order, with a second chance for those in use. */
  trim(): void {
    if (this.cleanBytes <= this.limit) return;
    let left = 2 * this.pages.size;
    for (const page of this.pages.values()) {
      if (this.cleanBytes <= this.limit * 0.9 || left-- <= 0) return;
      if (page.dirty) continue;
      this.pages.delete(page.ref);
      if (page.touched) {
        page.touched = false;
        this.pages.set(page.ref, page);
      } else {
        this.count(page, -1);
      }
    }
  }

  /** Forgets every page. */
  clear(): void {
    this.pages.clear();
    this.cleanBytes = 0;
    this.dirtyBytes = 0;
  }
}
