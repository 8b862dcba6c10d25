import { unpackAt } from "../block/block_form.ts";
import type { BlockAreas } from "../block/block_reader.ts";
import { Page } from "../btree/page.ts";
import { PageCache } from "../btree/page_cache.ts";
import type { PageSource } from "../btree/page_source.ts";
import { Tree } from "../btree/tree.ts";
import { aboutEpoch, ForeignSeal } from "../crypto/foreign_seal.ts";
import type { KernelMemory } from "../crypto/kernel.ts";
import type { VaultKeys } from "../crypto/vault_keys.ts";
import { getU64, viewOf } from "../bytes.ts";
import { VaultError } from "../errors.ts";
import {
  ABOUT_INO,
  decodeAbout,
  decodeForeign,
  type ForeignAbout,
  type ForeignBlock,
  foreignKey,
  foreignPlace,
} from "../format/foreign_block.ts";
import { checkInnerNode, readNodeHeader, TREE } from "../format/node.ts";
import { ID_POINTER_BYTES } from "../format/pointer.ts";
import { KIND } from "../format/seal_aad.ts";
import { KEY_TYPE, nodeKey } from "../format/volume_key.ts";
import { MIB } from "../limits.ts";
import type { Engine } from "../volume/engine.ts";
import type { SnapshotStore } from "../volume/snapshot_store.ts";
import { StreamExtents } from "./stream_extents.ts";
import type { StreamOrigin } from "./stream_source.ts";

/** Nodes kept in memory. */
const CACHE_BYTES = 4 * MIB;

/** What opens foreign blocks. */
export interface ForeignOriginParts {
  readonly engine: Engine;
  readonly keys: VaultKeys;
  readonly memory: KernelMemory;
}

/** The snapshot that foreign blocks are, opened by its owner: everything is found to be what was sealed, or is not read. */
export class ForeignOrigin implements StreamOrigin, PageSource {
  readonly pointerBytes = ID_POINTER_BYTES;
  readonly about: ForeignAbout;
  readonly cache = new PageCache(CACHE_BYTES);
  readonly locked = null;
  readonly #parts: ForeignOriginParts;
  readonly #held: SnapshotStore;
  readonly #tree: Tree;
  readonly #extents: StreamExtents;
  readonly #seal: ForeignSeal;
  readonly #address: number;
  readonly #older: ForeignOrigin | null;

  /** `older`: has blocks that this snapshot has not. Throws `denied` where the keys of the vault are not those that sealed them. */
  constructor(parts: ForeignOriginParts, held: SnapshotStore, older: ForeignOrigin | null) {
    this.#older = older;
    this.#parts = parts;
    this.#held = held;
    const { engine, keys, memory } = parts;
    const pages = engine.store.readPages();
    this.#tree = new Tree(pages, pages.page(held.snapshot.root));
    this.#extents = new StreamExtents(this.#tree);
    this.#address = memory.reserve(held.blockBytes);
    const key = nodeKey(KEY_TYPE.inline, ABOUT_INO);
    const sealed = this.#tree.get(key)?.slice() ?? new Uint8Array(0);
    const epoch = aboutEpoch(sealed);
    if (!keys.epochs.some((each) => each.epoch === epoch)) throw notOurs(held);
    this.#seal = new ForeignSeal(engine.kernel, memory, keys, epoch);
    const about = this.#seal.openAbout(sealed);
    if (about === null) throw notOurs(held);
    this.about = decodeAbout(about);
  }

  /** Opens a block, here or in what is older; `at` is where its bytes are then. */
  #open(id: number): ForeignBlock & { readonly at: number } {
    const { engine: { store } } = this.#parts;
    const record = this.#tree.get(foreignKey(id));
    const { ino, block: at } = foreignPlace(id);
    const localId = record === null ? null : this.#extents.idAt(ino, at);
    if (record === null && this.#older !== null) return this.#older.#open(id);
    if (record === null || localId === null) throw damaged(id);
    const block = decodeForeign(record.slice());
    const bytes = this.#held.blockBytes;
    if (block.stored > bytes) throw damaged(id);
    store.blocks.get(localId, 1, { address: this.#address, bytes });
    store.trim();
    if (!this.#seal.open(id, block, this.#address)) throw damaged(id);
    return { ...block, at: this.#address };
  }

  get pages(): this {
    return this;
  }

  page(id: number): Page {
    const known = this.cache.get(id);
    if (known !== undefined) return known;
    const { kind, level, stored, at } = this.#open(id);
    const { kernel } = this.#parts.engine;
    const bytes = kernel.bytes.slice(at, at + stored);
    if (kind !== KIND.volumeNode) throw damaged(id);
    const header = readNodeHeader(bytes);
    if (header.id !== id || header.tree !== TREE.volume || header.level !== level) {
      throw damaged(id);
    }
    checkInnerNode(bytes, ID_POINTER_BYTES);
    const page = new Page(bytes, id, level, false);
    this.cache.add(page);
    return page;
  }

  load(bytes: Uint8Array, at: number): Page {
    return this.page(getU64(viewOf(bytes), at));
  }

  resident(bytes: Uint8Array, at: number): Page | undefined {
    return this.cache.get(getU64(viewOf(bytes), at));
  }

  create(): Page {
    throw readOnly();
  }

  makeWritable(): Page {
    throw readOnly();
  }

  discard(): void {
    throw readOnly();
  }

  writePointer(): void {
    throw readOnly();
  }

  lengthOf(id: number): number | undefined {
    const record = this.#tree.get(foreignKey(id));
    if (record === null) return this.#older?.lengthOf(id);
    return decodeForeign(record.slice()).length;
  }

  get(firstId: number, count: number, { address, bytes }: BlockAreas): void {
    const { kernel } = this.#parts.engine;
    for (let i = 0; i < count; i++) {
      const block = this.#open(firstId + i);
      const at = address + i * bytes;
      if (block.kind !== KIND.data || block.length > bytes) throw damaged(firstId + i);
      kernel.bytes.copyWithin(at, block.at, block.at + block.stored);
      if (!unpackAt(kernel.bytes, at, block)) throw damaged(firstId + i);
      kernel.bytes.fill(0, at + block.length, at + bytes);
    }
  }

  trim(): void {
    this.cache.trim();
  }

  /** Forgets the keys. */
  wipe(): void {
    this.#seal.wipe();
  }
}

function damaged(id: number): VaultError {
  return new VaultError(
    "corrupt",
    `Cannot open foreign block ${id}: it is missing, or is not what was sealed`,
  );
}

function notOurs({ snapshot: { name } }: SnapshotStore): VaultError {
  return new VaultError(
    "denied",
    `Cannot open snapshot "${name}": it holds no blocks that were sealed under a key of this vault`,
  );
}

function readOnly(): Error {
  return new VaultError("invalid", "Cannot change foreign blocks: they are only read");
}
