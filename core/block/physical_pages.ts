import { assert } from "../assert.ts";
import { PageCache } from "../btree/page_cache.ts";
import { Page } from "../btree/page.ts";
import type { PageSource } from "../btree/page_source.ts";
import { putU48, readU48 } from "../bytes.ts";
import { VaultError } from "../errors.ts";
import { checkInnerNode, readNodeHeader, type TreeKind, writeNodeHeader } from "../format/node.ts";
import type { SealedPlace } from "../format/place.ts";
import { pointerBytes, readPointer, writePointer } from "../format/pointer.ts";
import type { Kind } from "../format/seal_aad.ts";
import { MEMBER_CELLS } from "../limits.ts";
import type { NodeIo } from "./node_io.ts";
import type { Space } from "./space.ts";

/** Refs from here on name dirty pages, which have no place yet; cells of all members are below. */
const UNPLACED = 2 ** 47;
/** Where the number of a pointer's first cell lies. */
const CELL_AT = 8;

/** What a dirty page's pointer says once it is stored. */
interface Placed {
  readonly cells: number;
  readonly copies: readonly SealedPlace[];
}

/** What pages of one tree are made of. */
export interface PhysicalPagesOptions {
  readonly io: NodeIo;
  readonly tree: TreeKind;
  readonly kind: Kind;
  /** Epoch of what is sealed now. */
  epoch(): number;
  /** Copies of every node. */
  readonly copies: number;
  readonly cacheBytes: number;
  /** Told of nodes that were read from a further copy: a key that lies in the node, and how many copies were bad. */
  damaged(key: Uint8Array, bad: number): void;
}

/**
 * Pages of the block map, of space and of the catalog: named by place, because what maps ids to places, or says which ids are in use, cannot be named by id. A
 * dirty page gets its place when the root is written, children before parents.
 */
export class PhysicalPages implements PageSource {
  readonly pointerBytes: number;
  readonly cache: PageCache;
  private readonly options: PhysicalPagesOptions;
  /** First cells of all copies of stored pages, where there are several; the first is the page's ref. */
  private readonly cells = new WeakMap<Page, readonly number[]>();
  private space: Space | null = null;
  private unplaced = UNPLACED;

  constructor(options: PhysicalPagesOptions) {
    this.options = options;
    this.pointerBytes = pointerBytes(options.copies);
    this.cache = new PageCache(options.cacheBytes);
  }

  /** Space needs a tree and the tree needs space: this closes the circle. */
  useSpace(space: Space): void {
    this.space = space;
  }

  load(bytes: Uint8Array, at: number): Page {
    return this.resident(bytes, at) ?? this.read(bytes, at);
  }

  resident(bytes: Uint8Array, at: number): Page | undefined {
    return this.cache.get(refAt(bytes, at));
  }

  private read(bytes: Uint8Array, at: number): Page {
    const { io, kind, copies } = this.options;
    const pointer = readPointer(bytes, at);
    if (pointer.copies.length !== copies) {
      throw new VaultError("corrupt", "Cannot read tree node: its pointer has other copies");
    }
    const { bytes: plaintext, bad } = io.read({ ...pointer, kind, id: 0, level: 0 });
    checkInnerNode(plaintext, this.pointerBytes);
    const { level } = readNodeHeader(plaintext);
    const page = new Page(plaintext, pointer.copies[0].cell, level, false);
    this.place(page, pointer.copies);
    this.cache.add(page);
    if (bad > 0) this.options.damaged(page.innerKey(), bad);
    return page;
  }

  private place(page: Page, copies: readonly SealedPlace[]): void {
    if (copies.length > 1) this.cells.set(page, copies.map(({ cell }) => cell));
  }

  /** First cells of all copies of a stored page. */
  cellsOf(page: Page): readonly number[] {
    return this.cells.get(page) ?? [page.ref];
  }

  create(level: number): Page {
    const page = Page.empty(this.unplaced++, level);
    this.cache.add(page);
    return page;
  }

  makeWritable(page: Page): Page {
    this.giveUp(page);
    this.cache.change(page, () => page.makeWritable(this.unplaced++));
    return page;
  }

  private giveUp(page: Page): void {
    assert(this.space !== null, "space is known before anything changes");
    const { cells } = readNodeHeader(page.bytes);
    for (const cell of this.cellsOf(page)) this.space.free(cell, cells);
  }

  discard(page: Page): void {
    this.cache.delete(page);
    if (!page.dirty) this.giveUp(page);
  }

  writePointer(page: Page, bytes: Uint8Array, at: number): void {
    assert(page.dirty, "a pointer is written by its page's change, or by store");
    bytes.fill(0, at, at + this.pointerBytes);
    putU48(bytes, at + CELL_AT + 2, page.ref);
  }

  /** Seals and writes every dirty page, children first, and returns the pointer to `root`. */
  store(root: Page, sequence: number): Uint8Array<ArrayBuffer> {
    const pointer = new Uint8Array(this.pointerBytes);
    const placed = new Map<number, Placed>();
    const dirty = this.cache.dirty().sort((a, b) => a.level - b.level);
    for (let from = 0; from < dirty.length;) {
      const level = dirty[from].level;
      let to = from;
      for (; to < dirty.length && dirty[to].level === level; to++) {
        this.queue(dirty[to], sequence, placed);
      }
      this.options.io.flush();
      from = to;
    }
    assert(placed.has(root.ref), "the root was dirty");
    this.point(pointer, 0, placed.get(root.ref)!);
    for (const page of dirty) this.settle(page, placed.get(page.ref)!);
    return pointer;
  }

  private queue(page: Page, sequence: number, placed: Map<number, Placed>): void {
    if (page.level > 0) {
      for (let i = 0; i < page.count; i++) this.patch(page, i, placed);
    }
    this.cache.change(page, () => page.pack());
    const cells = page.cells();
    const { level } = page;
    const { tree, kind, io, copies } = this.options;
    writeNodeHeader(page.bytes, { tree, level, cells, id: 0, birth: sequence });
    io.write({
      kind,
      id: 0,
      level: 0,
      bytes: page.bytes,
      cells: this.space!.allocateLate(cells, copies),
      done: (places) => placed.set(page.ref, { cells, copies: places }),
    });
  }

  /** Gives a parent the place of a child that has just been stored. */
  private patch(parent: Page, index: number, placed: Map<number, Placed>): void {
    const at = parent.valueOffset(index);
    const ref = refAt(parent.bytes, at);
    if (ref < UNPLACED) return;
    const place = placed.get(ref);
    assert(place !== undefined, "children are stored before parents");
    this.point(parent.bytes, at, place);
  }

  private point(bytes: Uint8Array, at: number, place: Placed): void {
    writePointer(bytes, at, { ...place, epoch: this.options.epoch() });
  }

  private settle(page: Page, place: Placed): void {
    this.cache.change(page, () => {
      page.ref = place.copies[0].cell;
      page.dirty = false;
    });
    this.place(page, place.copies);
  }
}

/** The ref in a pointer: the number of the first copy's cell, or an unplaced one. */
function refAt(bytes: Uint8Array, at: number): number {
  return bytes[at + CELL_AT] * MEMBER_CELLS + readU48(bytes, at + CELL_AT + 2);
}
