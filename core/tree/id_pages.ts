import type { BlockOwner } from "../block/block_owner.ts";
import type { BlockStore } from "../block/block_store.ts";
import type { PageCache } from "../btree/page_cache.ts";
import { Page } from "../btree/page.ts";
import type { PageSource } from "../btree/page_source.ts";
import { putU64, readU64 } from "../bytes.ts";
import { VaultError } from "../errors.ts";
import { checkInnerNode, readNodeHeader, TREE, writeNodeHeader } from "../format/node.ts";
import { ID_POINTER_BYTES } from "../format/pointer.ts";

/**
 * Pages of a branch's tree: named by block id, so that a node can move without its parents changing. All branches and
 * snapshots share one cache: a clean page is the same whoever refers to it.
 */
export class IdPages implements PageSource {
  readonly pointerBytes = ID_POINTER_BYTES;
  readonly cache: PageCache;
  private readonly blocks: BlockStore;
  private readonly owner: BlockOwner;
  /** Of this branch: the cache holds those of others too. */
  private dirty = new Set<Page>();

  constructor(blocks: BlockStore, cache: PageCache, owner: BlockOwner) {
    this.blocks = blocks;
    this.cache = cache;
    this.owner = owner;
  }

  /** True where a page waits for the next root. */
  get hasDirty(): boolean {
    return this.dirty.size > 0;
  }

  load(bytes: Uint8Array, at: number): Page {
    return this.page(readU64(bytes, at));
  }

  resident(bytes: Uint8Array, at: number): Page | undefined {
    return this.cache.get(readU64(bytes, at));
  }

  /** The page of an id. */
  page(id: number): Page {
    return this.cache.get(id) ?? this.read(id);
  }

  private read(id: number): Page {
    const plaintext = this.blocks.readNode(id);
    const header = readNodeHeader(plaintext);
    if (header.id !== id || header.tree !== TREE.volume) {
      throw new VaultError("corrupt", `Cannot read tree node ${id}: it is another node`);
    }
    checkInnerNode(plaintext, ID_POINTER_BYTES);
    const page = new Page(plaintext, id, header.level, false);
    this.cache.add(page);
    return page;
  }

  create(level: number): Page {
    const page = Page.empty(this.blocks.allocateIds(1), level);
    this.cache.add(page);
    this.dirty.add(page);
    return page;
  }

  makeWritable(page: Page): Page {
    // A page that a snapshot or another branch has too may be in use by its tree: it stays as it is.
    const writable = this.blocks.dropNode(page.ref, this.owner) ? page : page.copy();
    if (writable === page) this.cache.delete(page);
    writable.makeWritable(this.blocks.allocateIds(1));
    this.cache.add(writable);
    this.dirty.add(writable);
    return writable;
  }

  discard(page: Page): void {
    if (page.dirty) {
      this.dirty.delete(page);
      this.cache.delete(page);
    } else if (this.blocks.dropNode(page.ref, this.owner)) {
      this.cache.delete(page);
    }
  }

  writePointer(page: Page, bytes: Uint8Array, at: number): void {
    putU64(bytes, at, page.ref);
    putU64(bytes, at + 8, this.blocks.birth);
  }

  /** Seals and queues every dirty page; they are in the map once the block store's nodes are flushed. Returns their cells. */
  store(): number {
    let cells = 0;
    const birth = this.blocks.birth;
    for (const page of this.dirty) {
      this.cache.change(page, () => {
        page.pack();
        page.dirty = false;
      });
      const { ref: id, level } = page;
      writeNodeHeader(page.bytes, { tree: TREE.volume, level, cells: page.cells(), id, birth });
      this.blocks.putNode(id, level, page.bytes);
      cells += page.cells();
    }
    this.dirty.clear();
    return cells;
  }
}
