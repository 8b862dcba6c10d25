import { assert } from "../assert.ts";
import { VaultError } from "../errors.ts";
import { KEY_BYTES_MAX, VALUE_BYTES_MAX } from "../format/node.ts";
import type { Page } from "./page.ts";
import type { PageSource } from "./page_source.ts";

/** Deeper than any tree that fits into 2^53 records. */
const DEPTH_MAX = 24;
/** A page that uses less than this share of its room looks for a neighbour to join. */
const SPARSE_SHARE = 0.25;
/** Two pages join when the result uses at most this share: it does not split again at once. */
const JOINED_SHARE = 0.75;
const FIRST_KEY = new Uint8Array(0);

/**
 * A copy-on-write B+tree of byte strings. Changing a page that was stored makes it writable under a new ref,
 * and so its path up to the root; everything stored stays as it was.
 */
export class Tree {
  private readonly pages: PageSource;
  root: Page;
  /** The path of the last descent: pages and the index taken in each. */
  private readonly path: Page[] = new Array(DEPTH_MAX);
  private readonly taken = new Int32Array(DEPTH_MAX);
  private depth = 0;
  private readonly pointer: Uint8Array<ArrayBuffer>;

  /** A tree over `pages`; without a root it starts empty. */
  constructor(pages: PageSource, root?: Page) {
    this.pages = pages;
    this.root = root ?? pages.create(0);
    this.pointer = new Uint8Array(pages.pointerBytes);
  }

  /** A view of the value of `key`, or null; valid until the next call. */
  get(key: Uint8Array): Uint8Array<ArrayBuffer> | null {
    const page = this.descend(key);
    const at = page.search(key);
    return at < 0 ? null : page.value(at);
  }

  /** The leaf in which a key is, or would be. */
  leafOf(key: Uint8Array): Page {
    return this.descend(key);
  }

  /** Finds the leaf for `key` and remembers the path. */
  private descend(key: Uint8Array): Page {
    let page = this.root;
    let depth = 0;
    page.touched = true;
    while (page.level > 0) {
      const index = page.childIndex(key);
      this.path[depth] = page;
      this.taken[depth++] = index;
      assert(depth < DEPTH_MAX, "tree is not too deep");
      page = this.child(page, index);
    }
    this.depth = depth;
    return page;
  }

  private child(page: Page, index: number): Page {
    const child = this.pages.load(page.bytes, page.valueOffset(index));
    child.touched = true;
    // Also what ends a descent through nodes that lead to each other.
    if (child.level !== page.level - 1) {
      throw new VaultError("corrupt", "Cannot read tree node: its level does not fit its parent's");
    }
    return child;
  }

  /** Finds the leaf for `key`, making every page on the way writable. */
  private descendToWrite(key: Uint8Array): Page {
    const leaf = this.descend(key);
    if (leaf.dirty) return leaf; // the ancestors of a dirty page are dirty
    let writable = leaf;
    for (let i = 0; i <= this.depth; i++) {
      const page = i === this.depth ? leaf : this.path[i];
      if (page.dirty) continue;
      writable = this.path[i] = this.pages.makeWritable(page);
      if (i === 0) this.root = writable;
      else this.repoint(this.path[i - 1], this.taken[i - 1], writable);
    }
    return writable;
  }

  /** Writes `child`'s present pointer into its parent's record. */
  private repoint(parent: Page, index: number, child: Page): void {
    this.pages.writePointer(child, parent.bytes, parent.valueOffset(index));
  }

  /** Makes the pages on the way to a key writable, so that the next root stores them elsewhere. Returns the leaf's last key. */
  rewritePath(key: Uint8Array): Uint8Array {
    const leaf = this.descendToWrite(key);
    return leaf.count === 0 ? key : leaf.key(leaf.count - 1).slice();
  }

  /** Inserts or replaces; true where there was no such key. */
  put(key: Uint8Array, value: Uint8Array): boolean {
    assert(key.length <= KEY_BYTES_MAX && value.length <= VALUE_BYTES_MAX, "record fits a node");
    const leaf = this.descendToWrite(key);
    const at = leaf.search(key);
    if (at < 0) this.insert(leaf, this.depth, -at - 1, { key, value });
    else if (leaf.fitsValue(at, value.length)) leaf.replace(at, value);
    else {
      leaf.remove(at);
      this.insert(leaf, this.depth, at, { key, value });
    }
    return at < 0;
  }

  /** Inserts into a writable page at `depth` of the path, splitting it when it is full. */
  private insert(page: Page, depth: number, index: number, record: Entry): void {
    if (page.fits(record.key.length, record.value.length)) {
      page.insert(index, record.key, record.value);
      return;
    }
    const size = record.key.length + record.value.length;
    // A page that only grows at its end is left full.
    let cut = index === page.count ? page.count : page.middle();
    if (cut < page.count && !page.halfFits(cut, index >= cut, size)) cut = index;
    const right = this.pages.create(page.level);
    if (cut < page.count) page.splitInto(right, cut);
    const toRight = index > cut ||
      (index === cut && right.fits(record.key.length, record.value.length));
    if (toRight) right.insert(index - cut, record.key, record.value);
    else page.insert(index, record.key, record.value);
    this.addSibling(page, right, depth);
  }

  /** Enters `right`, split off `left` (at `depth` of the path), into the parent. */
  private addSibling(left: Page, right: Page, depth: number): void {
    const key = right.key(0).slice();
    if (depth === 0) {
      const root = this.pages.create(left.level + 1);
      root.insert(0, FIRST_KEY, this.pointerOf(left));
      root.insert(1, key, this.pointerOf(right));
      this.root = root;
      return;
    }
    const value = this.pointerOf(right).slice();
    this.insert(this.path[depth - 1], depth - 1, this.taken[depth - 1] + 1, { key, value });
  }

  private pointerOf(page: Page): Uint8Array<ArrayBuffer> {
    this.pages.writePointer(page, this.pointer, 0);
    return this.pointer;
  }

  /** Removes; false where there was no such key. */
  delete(key: Uint8Array): boolean {
    const found = this.descend(key);
    if (found.search(key) < 0) return false;
    const leaf = this.descendToWrite(key);
    leaf.remove(leaf.search(key));
    this.shrink(leaf, this.depth);
    return true;
  }

  /** Drops an empty page, joins a sparse one with its neighbour, lowers the root. */
  private shrink(page: Page, depth: number): void {
    if (depth === 0) return this.lowerRoot();
    if (page.usedBytes() > page.bytes.length * SPARSE_SHARE) return;
    const parent = this.path[depth - 1];
    const index = this.taken[depth - 1];
    if (page.count === 0) {
      this.pages.discard(page);
      this.removeChild(parent, index);
    } else if (!this.join(parent, index) && !(index > 0 && this.join(parent, index - 1))) {
      return;
    }
    this.shrink(parent, depth - 1);
  }

  /** Removes a child's record; the first child's key stays the empty one (it means "from the start"). */
  private removeChild(parent: Page, index: number): void {
    parent.remove(index);
    if (index > 0 || parent.count === 0) return;
    const pointer = parent.value(0).slice();
    parent.remove(0);
    parent.insert(0, FIRST_KEY, pointer);
  }

  /** Joins child `index` with the next one when both are in memory and fit into one page. */
  private join(parent: Page, index: number): boolean {
    if (index + 1 >= parent.count) return false;
    const left = this.pages.resident(parent.bytes, parent.valueOffset(index));
    const right = this.pages.resident(parent.bytes, parent.valueOffset(index + 1));
    if (left === undefined || right === undefined || !left.dirty) return false;
    if (left.usedBytes() + right.usedBytes() > left.bytes.length * JOINED_SHARE) return false;
    const separator = parent.key(index + 1).slice();
    // First: it may have to read, and where that fails no record is there twice.
    this.pages.discard(right);
    for (let i = 0; i < right.count; i++) {
      // The first key of an inner page is empty: there its meaning is the parent's separator.
      const key = right.level > 0 && i === 0 ? separator : right.key(i);
      left.insert(left.count, key, right.value(i));
    }
    parent.remove(index + 1);
    return true;
  }

  private lowerRoot(): void {
    while (this.root.level > 0 && this.root.count <= 1) {
      const old = this.root;
      this.root = old.count === 1 ? this.child(old, 0) : this.pages.create(0);
      this.pages.discard(old);
    }
  }

  /** Makes every stored page that `matches` writable, so that the next root stores it elsewhere. */
  rewrite(matches: (page: Page) => boolean): void {
    this.rewriteBelow(this.root, [], matches);
  }

  private rewriteBelow(page: Page, above: Step[], matches: (page: Page) => boolean): void {
    if (!page.dirty && matches(page)) this.makePathWritable(page, above);
    if (page.level === 0) return;
    for (let index = 0; index < page.count; index++) {
      const child = this.child(page, index);
      this.rewriteBelow(child, [...above, { page, index }], matches);
    }
  }

  private makePathWritable(page: Page, above: readonly Step[]): void {
    const path = [...above.map((step) => step.page), page];
    path.forEach((each, depth) => {
      if (each.dirty) return;
      const writable = this.pages.makeWritable(each);
      assert(writable === each, "pages that are named by place are changed in place");
      if (depth > 0) this.repoint(path[depth - 1], above[depth - 1].index, each);
    });
  }

  /** Visits records with `from <= key` in order until `visit` returns false. */
  scan(from: Uint8Array, visit: (key: Uint8Array, value: Uint8Array) => boolean): void {
    let page = this.descend(from);
    let at = page.search(from);
    if (at < 0) at = -at - 1;
    const path = this.path.slice(0, this.depth);
    const taken = this.taken.slice(0, this.depth);
    for (;;) {
      for (; at < page.count; at++) if (!visit(page.key(at), page.value(at))) return;
      const next = this.neighbour(path, taken, 1);
      if (next === null) return;
      page = next;
      at = 0;
    }
  }

  /** Visits the last record with key <= `key`; false where there is none. */
  floor(key: Uint8Array, visit: (key: Uint8Array, value: Uint8Array) => void): boolean {
    let page = this.descend(key);
    const found = page.search(key);
    let at = found >= 0 ? found : -found - 2;
    if (at < 0) {
      const taken = this.taken.slice(0, this.depth);
      const before = this.neighbour(this.path.slice(0, this.depth), taken, -1);
      if (before === null) return false;
      page = before;
      at = page.count - 1;
    }
    visit(page.key(at), page.value(at));
    return true;
  }

  /** The leaf after (+1) or before (-1) the one that the path leads to; moves the path. */
  private neighbour(path: Page[], taken: Int32Array, step: 1 | -1): Page | null {
    for (let depth = path.length - 1; depth >= 0; depth--) {
      const index = taken[depth] + step;
      if (index < 0 || index >= path[depth].count) continue;
      taken[depth] = index;
      let page = this.child(path[depth], index);
      for (let below = depth + 1; below < path.length; below++) {
        path[below] = page;
        taken[below] = step > 0 ? 0 : page.count - 1;
        page = this.child(page, taken[below]);
      }
      return page;
    }
    return null;
  }
}

/** A page on the way down and the record taken in it. */
interface Step {
  readonly page: Page;
  readonly index: number;
}

interface Entry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}
