import { emptyExtent } from "../format/extent.ts";
import { decodeInode, emptyInode, INODE_FLAG } from "../format/inode.ts";
import { checkDirent, DIRENT_BYTES_MAX, encodeDirent } from "../format/dirent.ts";
import { cellsFor } from "../format/map_entry.ts";
import type { FileBlocks, StreamChange } from "../format/stream_record.ts";
import { CONTENT_BYTES_MAX } from "../format/stream_record.ts";
import { KEY_TYPE, keyIno } from "../format/volume_key.ts";
import { Directories } from "../fs/directory.ts";
import { ExtentMap } from "../fs/extent_map.ts";
import { type Node, nodeOf } from "../fs/node.ts";
import { XattrStore } from "../fs/xattr_store.ts";
import type { KernelMemory } from "../crypto/kernel.ts";
import { CELL_BYTES } from "../limits.ts";
import type { Volume } from "../volume/volume.ts";

/** Cells that the tree's nodes on the way to one record may take. */
const RECORD_CELLS = 16;
/** Of an attribute, which is cut into so many records at most. */
const ATTRIBUTE_CELLS = 2 * RECORD_CELLS;
/** Contents on their way to the medium at a time. */
const BUFFERS = 2;

/** Memory for a run of blocks, and the job that seals it. */
interface Buffer {
  readonly address: number;
  ticket: number | null;
}

/** Puts the changes of a stream into the tree of a volume: under the volume's own hashes of names, with blocks of its own. */
export class StreamTarget {
  readonly #volume: Volume;
  readonly #directories: Directories;
  readonly #attributes: XattrStore;
  readonly #extents: ExtentMap;
  readonly #buffers: Buffer[];
  readonly #inode = emptyInode();
  readonly #dirent = new Uint8Array(DIRENT_BYTES_MAX);
  #node: Node = nodeFor(0);
  #turn = 0;

  constructor(volume: Volume, memory: KernelMemory) {
    this.#volume = volume;
    this.#directories = new Directories(volume);
    this.#attributes = new XattrStore(volume);
    this.#extents = new ExtentMap(volume.tree, volume.blockBytes / CELL_BYTES, volume);
    this.#buffers = Array.from(
      { length: BUFFERS },
      () => ({ address: memory.reserve(CONTENT_BYTES_MAX), ticket: null }),
    );
  }

  /** Makes one change. Throws `unavailable` (ENOSPC) before anything of it where there is no room. */
  apply(change: StreamChange): void {
    const { tree } = this.#volume;
    switch (change.kind) {
      case "put":
        return this.#put(change.key, change.value);
      case "delete":
        this.#admit(RECORD_CELLS);
        return void tree.delete(change.key);
      case "name":
        return this.#name(change);
      case "unname": {
        this.#admit(RECORD_CELLS);
        const { ino, cookie } = this.#directories.find(change.directory, change.name);
        if (ino !== 0) this.#directories.remove(change.directory, cookie);
        return;
      }
      case "attribute":
        this.#admit(ATTRIBUTE_CELLS);
        return this.#attributes.set(this.#nodeOf(change.ino), change.name, change.value);
      case "noAttribute":
        this.#admit(ATTRIBUTE_CELLS);
        return void this.#attributes.remove(this.#nodeOf(change.ino), change.name);
      case "data":
        return this.#data(change);
      case "free":
        return this.#free(change);
      case "reserve":
        this.#free(change);
        return this.#extents.reserve(
          this.#nodeOf(change.ino),
          change.first,
          change.first + change.count,
        );
    }
  }

  #put(key: Uint8Array, value: Uint8Array): void {
    if (key[0] === KEY_TYPE.inode) {
      decodeInode(value, this.#inode);
      const { store } = this.#volume;
      store.nextObjectId = Math.max(store.nextObjectId, keyIno(key) + 1);
    }
    this.#admit(RECORD_CELLS);
    this.#volume.tree.put(key, value);
  }

  #name(entry: Extract<StreamChange, { kind: "name" }>): void {
    const { directory, name } = entry;
    checkDirent(encodeDirent(this.#dirent, name, entry));
    this.#admit(RECORD_CELLS);
    const { ino, cookie } = this.#directories.find(directory, name);
    if (ino === 0) this.#directories.insert(directory, name, entry);
    else this.#directories.replace(directory, { cookie, name }, entry);
  }

  #data({ ino, first, count, lastLength, content }: Extract<StreamChange, { kind: "data" }>): void {
    const volume = this.#volume;
    this.#admit(count * this.#blockCells);
    const buffer = this.#buffers[this.#turn++ % BUFFERS];
    if (buffer.ticket !== null) volume.settle(buffer.ticket);
    volume.kernel.bytes.set(content, buffer.address);
    const firstId = volume.allocateIds(count);
    buffer.ticket = volume.put({ firstId, count, address: buffer.address, lastLength }).ticket;
    const cells = cellsFor(lastLength);
    const tailCells = cells === this.#blockCells ? 0 : cells;
    const extent = { ...emptyExtent(), count, firstId, tailCells };
    this.#extents.write(this.#nodeOf(ino), first, extent);
  }

  #free({ ino, first, count }: FileBlocks): void {
    this.#admit(RECORD_CELLS);
    this.#extents.remove(this.#nodeOf(ino), first, first + count);
  }

  get #blockCells(): number {
    return this.#volume.blockBytes / CELL_BYTES;
  }

  #admit(cells: number): void {
    this.#volume.admit(cells + RECORD_CELLS, "write");
  }

  /** Remembered while changes are of one file: the map of extents keeps what it found. */
  #nodeOf(ino: number): Node {
    if (this.#node.ino !== ino) this.#node = nodeFor(ino);
    return this.#node;
  }

  /** Waits until everything is on its way to the medium: the memory may be used otherwise. */
  settle(): void {
    this.#volume.settle();
    for (const buffer of this.#buffers) buffer.ticket = null;
  }
}

/** The records of inodes come as they are; this only says that there may be extents and attributes. */
function nodeFor(ino: number): Node {
  const inode = { ...emptyInode(), cells: 2 ** 40, flags: INODE_FLAG.attributes };
  return nodeOf(ino, inode);
}
