import type { BytesPart } from "../bytes.ts";
import type { KernelMemory } from "../crypto/kernel.ts";
import { INODE_FLAG } from "../format/inode.ts";
import { encodeNodeKey, KEY_TYPE, NODE_KEY_BYTES } from "../format/volume_key.ts";
import { CELL_BYTES } from "../limits.ts";
import type { PendingGet, VolumeStore } from "../volume/volume_store.ts";
import { BlockCompletion } from "./block_completion.ts";
import { BlockPool } from "./block_pool.ts";
import { Compressibility } from "./compressibility.ts";
import { asPosixError } from "./errno.ts";
import { VaultError } from "../errors.ts";
import { ExtentMap } from "./extent_map.ts";
import { InFlight } from "./in_flight.ts";
import type { Node } from "./node.ts";

/** Made once: whoever walks over locked files meets it often. */
const LOCKED = asPosixError(
  new VaultError("denied", "its content is locked or shredded; unlock the file first", {
    errno: "EACCES",
  }),
);

/** Files up to this length lie in the tree. */
export const INLINE_BYTES_MAX = 2048;

/**
 * File data below what is dirty: inline data and extents, the blocks on their way to the medium, and the
 * cache of blocks. Bytes of a stored block behind the end of the file are always zero.
 */
export class StoredData {
  readonly store: VolumeStore;
  readonly memory: KernelMemory;
  readonly pool: BlockPool;
  readonly inFlight: InFlight;
  readonly extents: ExtentMap;
  readonly completion: BlockCompletion;
  readonly blockBytes: number;
  readonly blockCells: number;
  readonly #key = new Uint8Array(NODE_KEY_BYTES);

  /** `bytes` of `memory`: for dirty and cached blocks. */
  constructor(store: VolumeStore, memory: KernelMemory, bytes: number) {
    this.store = store;
    this.memory = memory;
    this.blockBytes = store.blockBytes;
    this.blockCells = store.blockBytes / CELL_BYTES;
    this.pool = new BlockPool(memory, store.blockBytes, bytes);
    store.wipers?.push(() => this.pool.wipe());
    this.inFlight = new InFlight(store.blocks, this.pool, store.blockBytes);
    this.extents = new ExtentMap(store.tree, this.blockCells, {
      drop: (firstId, count) => this.#drop(firstId, count),
      cells: (firstId, count) => this.#cells(firstId, count),
    });
    this.completion = new BlockCompletion(this);
  }

  /** EACCES where the content of a file is locked, for everybody. */
  requireReadable({ ino }: Pick<Node, "ino">): void {
    if (this.store.locks?.mayRead(ino) === false) throw LOCKED;
  }

  /** EACCES where it must not change: its secret may be open for reading. */
  requireWritable({ ino }: Pick<Node, "ino">): void {
    if (this.store.locks?.mayWrite(ino) === false) throw LOCKED;
  }

  /** Opens `count` blocks with consecutive ids into kernel memory. */
  open(firstId: number, count: number, address: number): void {
    this.inFlight.settleIds(firstId, count);
    this.store.blocks.get(firstId, count, address);
  }

  /** Opens a part of a block; false where that does not pay: use `open`. */
  openPart(id: number, address: number, part: BytesPart): boolean {
    this.inFlight.settleIds(id, 1);
    return this.store.blocks.getPart?.(id, address, part) ?? false;
  }

  /** Starts to open one whole block in the background; null where that is not possible now: use `open`. */
  openLater(id: number, address: number): PendingGet | null {
    this.inFlight.settleIds(id, 1);
    return this.store.blocks.getLater?.(id, 1, address) ?? null;
  }

  /** True where there is stored data at `block`. */
  has(node: Node, block: number): boolean {
    if (block === 0 && (node.inode.flags & INODE_FLAG.inline) !== 0) return true;
    return this.extents.find(node, block).state === "written";
  }

  /** Inline data: a view, good until the next call on the tree; null where the file has none. */
  inline(node: Node): Uint8Array | null {
    if ((node.inode.flags & INODE_FLAG.inline) === 0) return null;
    const data = this.store.tree.get(encodeNodeKey(this.#key, KEY_TYPE.inline, node.ino));
    return data === null ? null : this.store.locks?.inline(node.ino, data) ?? data;
  }

  /** Replaces the inline data. */
  putInline(node: Node, data: Uint8Array): void {
    this.store.tree.put(encodeNodeKey(this.#key, KEY_TYPE.inline, node.ino), data);
    node.inode.flags |= INODE_FLAG.inline;
  }

  /** Removes the inline data, if there is any. */
  removeInline(node: Node): void {
    if ((node.inode.flags & INODE_FLAG.inline) === 0) return;
    this.store.tree.delete(encodeNodeKey(this.#key, KEY_TYPE.inline, node.ino));
    node.inode.flags &= ~INODE_FLAG.inline;
  }

  /** Shortens the inline data to `length` bytes. */
  cutInline(node: Node, length: number): void {
    const data = this.inline(node);
    if (data === null || data.length <= length) return;
    if (length === 0) this.removeInline(node);
    else this.putInline(node, data.slice(0, length));
  }

  /** Waits for what is being sealed and forgets the blocks in memory. */
  reset(): void {
    while (this.inFlight.settleOldest());
    this.pool.forget(0, Infinity);
  }

  /** Who says which of a file's next blocks are to be compressed; undefined where none is. */
  trials(node: Node): Compressibility | undefined {
    if (this.store.compresses !== true) return undefined;
    return node.compressibility ??= new Compressibility();
  }

  #cells(firstId: number, count: number): number {
    this.inFlight.settleIds(firstId, count);
    return this.store.blocks.cells(firstId, count);
  }

  #drop(firstId: number, count: number): void {
    this.inFlight.settleIds(firstId, count);
    this.pool.forget(firstId, count);
    this.store.blocks.drop(firstId, count);
  }
}

/** What a run of a file's blocks is sealed under, where the file has a secret. */
export function secretOf({ inode: { secret } }: Node): { readonly secretId?: number } {
  return secret === 0 ? {} : { secretId: secret };
}
