import { viewOf } from "../bytes.ts";
import { VaultError } from "../errors.ts";
import { emptyExtent } from "../format/extent.ts";
import {
  decodeInode,
  emptyInode,
  encodeInode,
  type Inode,
  INODE_BYTES,
  INODE_FLAG,
} from "../format/inode.ts";
import { checkDirent, DIRENT_BYTES_MAX, encodeDirent } from "../format/dirent.ts";
import { cellsFor } from "../format/map_entry.ts";
import type { FileBlocks, StreamChange } from "../format/stream_record.ts";
import { CONTENT_BYTES_MAX } from "../format/stream_record.ts";
import { encodeNodeKey, KEY_TYPE, keyIno, NODE_KEY_BYTES } from "../format/volume_key.ts";
import { Compressibility } from "../fs/compressibility.ts";
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
  readonly #key = new Uint8Array(NODE_KEY_BYTES);
  readonly #record = new Uint8Array(INODE_BYTES);
  /** The file whose blocks changed last: the map of extents keeps what it found. */
  #node: Node = nodeOf(0, emptyInode());
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
        if (keyIno(change.key) === this.#node.ino) this.#node = nodeOf(0, emptyInode());
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
        return this.#attributes.set(attributed(change.ino), change.name, change.value);
      case "noAttribute":
        this.#admit(ATTRIBUTE_CELLS);
        return void this.#attributes.remove(attributed(change.ino), change.name);
      case "data":
        return this.#data(change);
      case "free":
        return this.#free(change);
      case "reserve":
        this.#admit(RECORD_CELLS);
        return this.#changeFile(change.ino, (node) => {
          const end = change.first + change.count;
          this.#extents.remove(node, change.first, end);
          this.#extents.reserve(node, change.first, end);
        });
    }
  }

  #put(key: Uint8Array, value: Uint8Array): void {
    if (key[0] === KEY_TYPE.inline) this.#checkContent(keyIno(key));
    this.#admit(RECORD_CELLS);
    const { tree } = this.#volume;
    if (key[0] !== KEY_TYPE.inode) return tree.put(key, value);
    if (tree.get(key) === null) this.#volume.admitInodes(1);
    tree.put(key, this.#inodeOf(keyIno(key), value));
  }

  /** The record of an inode, which comes without the cells that its blocks take, as its blocks here take them. */
  #inodeOf(ino: number, value: Uint8Array): Uint8Array {
    const { store } = this.#volume;
    store.nextObjectId = Math.max(store.nextObjectId, ino + 1);
    const { cells } = this.#fileOf(ino)?.inode ?? { cells: 0 };
    this.#node = nodeOf(0, emptyInode());
    decodeInode(value, this.#inode);
    return this.#encoded({ ...this.#inode, cells });
  }

  #encoded(inode: Inode): Uint8Array {
    encodeInode(inode, viewOf(this.#record));
    return this.#record;
  }

  /** What is written into a locked file would be taken for sealed. */
  #checkContent(ino: number): void {
    if (this.#volume.locks.mayWrite(ino)) return;
    throw new VaultError(
      "denied",
      `Cannot receive the snapshot: it changes the file with inode number ${ino}, which is locked or shredded here; unlock it first`,
      { operation: "receive" },
    );
  }

  #name(entry: Extract<StreamChange, { kind: "name" }>): void {
    const { directory, name } = entry;
    checkDirent(encodeDirent(this.#dirent, name, entry));
    this.#admit(RECORD_CELLS);
    const { ino, cookie } = this.#directories.find(directory, name);
    if (ino === 0) this.#directories.insert(directory, name, entry);
    else this.#directories.replace(directory, { cookie, name }, entry);
  }

  #data(run: Extract<StreamChange, { kind: "data" }>): void {
    const volume = this.#volume;
    const { ino, first, count, lastLength, content } = run;
    this.#checkContent(ino);
    this.#admit(count * this.#blockCells + RECORD_CELLS);
    const buffer = this.#buffers[this.#turn++ % BUFFERS];
    if (buffer.ticket !== null) volume.settle(buffer.ticket);
    const { address } = buffer;
    volume.kernel.bytes.set(content, address);
    this.#changeFile(ino, (node) => {
      const firstId = volume.allocateIds(count);
      const last = cellsFor(lastLength);
      const tailCells = last === this.#blockCells ? 0 : last;
      const packed = volume.compresses;
      const extent = { ...emptyExtent(), count, firstId, tailCells, packed };
      this.#extents.write(node, first, extent);
      if (packed) node.compressibility ??= new Compressibility();
      const trials = node.compressibility ?? undefined;
      const { ticket, cells } = volume.put({ firstId, count, address, lastLength, trials });
      buffer.ticket = ticket;
      node.inode.cells += cells - (count - 1) * this.#blockCells - last;
    });
  }

  #free({ ino, first, count }: FileBlocks): void {
    this.#admit(RECORD_CELLS);
    this.#changeFile(ino, (node) => this.#extents.remove(node, first, first + count));
  }

  /** Changes blocks of a file, and its record with them. */
  #changeFile(ino: number, change: (node: Node) => void): void {
    const node = this.#fileOf(ino);
    // What is left of a file that has no record any more.
    if (node === null) return change(nodeOf(ino, { ...emptyInode(), cells: 1 }));
    const { cells } = node.inode;
    change(node);
    if (node.inode.cells === cells) return;
    const key = encodeNodeKey(this.#key, KEY_TYPE.inode, ino);
    this.#volume.tree.put(key, this.#encoded(node.inode));
  }

  /** A file as its record says. */
  #fileOf(ino: number): Node | null {
    if (this.#node.ino === ino) return this.#node;
    const record = this.#volume.tree.get(encodeNodeKey(this.#key, KEY_TYPE.inode, ino));
    if (record === null) return null;
    const inode = emptyInode();
    decodeInode(record, inode);
    return this.#node = nodeOf(ino, inode);
  }

  get #blockCells(): number {
    return this.#volume.blockBytes / CELL_BYTES;
  }

  #admit(cells: number): void {
    this.#volume.admit(cells + RECORD_CELLS, "write");
  }

  /** Waits until everything is on its way to the medium: the memory may be used otherwise. */
  settle(): void {
    this.#volume.settle();
    for (const buffer of this.#buffers) buffer.ticket = null;
  }
}

/** For attributes: its record may say already that there are none. */
function attributed(ino: number): Node {
  return nodeOf(ino, { ...emptyInode(), flags: INODE_FLAG.attributes });
}
