import type { Page } from "../btree/page.ts";
import { compare, getU64, viewOf } from "../bytes.ts";
import { VaultError } from "../errors.ts";
import type { IdPages } from "./id_pages.ts";

/** Told of a key with its value before and after; null: it is not there. Views, valid during the call. */
export type DifferenceVisitor = (
  key: Uint8Array,
  before: Uint8Array | null,
  after: Uint8Array | null,
) => void;

/** In place of the block id of a node: at a record, and at the end. */
const NONE = -1;

/** Nodes by id, of whatever kind of volume. */
export type NodePages = Pick<IdPages, "page"> & { readonly cache: { trim(): void } };

/** A page on the way down, and the record that is next in it. */
interface Step {
  readonly page: Page;
  index: number;
}

/** The roots of two trees. */
export interface TreePair {
  readonly before: Page;
  readonly after: Page;
}

/** A key with its value before and after; null: it is not there. Views, valid while the trees are not changed. */
export interface KeyDifference {
  readonly key: Uint8Array;
  readonly before: Uint8Array | null;
  readonly after: Uint8Array | null;
}

/**
 * Visits the keys whose values differ in two trees, in order. A node that both have is passed over without being read, so
 * this costs what changed. The trees must not be changed meanwhile.
 */
export function treeDifference(pages: NodePages, roots: TreePair, visit: DifferenceVisitor): void {
  for (const { key, before, after } of treeDifferences(pages, roots)) visit(key, before, after);
}

/** The same from a key on, one after the other: the trees must not be changed before the last. */
export function* treeDifferences(
  pages: NodePages,
  { before, after }: TreePair,
  from: Uint8Array = new Uint8Array(0),
): Generator<KeyDifference> {
  if (before.ref === after.ref) return;
  const [old, now] = [new TreeWalk(pages, before, from), new TreeWalk(pages, after, from)];
  while (!old.ended || !now.ended) {
    if (old.child !== NONE && old.child === now.child) {
      old.skip();
      now.skip();
    } else if (old.mustEnterBefore(now)) old.enter();
    else if (now.mustEnterBefore(old)) now.enter();
    else yield* nextDifference(old, now);
  }
}

/** Both are at records, or one is, which comes before the other's node. */
function* nextDifference(old: TreeWalk, now: TreeWalk): Generator<KeyDifference> {
  const order = old.ended ? 1 : now.ended ? -1 : compare(old.bound, now.bound);
  if (order < 0) yield { key: old.bound, before: old.value, after: null };
  else if (order > 0) yield { key: now.bound, before: null, after: now.value };
  else if (compare(old.value, now.value) !== 0) {
    yield { key: now.bound, before: old.value, after: now.value };
  }
  if (order <= 0) old.skip();
  if (order >= 0) now.skip();
}

/** A place in a tree: at a node that has not been entered, or at a record of a leaf. */
class TreeWalk {
  private readonly pages: NodePages;
  private readonly path: Step[] = [];
  private readonly from: Uint8Array;
  /** The key of a record; of a node a bound that no key below it is under. */
  bound: Uint8Array = new Uint8Array(0);
  /** Block id of the node that this is at. */
  child = NONE;

  /** Begins at the first record that is not before `from`. */
  constructor(pages: NodePages, root: Page, from: Uint8Array) {
    this.pages = pages;
    this.from = from;
    this.begin(root);
  }

  private begin(page: Page): void {
    const found = page.search(this.from);
    const index = page.level > 0 ? page.childIndex(this.from) : found < 0 ? -found - 1 : found;
    this.path.push({ page, index });
    this.settle();
  }

  get ended(): boolean {
    return this.path.length === 0;
  }

  get value(): Uint8Array {
    const { page, index } = this.path[this.path.length - 1];
    return page.value(index);
  }

  /** True where this is at a node, and what the other is at may come after something in it. */
  mustEnterBefore(other: TreeWalk): boolean {
    if (this.child === NONE) return false;
    if (other.ended) return true;
    const order = compare(this.bound, other.bound);
    if (order !== 0) return order < 0;
    // The higher one first: it may hold the other.
    return other.child === NONE || this.level >= other.level;
  }

  private get level(): number {
    return this.path[this.path.length - 1].page.level;
  }

  /** Goes into the node. */
  enter(): void {
    const page = this.pages.page(this.child);
    // Also what ends a walk through nodes that lead to each other.
    if (page.level !== this.level - 1) {
      throw new VaultError("corrupt", "Cannot read tree node: its level does not fit its parent's");
    }
    this.pages.cache.trim();
    this.begin(page);
  }

  /** Passes over the node or the record. */
  skip(): void {
    this.path[this.path.length - 1].index++;
    this.settle();
  }

  private settle(): void {
    let last = this.path[this.path.length - 1];
    while (last !== undefined && last.index >= last.page.count) {
      this.path.pop();
      last = this.path[this.path.length - 1];
      if (last !== undefined) last.index++;
    }
    this.child = NONE;
    if (last === undefined) return;
    const { page, index } = last;
    const key = page.key(index);
    if (page.level === 0) {
      this.bound = key;
      return;
    }
    this.child = getU64(viewOf(page.value(index)), 0);
    // The first key of an inner page is empty: its meaning is the bound of the page, which is still the one here.
    if (key.length > 0) this.bound = key;
  }
}
