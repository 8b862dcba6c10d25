import { assert } from "../assert.ts";
import type { Tree } from "../btree/tree.ts";
import { DESCRIPTOR_BYTES } from "../crypto/kernel.ts";
import { VaultError } from "../errors.ts";
import {
  cellsFor,
  contentCells,
  decodeMapEntry,
  encodeMapEntry,
  MAP_KEY_BYTES,
  type MapEntry,
  readMapKey,
  writeMapKey,
} from "../format/map_entry.ts";
import { NODE_SEAL_BYTES } from "../format/node.ts";
import { KIND } from "../format/seal_aad.ts";
import { CELL_BYTES } from "../limits.ts";
import {
  BlockReader,
  type LocatedBlock,
  type PendingBlocks,
  READ_BLOCKS_MAX,
  unreadable,
} from "./block_reader.ts";
import { addExtent, type Extent, EXTENTS_MAX } from "./lane.ts";
import type { NodeIo } from "./node_io.ts";
import type { BlockOwner, MapObserver } from "./block_owner.ts";
import { reserveDescriptors, type SealContext } from "./seal_context.ts";
import type { Space } from "./space.ts";

/** Blocks sealed by one job. */
const JOB_BLOCKS = EXTENTS_MAX;
/** Jobs whose entries are not in the map yet. */
const JOBS_MAX = 128;

/** A queued job whose tags are not known before it has settled. */
interface PendingJob {
  readonly ticket: number;
  readonly descriptors: number;
  readonly firstId: number;
  readonly lengths: readonly number[];
  readonly cells: readonly number[];
  readonly owner: BlockOwner;
}

/** Parts that a block store is made of. */
export interface BlockStoreParts {
  readonly context: SealContext;
  readonly nodes: NodeIo;
  readonly map: Tree;
  readonly space: Space;
  readonly blockBytes: number;
  readonly nextId: number;
}

/**
 * Sealed blocks by id: the block map over places. Ids are never reused, and what an id names never changes; its
 * place may (`move`).
 */
export class BlockStore {
  readonly blockBytes: number;
  nextId: number;
  /** Sequence of the root under construction: the birth of new blocks. */
  birth = 0;
  observer: MapObserver | null = null;
  private readonly context: SealContext;
  private readonly nodes: NodeIo;
  private readonly map: Tree;
  private readonly space: Space;
  private readonly descriptors: number;
  private readonly reader: BlockReader;
  private readonly key = new Uint8Array(MAP_KEY_BYTES);
  private pending: PendingJob[] = [];
  /** No id below this one is pending. */
  private pendingFrom = 0;
  private nextSlot = 0;
  /** Clear text of a block that moves; reserved by the first move. */
  private moveBuffer: number | undefined;
  private moveDescriptor: number | undefined;
  /** A write that failed. What it should have stored is not there, so that nothing may be entered any more. */
  private failure: unknown;

  constructor(parts: BlockStoreParts) {
    this.context = parts.context;
    this.nodes = parts.nodes;
    this.map = parts.map;
    this.space = parts.space;
    this.blockBytes = parts.blockBytes;
    this.nextId = parts.nextId;
    this.descriptors = reserveDescriptors(this.context.kernel, JOBS_MAX * JOB_BLOCKS);
    this.reader = new BlockReader(this.context, this.blockBytes);
  }

  /** Reserves consecutive ids and returns the first. */
  allocateIds(count: number): number {
    const first = this.nextId;
    this.nextId += count;
    assert(Number.isSafeInteger(this.nextId), "ids stay below 2^53");
    return first;
  }

  /** Seals and stores blocks that lie one behind another in kernel memory, each `blockBytes` long but the last. */
  put(
    run: { firstId: number; count: number; address: number; lastLength: number },
    owner: BlockOwner,
  ): number {
    assert(run.lastLength >= 1 && run.lastLength <= this.blockBytes, "the last block has bytes");
    let ticket = 0;
    for (let at = 0; at < run.count; at += JOB_BLOCKS) {
      ticket = this.putJob(run, at, owner);
    }
    return ticket;
  }

  private putJob(run: Parameters<BlockStore["put"]>[0], from: number, owner: BlockOwner): number {
    const count = Math.min(JOB_BLOCKS, run.count - from);
    if (this.pending.length >= JOBS_MAX - 1) this.absorbOldest();
    const descriptors = this.descriptors + this.nextSlot * JOB_BLOCKS * DESCRIPTOR_BYTES;
    this.nextSlot = (this.nextSlot + 1) % JOBS_MAX;
    const { context } = this;
    const extents: Extent[] = [];
    const lengths: number[] = [];
    const cells: number[] = [];
    for (let i = 0; i < count; i++) {
      const address = run.address + (from + i) * this.blockBytes;
      const length = from + i === run.count - 1 ? run.lastLength : this.blockBytes;
      const sealedBytes = cellsFor(length) * CELL_BYTES;
      const cell = this.space.allocate(cellsFor(length));
      context.kernel.bytes.fill(0, address + length, address + sealedBytes);
      const at = descriptors + i * DESCRIPTOR_BYTES;
      const id = run.firstId + from + i;
      const subject = { kind: KIND.data, id, level: 0, epoch: context.epoch, length };
      context.describe(at, { ...subject, address, sealedBytes });
      context.nonces.take(context.nonceOf(at), 0);
      addExtent(extents, { address, length: sealedBytes, offset: cell * CELL_BYTES });
      lengths.push(length);
      cells.push(cell);
    }
    const ticket = context.lane.submit({ kind: "seal-and-write", descriptors, count, extents });
    const firstId = run.firstId + from;
    this.pendingFrom = this.pending.length === 0 ? firstId : Math.min(this.pendingFrom, firstId);
    this.pending.push({ ticket, descriptors, firstId, lengths, cells, owner });
    return ticket;
  }

  /** True when the job of this ticket is finished. */
  settled(ticket: number): boolean {
    return this.context.lane.settled(ticket);
  }

  /** Waits for a job, or for all. */
  settle(ticket?: number): void {
    if (this.failure !== undefined) throw this.failure;
    try {
      this.context.lane.settle(ticket);
    } catch (error) {
      this.failure = error;
      throw error;
    }
  }

  private absorbOldest(): void {
    this.settle(this.pending[0].ticket);
    while (this.pending.length > 0 && this.context.lane.settled(this.pending[0].ticket)) {
      this.enter(this.pending.shift()!);
    }
  }

  /** Waits for every job and enters its blocks into the map. */
  absorb(): void {
    if (this.pending.length === 0) return;
    this.settle();
    for (const job of this.pending) this.enter(job);
    this.pending = [];
  }

  private enter(job: PendingJob): void {
    for (let i = 0; i < job.lengths.length; i++) {
      const at = job.descriptors + i * DESCRIPTOR_BYTES;
      this.putEntry(job.firstId + i, {
        kind: KIND.data,
        level: 0,
        length: job.lengths[i],
        cell: job.cells[i],
        nonce: this.context.nonceOf(at),
        tag: this.context.tagOf(at),
        owner: job.owner,
      });
    }
  }

  private putEntry(id: number, block: StoredBlock): void {
    const { context: { epoch } } = this;
    const birth = block.birth ?? this.birth;
    const place = {
      member: 0,
      missing: false,
      cell: block.cell,
      nonce: block.nonce,
      tag: block.tag,
    };
    const { kind, level, length } = block;
    const entry = { kind, level, codec: 0, k: 1, m: 0, length, epoch, birth, places: [place] };
    const bytes = encodeMapEntry(entry);
    writeMapKey(this.key, id);
    this.map.put(this.key, bytes);
    if (kind === KIND.data) this.observer?.entryPut(id, bytes, block.owner ?? null);
  }

  /** The coordinate of a block, or null where there is none. */
  entry(id: number): MapEntry | null {
    if (this.isPending(id)) this.absorb();
    writeMapKey(this.key, id);
    const bytes = this.map.get(this.key);
    return bytes === null ? null : decodeMapEntry(bytes);
  }

  private isPending(id: number): boolean {
    return this.pending.length > 0 && id >= this.pendingFrom;
  }

  /** The coordinate of a block that must exist. */
  private known(id: number): MapEntry {
    const entry = this.entry(id);
    if (entry === null) {
      throw new VaultError("corrupt", `Cannot find block ${id} in the block map; run "check"`);
    }
    return entry;
  }

  /** Reads data blocks with consecutive ids: block i lands at `address + i * blockBytes`, zero-filled. */
  get(firstId: number, count: number, address: number): void {
    for (let at = 0; at < count; at += READ_BLOCKS_MAX) {
      const blocks = Math.min(READ_BLOCKS_MAX, count - at);
      this.reader.read(this.located(firstId + at, blocks), address + at * this.blockBytes);
    }
  }

  /**
   * Starts reading up to {@linkcode READ_BLOCKS_MAX} whole blocks in the background; null where that does not pay or is not
   * possible now.
   */
  getLater(firstId: number, count: number, address: number): PendingBlocks | null {
    if (!this.reader.canReadLater || count > READ_BLOCKS_MAX) return null;
    return this.reader.readLater(this.located(firstId, count), address);
  }

  private located(firstId: number, count: number): LocatedBlock[] {
    return Array.from(
      { length: count },
      (_, i) => ({ id: firstId + i, entry: this.known(firstId + i) }),
    );
  }

  /** The owner gives blocks up. What nobody else has is forgotten; its cells rest until three later roots are durable. */
  drop(firstId: number, count: number, owner: BlockOwner): void {
    for (let id = firstId; id < firstId + count; id++) this.giveUp(id, owner);
    this.observer?.runDropped(firstId, count, owner);
  }

  /**
   * The owner gives a tree node up; true where nobody else had it. The intent log does not know nodes: replaying it makes
   * them anew.
   */
  dropNode(id: number, owner: BlockOwner): boolean {
    return this.giveUp(id, owner);
  }

  private giveUp(id: number, owner: BlockOwner): boolean {
    const entry = this.known(id);
    if (!owner.gaveUp(id, entry.birth, contentCells(entry))) return false;
    this.forget(id, entry);
    return true;
  }

  /** Forgets a block that nobody has any more; returns its cells. No log record tells of it: the next root does. */
  free(id: number): number {
    const entry = this.known(id);
    this.forget(id, entry);
    return contentCells(entry);
  }

  private forget(id: number, entry: MapEntry): void {
    this.space.free(entry.places[0].cell, contentCells(entry));
    writeMapKey(this.key, id);
    this.map.delete(this.key);
  }

  /** Queues a tree node under an id. `done` is called when it is entered into the map. */
  putNode(id: number, level: number, bytes: Uint8Array): void {
    const cell = this.space.allocate(cellsFor(bytes.length + NODE_SEAL_BYTES));
    const kind = KIND.volumeNode;
    const done = (nonce: Uint8Array, tag: Uint8Array) =>
      this.putEntry(id, { kind, level, length: bytes.length, cell, nonce, tag });
    this.nodes.write({ kind, id, level, bytes, cell, done });
  }

  /** Reads a tree node. */
  readNode(id: number): Uint8Array<ArrayBuffer> {
    const entry = this.known(id);
    if (entry.kind !== KIND.volumeNode) throw unreadable(id);
    const [{ cell, nonce, tag }] = entry.places;
    const cells = cellsFor(entry.length + NODE_SEAL_BYTES);
    const { level, epoch } = entry;
    return this.nodes.read({ kind: KIND.volumeNode, id, level, epoch, cell, cells, nonce, tag });
  }

  /**
   * Seals a block anew in another place, under a fresh nonce and the current epoch; id, content and birth stay. Data
   * blocks go to the intent log. Nodes need not: until the next root the last one's entry leads to the old cells, which rest.
   */
  move(id: number): void {
    const entry = this.known(id);
    if (entry.kind === KIND.volumeNode) return this.moveNode(id, entry);
    const { context } = this;
    const at = this.moveDescriptor ??= reserveDescriptors(context.kernel, 1);
    const { length, birth, places: [old] } = entry;
    const address = this.moveBuffer ??= context.kernel.reserve(this.blockBytes);
    this.get(id, 1, address);
    const cells = cellsFor(length);
    const cell = this.space.allocate(cells);
    const sealedBytes = cells * CELL_BYTES;
    const { epoch, nonces, lane } = context;
    context.describe(at, { kind: KIND.data, id, level: 0, epoch, length, address, sealedBytes });
    nonces.take(context.nonceOf(at), 0);
    const extents = [{ address, length: sealedBytes, offset: cell * CELL_BYTES }];
    lane.settle(lane.submit({ kind: "seal-and-write", descriptors: at, count: 1, extents }));
    const [nonce, tag] = [context.nonceOf(at), context.tagOf(at)];
    this.putEntry(id, { kind: KIND.data, level: 0, length, cell, nonce, tag, birth });
    this.space.free(old.cell, cells);
  }

  private moveNode(id: number, entry: MapEntry): void {
    const { kind, level, length, birth, places: [old] } = entry;
    const bytes = this.readNode(id);
    const cells = cellsFor(length + NODE_SEAL_BYTES);
    const cell = this.space.allocate(cells);
    const done = (nonce: Uint8Array, tag: Uint8Array) =>
      this.putEntry(id, { kind, level, length, cell, nonce, tag, birth });
    this.nodes.write({ kind: KIND.volumeNode, id, level, bytes, cell, done });
    this.nodes.flush();
    this.space.free(old.cell, cells);
  }

  /**
   * Takes over an entry from the intent log; its cells are already reserved. A block that had moved leaves its old ones.
   * True where the block is fresh.
   */
  replayEntry(id: number, bytes: Uint8Array): boolean {
    const { places: [{ cell }] } = decodeMapEntry(bytes);
    const held = this.entry(id);
    if (held !== null && held.places[0].cell !== cell) {
      this.space.free(held.places[0].cell, cellsFor(held.length));
    }
    writeMapKey(this.key, id);
    this.map.put(this.key, bytes);
    return held === null;
  }

  /** Ids from `fromId` on of up to `most` blocks that lie at or above `cell`, in order. */
  idsAbove(cell: number, most: number, fromId: number): number[] {
    this.absorb();
    const ids: number[] = [];
    writeMapKey(this.key, fromId);
    this.map.scan(this.key, (key, value) => {
      if (decodeMapEntry(value).places.some((place) => place.cell >= cell)) {
        ids.push(readMapKey(key));
      }
      return ids.length < most;
    });
    return ids;
  }

  /** Visits every block's id and coordinate. */
  entries(visit: (id: number, entry: MapEntry) => void): void {
    this.absorb();
    this.map.scan(new Uint8Array(0), (key, value) => {
      const view = new DataView(key.buffer, key.byteOffset, key.byteLength);
      visit(view.getUint32(0) * 4294967296 + view.getUint32(4), decodeMapEntry(value));
      return true;
    });
  }
}

interface StoredBlock {
  readonly kind: MapEntry["kind"];
  readonly level: number;
  readonly length: number;
  readonly cell: number;
  readonly nonce: Uint8Array;
  readonly tag: Uint8Array;
  /** The root under construction unless given. */
  readonly birth?: number;
  /** Of a block that was put; a move has none. */
  readonly owner?: BlockOwner;
}
