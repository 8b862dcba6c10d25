import type { Tree } from "../btree/tree.ts";
import { decodeExtent, emptyExtent, type Extent } from "../format/extent.ts";
import {
  encodeExtentKey,
  EXTENT_KEY_BYTES,
  KEY_TYPE,
  keyBelongsTo,
  keyBlock,
} from "../format/volume_key.ts";

/** An extent and the file block that it starts at. */
export interface PlacedExtent extends Extent {
  readonly first: number;
}

/** File blocks from `first` to before `end`. */
export interface BlockSpan {
  readonly first: number;
  readonly end: number;
}

/** Blocks that lie in one extent, or in none. */
interface Stretch extends BlockSpan {
  readonly extent: PlacedExtent | null;
}

/** The extents of a tree, a few at a time. */
export class StreamExtents {
  readonly #tree: Tree;
  readonly #key = new Uint8Array(EXTENT_KEY_BYTES);

  constructor(tree: Tree) {
    this.#tree = tree;
  }

  /** The parts of an extent of another tree that this one does not have at the same blocks of the file. */
  *unlike(ino: number, extent: PlacedExtent): Generator<BlockSpan> {
    let first = extent.first;
    const end = first + extent.count;
    for (const stretch of this.#stretches(ino, { first, end })) {
      if (stretch.extent === null || !isAlike(extent, stretch.extent)) continue;
      if (stretch.first > first) yield { first, end: stretch.first };
      first = stretch.end;
    }
    if (end > first) yield { first, end };
  }

  /** The parts of a span that are holes here. */
  *holes(ino: number, span: BlockSpan): Generator<BlockSpan> {
    for (const { first, end, extent } of this.#stretches(ino, span)) {
      if (extent === null) yield { first, end };
    }
  }

  /** The id of one block; null where there is none. */
  idAt(ino: number, block: number): number | null {
    const extent = this.#from(ino, block);
    const isThere = extent !== null && extent.first <= block && !extent.unwritten;
    return isThere ? extent.firstId + block - extent.first : null;
  }

  *#stretches(ino: number, { first, end }: BlockSpan): Generator<Stretch> {
    for (let at = first; at < end;) {
      const extent = this.#from(ino, at);
      const start = Math.min(end, extent?.first ?? end);
      if (start > at) yield { first: at, end: start, extent: null };
      if (extent === null || start === end) return;
      const stop = Math.min(end, extent.first + extent.count);
      yield { first: Math.max(at, start), end: stop, extent };
      at = stop;
    }
  }

  /** The extent that a block lies in, else the first behind it. */
  #from(ino: number, block: number): PlacedExtent | null {
    let found: PlacedExtent | null = null;
    const meet = (key: Uint8Array, value: Uint8Array) => {
      if (keyBelongsTo(key, KEY_TYPE.extent, ino)) found = placedExtent(key, value);
      return false;
    };
    const key = encodeExtentKey(this.#key, ino, block);
    this.#tree.floor(key, meet);
    const before = found as PlacedExtent | null;
    if (before !== null && before.first + before.count > block) return before;
    found = null;
    this.#tree.scan(key, meet);
    return found;
  }
}

/** An extent from its record. */
export function placedExtent(key: Uint8Array, value: Uint8Array): PlacedExtent {
  const extent = emptyExtent();
  decodeExtent(value, extent);
  return { ...extent, first: keyBlock(key) };
}

/** True where they hold the same at the blocks that both have: ids name content. */
function isAlike(one: PlacedExtent, other: PlacedExtent): boolean {
  if (one.unwritten || other.unwritten) return one.unwritten === other.unwritten;
  return one.firstId - one.first === other.firstId - other.first;
}
