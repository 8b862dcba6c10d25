import type { Page } from "../btree/page.ts";
import { compare, getU64, viewOf } from "../bytes.ts";
import { VaultError } from "../errors.ts";
import type { KeyRange } from "../volume/node_scrub.ts";

const FIRST_KEY = new Uint8Array(0);

/** A volume's tree with holes: what can be read of it. Nodes are read anew each time: nothing is cached. */
export class TolerantTree {
  /** What could not be read by the scans so far. */
  readonly holes: KeyRange[] = [];
  readonly #root: number;
  readonly #node: (id: number) => Page;

  /** The tree below a root node; `node` throws `corrupt` where one cannot be read. */
  constructor(root: number, node: (id: number) => Page) {
    this.#root = root;
    this.#node = node;
  }

  /** True where the root node can be read. */
  get opens(): boolean {
    return this.#read(this.#root, null) !== null;
  }

  /** Visits all records that can be read with keys from `from` on, in order, until `visit` returns false. */
  scan(from: Uint8Array, visit: (key: Uint8Array, value: Uint8Array) => boolean): void {
    this.#below(this.#root, { low: FIRST_KEY, high: null, level: null }, { from, visit });
  }

  /** A view of the value of a key; null where there is none, or it cannot be read. */
  get(key: Uint8Array): Uint8Array | null {
    let found: Uint8Array | null = null;
    this.scan(key, (at, value) => {
      if (compare(at, key) === 0) found = value;
      return false;
    });
    return found;
  }

  #read(id: number, level: number | null): Page | null {
    try {
      const page = this.#node(id);
      // Also what ends a descent through nodes that lead to each other.
      return level === null || page.level === level ? page : null;
    } catch (error) {
      if (error instanceof VaultError && error.kind === "corrupt") return null;
      throw error;
    }
  }

  #below(id: number, range: Below, wanted: Wanted): boolean {
    const page = this.#read(id, range.level);
    if (page === null) {
      this.#note(range);
      return true;
    }
    const found = page.level === 0 ? page.search(wanted.from) : page.childIndex(wanted.from);
    for (let i = found < 0 ? -found - 1 : found; i < page.count; i++) {
      if (page.level === 0) {
        if (!wanted.visit(page.key(i), page.value(i))) return false;
        continue;
      }
      const low = i === 0 ? range.low : page.key(i).slice();
      const high = i + 1 < page.count ? page.key(i + 1).slice() : range.high;
      const child = getU64(viewOf(page.value(i)), 0);
      if (!this.#below(child, { low, high, level: page.level - 1 }, wanted)) return false;
    }
    return true;
  }

  #note({ low, high }: KeyRange): void {
    if (!this.holes.some((hole) => compare(hole.low, low) === 0)) this.holes.push({ low, high });
  }
}

interface Below extends KeyRange {
  readonly level: number | null;
}

interface Wanted {
  readonly from: Uint8Array;
  readonly visit: (key: Uint8Array, value: Uint8Array) => boolean;
}
