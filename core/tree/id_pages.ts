import { PageCache } from "../btree/page_cache.ts";
import { Page } from "../btree/page.ts";
import type { PageSource } from "../btree/page_source.ts";
import { getU64, setU64, viewOf } from "../bytes.ts";
import type { BlockStore } from "../block/block_store.ts";
import { VaultError } from "../errors.ts";
import { checkInnerNode, readNodeHeader, TREE, writeNodeHeader } from "../format/node.ts";
import { ID_POINTER_BYTES } from "../format/pointer.ts";

/** Pages of a volume's tree: named by block id, so that a node can move without its parents changing. */
export class IdPages implements PageSource {
  readonly pointerBytes = ID_POINTER_BYTES;
  readonly cache: PageCache;
  private readonly blocks: BlockStore;

  constructor(blocks: BlockStore, cacheBytes: number) {
    this.blocks = blocks;
    this.cache = new PageCache(cacheBytes);
  }

  load(bytes: Uint8Array, at: number): Page {
    const id = getU64(viewOf(bytes), at);
    return this.cache.get(id) ?? this.read(id);
  }

  resident(bytes: Uint8Array, at: number): Page | undefined {
    return this.cache.get(getU64(viewOf(bytes), at));
  }

  /** The page of an id: for the root, which no page points to. */
  read(id: number): Page {
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
    return page;
  }

  makeWritable(page: Page): void {
    this.blocks.dropNode(page.ref);
    this.cache.change(page, () => page.makeWritable(this.blocks.allocateIds(1)));
  }

  discard(page: Page): void {
    this.cache.delete(page);
    if (!page.dirty) this.blocks.dropNode(page.ref);
  }

  writePointer(page: Page, bytes: Uint8Array, at: number): void {
    const view = viewOf(bytes);
    setU64(view, at, page.ref);
    setU64(view, at + 8, this.blocks.birth);
  }

  /** Seals and queues every dirty page; they are in the map once the block store's nodes are flushed. */
  store(): void {
    for (const page of this.cache.dirty()) {
      this.cache.change(page, () => {
        page.pack();
        page.dirty = false;
      });
      const id = page.ref;
      const { level } = page;
      const birth = this.blocks.birth;
      writeNodeHeader(page.bytes, { tree: TREE.volume, level, cells: page.cells(), id, birth });
      this.blocks.putNode(id, level, page.bytes);
    }
  }
}
