import { viewOf } from "../bytes.ts";
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
import { cellsFor, CODEC } from "../format/map_entry.ts";
import type { FileBlocks, StreamChange } from "../format/stream_record.ts";
import { badRecord, CONTENT_BYTES_MAX } from "../format/stream_record.ts";
import {
  encodeNodeKey,
  KEY_TYPE,
  keyIno,
  NODE_KEY_BYTES,
  OWN_INO_END,
} from "../format/volume_key.ts";
import { Compressibility } from "../fs/compressibility.ts";
import { Directories } from "../fs/directory.ts";
import { ExtentMap } from "../fs/extent_map.ts";
import { type Node, nodeOf } from "../fs/node.ts";
import { isRegular } from "../fs/mode.ts";
import { secretOf } from "../fs/stored_data.ts";
import { XattrStore } from "../fs/xattr_store.ts";
import type { KernelMemory } from "../crypto/kernel.ts";
import { CELL_BYTES } from "../limits.ts";
import type { BlockRun } from "../volume/volume_store.ts";
import type { Volume } from "../volume/volume.ts";
import { LockedTarget } from "./stream_locked_target.ts";

/** Cells that the tree's nodes on the way to one record may take. */
const RECORD_CELLS = 16;
/** Of an attribute, which is cut into so many records at most. */
const ATTRIBUTE_CELLS = 2 * RECORD_CELLS;
/** Contents on their way to the medium at a time. */
const BUFFERS = 2;

/** Blocks of a file, one behind another. */
interface BlocksToWrite extends FileBlocks {
  readonly lastLength: number;
  readonly content: Uint8Array;
  /** They may be compressed. */
  readonly packed: boolean;
}

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
  readonly #locked: LockedTarget;
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
    this.#locked = new LockedTarget(volume);
    this.#buffers = Array.from(
      { length: BUFFERS },
      () => ({ address: memory.reserve(CONTENT_BYTES_MAX), ticket: null }),
    );
  }

  /**
   * Makes one change. Throws `unavailable` (ENOSPC) before anything of it where there is no room; where it fails when a part of it is
   * there, the vault takes no more changes, and what was noted last is where the stream goes on.
   */
  apply(change: StreamChange): void {
    const before = this.#volume.applied;
    try {
      this.#meet(change);
      this.#make(change);
    } catch (error) {
      if (this.#volume.applied !== before) this.#volume.giveUp(error);
      throw error;
    }
  }

  /** No inode that is made later gets a number that a stream has named: what it said of it would come true. */
  #meet(change: StreamChange): void {
    const { store } = this.#volume;
    const inos = change.kind === "put" || change.kind === "delete"
      ? [keyIno(change.key)]
      : change.kind === "name"
      ? [change.directory, change.ino]
      : change.kind === "unname"
      ? [change.directory]
      : [change.ino];
    for (const ino of inos) {
      if (ino >= OWN_INO_END) this.#requireInode(change, ino);
      store.nextObjectId = Math.max(store.nextObjectId, Math.min(ino + 1, OWN_INO_END));
    }
  }

  /** The numbers that nobody gets by counting are those of inodes that are there; inodes come first in a stream. */
  #requireInode(change: StreamChange, ino: number): void {
    if (change.kind === "delete" || (change.kind === "put" && change.key[0] === KEY_TYPE.inode)) {
      return;
    }
    if (this.#fileOf(ino) === null) throw badRecord("it is of an inode that is not there");
  }

  #make(change: StreamChange): void {
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
        return this.#reserve(change);
      case "lock":
        this.#admit(RECORD_CELLS);
        return this.#locked.lock(change);
      case "lockedInline":
        this.#admit(RECORD_CELLS);
        return this.#locked.inline(change);
      case "lockedBlock":
        return this.#lockedBlock(change);
    }
  }

  #put(key: Uint8Array, value: Uint8Array): void {
    if (key[0] === KEY_TYPE.inline) this.#locked.checkInline(keyIno(key), value);
    this.#admit(RECORD_CELLS);
    const { tree } = this.#volume;
    if (key[0] !== KEY_TYPE.inode) return tree.put(key, value);
    if (tree.get(key) === null) this.#volume.admitInodes(1);
    tree.put(key, this.#inodeOf(keyIno(key), value));
  }

  /** The record of an inode, which comes without the cells that its blocks take, as its blocks here take them. */
  #inodeOf(ino: number, value: Uint8Array): Uint8Array {
    const { cells, secret: known } = (this.#fileOf(ino) ?? this.#fresh(ino)).inode;
    this.#node = nodeOf(0, emptyInode());
    decodeInode(value, this.#inode);
    const wants = this.#inode.secret !== 0 && isRegular(this.#inode.mode);
    const secret = wants && known === 0 ? this.#volume.makeSecret(ino) : known;
    return this.#encoded({ ...this.#inode, cells, secret });
  }

  /**
   * A file that is new, and has no blocks: an inode counts theirs, so that nobody would know of others. In the sender's tree it comes
   * before them; blocks without one are those of a file that is being removed.
   */
  #fresh(ino: number): Node {
    if (this.#extents.end(remains(ino)) === 0) return nodeOf(ino, emptyInode());
    throw badRecord("it is an inode that comes behind its blocks");
  }

  #encoded(inode: Inode): Uint8Array {
    encodeInode(inode, viewOf(this.#record));
    return this.#record;
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
    this.#locked.checkContent(ino);
    this.#write({ ino, first, count, lastLength, content, packed: volume.compresses }, (node) => {
      if (volume.compresses) node.compressibility ??= new Compressibility();
      return { trials: node.compressibility ?? undefined, ...secretOf(node) };
    });
  }

  #lockedBlock(block: Extract<StreamChange, { kind: "lockedBlock" }>): void {
    const { codec, length, nonce, tag, content } = block;
    const { secretId } = this.#locked.secret(block.ino);
    const form = { codec, length, stored: content.length };
    const run = { ...block, count: 1, lastLength: length, packed: codec !== CODEC.raw };
    this.#write(run, () => ({ sealed: { form, inner: { secretId, nonce, tag } } }));
  }

  /** Puts blocks of a file; `how` says what is special about their run. */
  #write(
    run: BlocksToWrite,
    how: (node: Node) => Pick<BlockRun, "trials" | "sealed" | "secretId">,
  ): void {
    const volume = this.#volume;
    const { ino, first, count, lastLength, content, packed } = run;
    this.#admit(count * this.#blockCells + RECORD_CELLS);
    const buffer = this.#buffers[this.#turn++ % BUFFERS];
    if (buffer.ticket !== null) volume.settle(buffer.ticket);
    const { address } = buffer;
    volume.kernel.bytes.set(content, address);
    this.#changeFile(ino, (node) => {
      const firstId = volume.allocateIds(count);
      const last = cellsFor(lastLength);
      const tailCells = last === this.#blockCells ? 0 : last;
      this.#extents.write(node, first, { ...emptyExtent(), count, firstId, tailCells, packed });
      const put = volume.put({ firstId, count, address, lastLength, ...how(node) });
      buffer.ticket = put.ticket;
      node.inode.cells += put.cells - (count - 1) * this.#blockCells - last;
    });
  }

  /** Nothing is set aside for what is on its way, so that all of it is asked for with each: when it has arrived, it counts. */
  #reserve({ ino, first, count }: FileBlocks): void {
    const blocks = this.#volume.setAside + count;
    this.#admit(blocks * this.#blockCells + RECORD_CELLS);
    this.#changeFile(ino, (node) => {
      this.#extents.remove(node, first, first + count);
      this.#extents.reserve(node, first, first + count);
    });
  }

  #free({ ino, first, count }: FileBlocks): void {
    this.#admit(RECORD_CELLS);
    this.#changeFile(ino, (node) => this.#extents.remove(node, first, first + count));
  }

  /** Changes blocks of a file, and its record with them. */
  #changeFile(ino: number, change: (node: Node) => void): void {
    const node = this.#fileOf(ino);
    if (node === null) return change(remains(ino));
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

/** What is left of a file that has no record any more. */
function remains(ino: number): Node {
  return nodeOf(ino, { ...emptyInode(), cells: 1 });
}

/** For attributes: its record may say already that there are none. */
function attributed(ino: number): Node {
  return nodeOf(ino, { ...emptyInode(), flags: INODE_FLAG.attributes });
}
