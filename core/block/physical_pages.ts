import { assert } from "../assert.ts";
import { PageCache } from "../btree/page_cache.ts";
import { Page } from "../btree/page.ts";
import type { PageSource } from "../btree/page_source.ts";
import { getU48, setU48, viewOf } from "../bytes.ts";
import { VaultError } from "../errors.ts";
import { checkInnerNode, readNodeHeader, type TreeKind, writeNodeHeader } from "../format/node.ts";
import { POINTER_BYTES, readPointer, writePointer } from "../format/pointer.ts";
import type { Kind } from "../format/seal_aad.ts";
import type { NodeIo } from "./node_io.ts";
import type { Space } from "./space.ts";

/** Refs from here on name dirty pages, which have no place yet; cells are below. */
const UNPLACED = 2 ** 47;
/** Where a pointer's first cell lies. */
const CELL_AT = 10;

/** Where a dirty page's pointer goes once it is stored. */
interface Placed {
  readonly cell: number;
  readonly cells: number;
  readonly nonce: Uint8Array;
  readonly tag: Uint8Array;
}

/**
 * Pages of the block map, of space and of the catalog: named by place, because what maps ids to places, or says which ids are in use, cannot be named by id. A
 * dirty page gets its place when the root is written, children before parents.
 */
export class PhysicalPages implements PageSource {
  readonly pointerBytes = POINTER_BYTES;
  readonly cache: PageCache;
  private readonly io: NodeIo;
  private readonly tree: TreeKind;
  private readonly kind: Kind;
  private readonly epoch: number;
  private space: Space | null = null;
  private unplaced = UNPLACED;

  constructor(
    options: { io: NodeIo; tree: TreeKind; kind: Kind; epoch: number; cacheBytes: number },
  ) {
    this.io = options.io;
    this.tree = options.tree;
    this.kind = options.kind;
    this.epoch = options.epoch;
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
    return this.cache.get(getU48(viewOf(bytes), at + CELL_AT));
  }

  private read(bytes: Uint8Array, at: number): Page {
    const pointer = readPointer(bytes, at);
    if (pointer.cell >= UNPLACED) {
      throw new VaultError("corrupt", "Cannot read tree node: its place is beyond every medium");
    }
    const plaintext = this.io.read({ ...pointer, kind: this.kind, id: 0, level: 0 });
    checkInnerNode(plaintext, POINTER_BYTES);
    const page = new Page(plaintext, pointer.cell, readNodeHeader(plaintext).level, false);
    this.cache.add(page);
    return page;
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
    this.space.free(page.ref, readNodeHeader(page.bytes).cells);
  }

  discard(page: Page): void {
    this.cache.delete(page);
    if (!page.dirty) this.giveUp(page);
  }

  writePointer(page: Page, bytes: Uint8Array, at: number): void {
    assert(page.dirty, "a pointer is written by its page's change, or by store");
    bytes.fill(0, at, at + POINTER_BYTES);
    bytes[at] = 1;
    setU48(viewOf(bytes), at + CELL_AT, page.ref);
  }

  /** Seals and writes every dirty page, children first, and returns the pointer to `root`. */
  store(root: Page, sequence: number): Uint8Array<ArrayBuffer> {
    const pointer = new Uint8Array(POINTER_BYTES);
    const placed = new Map<number, Placed>();
    const dirty = this.cache.dirty().sort((a, b) => a.level - b.level);
    for (let from = 0; from < dirty.length;) {
      const level = dirty[from].level;
      let to = from;
      for (; to < dirty.length && dirty[to].level === level; to++) {
        this.queue(dirty[to], sequence, placed);
      }
      this.io.flush();
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
    const cell = this.space!.allocateLate(cells);
    const { level } = page;
    writeNodeHeader(page.bytes, { tree: this.tree, level, cells, id: 0, birth: sequence });
    this.io.write({
      kind: this.kind,
      id: 0,
      level: 0,
      bytes: page.bytes,
      cell,
      done: (nonce, tag) => {
        placed.set(page.ref, { cell, cells, nonce: nonce.slice(), tag: tag.slice() });
      },
    });
  }

  /** Gives a parent the place of a child that has just been stored. */
  private patch(parent: Page, index: number, placed: Map<number, Placed>): void {
    const at = parent.valueOffset(index);
    const ref = getU48(parent.view, at + CELL_AT);
    if (ref < UNPLACED) return;
    const place = placed.get(ref);
    assert(place !== undefined, "children are stored before parents");
    this.point(parent.bytes, at, place);
  }

  private point(bytes: Uint8Array, at: number, place: Placed): void {
    writePointer(bytes, at, { ...place, epoch: this.epoch, member: 0 });
  }

  private settle(page: Page, place: Placed): void {
    this.cache.change(page, () => {
      page.ref = place.cell;
      page.dirty = false;
    });
  }
}
