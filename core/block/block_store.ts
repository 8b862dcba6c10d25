import type { BytesPart } from "../bytes.ts";
import { assert } from "../assert.ts";
import type { Tree } from "../btree/tree.ts";
import { isFull, VaultError } from "../errors.ts";
import {
  cellsFor,
  CODEC,
  contentCells,
  decodeMapEntry,
  encodeMapEntry,
  type InnerSeal,
  MAP_KEY_BYTES,
  type MapEntry,
  placeCells,
  writeMapKey,
} from "../format/map_entry.ts";
import { NODE_SEAL_BYTES } from "../format/node.ts";
import type { SealedPlace } from "../format/place.ts";
import type { Redundancy } from "../format/redundancy.ts";
import { KIND } from "../format/seal_aad.ts";
import {
  type BlockAreas,
  BlockReader,
  isUnreadable,
  type LocatedBlock,
  type PendingBlocks,
  READ_BLOCKS_MAX,
  storedBytes,
  unreadable,
} from "./block_reader.ts";
import {
  BlockWriter,
  type PutRun,
  type StoredBytes,
  type WriteRun,
  type WrittenBlock,
} from "./block_writer.ts";
import type { Damage } from "./damage.ts";
import { MapScan, type ScanLimits } from "./map_scan.ts";
import type { NodeIo } from "./node_io.ts";
import type { BlockOwner, MapObserver, StoredBlock } from "./block_owner.ts";
import type { SealContext } from "./seal_context.ts";
import type { InnerSeals } from "./inner_seals.ts";
import type { Space } from "./space.ts";

/** Parts that a block store is made of. */
export interface BlockStoreParts {
  readonly context: SealContext;
  readonly nodes: NodeIo;
  readonly map: Tree;
  readonly space: Space;
  readonly redundancy: Redundancy;
  /** Takes note of bad places that were read around. */
  readonly damage: Damage;
  readonly nextId: number;
}

/**
 * Sealed blocks by id: the block map over places. Ids are never reused, and what an id names never changes; its
 * place may (`move`).
 */
export class BlockStore {
  nextId: number;
  /** Sequence of the root under construction: the birth of new blocks. */
  birth = 0;
  observer: MapObserver | null = null;
  /** Seals of content under the secrets of files. */
  readonly inner: InnerSeals;
  private readonly context: SealContext;
  private readonly nodes: NodeIo;
  private readonly map: Tree;
  private readonly scan: MapScan;
  private readonly space: Space;
  private readonly redundancy: Redundancy;
  private readonly damage: Damage;
  private readonly reader: BlockReader;
  private readonly writer: BlockWriter;
  private readonly key = new Uint8Array(MAP_KEY_BYTES);
  /** The entry that was put last. */
  private encoded = new Uint8Array(0);
  /** For a block that moves; reserved by the first move, and anew for a larger one. */
  private moveArea: BlockAreas = { address: 0, bytes: 0 };

  constructor(parts: BlockStoreParts) {
    const { context, space, redundancy, damage } = parts;
    this.context = context;
    this.nodes = parts.nodes;
    this.map = parts.map;
    this.scan = new MapScan(parts.map);
    this.space = space;
    this.redundancy = redundancy;
    this.damage = damage;
    this.nextId = parts.nextId;
    this.reader = new BlockReader({ context, k: redundancy.k, damage });
    this.inner = this.reader.inner;
    this.writer = new BlockWriter({ context, space, redundancy });
  }

  /** Writes that were begun, of blocks and nodes: where one throws and this is as before, nothing has changed. */
  get begunWrites(): number {
    return this.writer.begun + this.nodes.begun;
  }

  /** Sets memory aside for putting blocks of this size. */
  prepare(blockBytes: number): void {
    this.writer.prepare(blockBytes);
  }

  /** Reserves consecutive ids and returns the first. */
  allocateIds(count: number): number {
    const first = this.nextId;
    this.nextId += count;
    assert(Number.isSafeInteger(this.nextId), "ids stay below 2^53");
    return first;
  }

  /** Seals and stores blocks that lie one behind another in kernel memory, each as long as a full one but the last. */
  put(run: WriteRun, owner: BlockOwner): PutRun {
    const { secretId: of } = run;
    const seal = (block: StoredBytes) => of === undefined ? null : this.inner.seal(block, of);
    const done = (block: WrittenBlock) => this.enter(block, { birth: this.birth, owner });
    const put = this.writer.put(run, seal, done);
    owner.took(put.cells);
    return put;
  }

  /** True when the job of this ticket, and all before it, are finished. */
  settled(ticket: number): boolean {
    return this.writer.settled(ticket);
  }

  /** Waits for a ticket and all before it, or for all. */
  settle(ticket?: number): void {
    this.writer.settle(ticket);
  }

  /** Cells of blocks that may not be on the medium yet. */
  get queuedCells(): number {
    return this.writer.queuedCells;
  }

  /** Waits for every job and enters its blocks into the map. */
  absorb(): void {
    this.writer.absorb();
  }

  private enter(
    { id, form: { codec, length, stored }, shape: { k, m }, inner, places }: WrittenBlock,
    { birth, owner }: Pick<StoredBlock, "birth" | "owner">,
  ): void {
    const epoch = this.context.epoch;
    const entry = { kind: KIND.data, level: 0, codec, length, stored, k, m, epoch, birth };
    this.putEntry(id, { ...entry, inner, places, owner });
  }

  private putEntry(id: number, block: StoredBlock): void {
    const bytes = this.encoded = encodeMapEntry(block, this.encoded);
    writeMapKey(this.key, id);
    this.map.put(this.key, bytes);
    if (block.kind === KIND.data) this.observer?.entryPut(id, bytes, block.owner);
  }

  /** The coordinate of a block, or null where there is none. */
  entry(id: number): MapEntry | null {
    if (this.writer.mayHold(id)) this.absorb();
    writeMapKey(this.key, id);
    const bytes = this.map.get(this.key);
    return bytes === null ? null : decodeMapEntry(bytes);
  }

  /** The coordinate of a block that must exist. */
  private known(id: number): MapEntry {
    const entry = this.entry(id);
    if (entry === null) {
      throw new VaultError("corrupt", `Cannot find block ${id} in the block map; run "check"`);
    }
    return entry;
  }

  /** Reads data blocks with consecutive ids, each to an area of its own, zero-filled. */
  get(firstId: number, count: number, { address, bytes }: BlockAreas): void {
    for (let at = 0; at < count; at += READ_BLOCKS_MAX) {
      const blocks = Math.min(READ_BLOCKS_MAX, count - at);
      const area = { address: address + at * bytes, bytes };
      this.reader.read(this.located(firstId + at, blocks), area);
    }
  }

  /** Opens a part of one block, checked as a whole; false where that does not pay: use `get`. The rest of the area is unspecified. */
  getPart(id: number, area: BlockAreas, part: BytesPart): boolean {
    return this.reader.readPart({ id, entry: this.known(id) }, area, part);
  }

  /** Reads a block as it is stored, sealed where it is so under the secret of a file; its bytes begin at the area. */
  getStored(id: number, area: BlockAreas): MapEntry {
    const entry = this.known(id);
    this.reader.readStored({ id, entry }, area);
    return entry;
  }

  /**
   * Starts reading up to {@linkcode READ_BLOCKS_MAX} whole blocks in the background; null where that does not pay or is not
   * possible now.
   */
  getLater(firstId: number, count: number, areas: BlockAreas): PendingBlocks | null {
    if (!this.reader.canReadLater || count > READ_BLOCKS_MAX) return null;
    const pending = this.reader.readLater(this.located(firstId, count), areas);
    if (pending === null) return null;
    return {
      settled: () => pending.settled(),
      finish: () => {
        try {
          pending.finish();
        } catch (error) {
          if (!(error instanceof VaultError) || error.kind !== "corrupt") throw error;
          // Moved meanwhile, and so long ago that its old places are used again.
          this.get(firstId, count, areas);
        }
      },
    };
  }

  private located(firstId: number, count: number): LocatedBlock[] {
    const ids = Array.from({ length: count }, (_, i) => firstId + i);
    return ids.map((id) => ({ id, entry: this.known(id) }));
  }

  /** Cells that blocks with consecutive ids take as they are stored, parity left out. */
  cells(firstId: number, count: number): number {
    return this.located(firstId, count).reduce((sum, { entry }) => sum + contentCells(entry), 0);
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
  free(id: number, entry: MapEntry = this.known(id)): number {
    this.forget(id, entry);
    return contentCells(entry);
  }

  private forget(id: number, entry: MapEntry): void {
    this.freePlaces(entry);
    writeMapKey(this.key, id);
    this.map.delete(this.key);
  }

  private freePlaces(entry: MapEntry): void {
    const cells = placeCells(entry);
    for (const { cell, missing } of entry.places) if (!missing) this.space.free(cell, cells);
  }

  /** Queues a tree node under an id. `done` is called when it is entered into the map. */
  putNode(id: number, level: number, bytes: Uint8Array): void {
    this.writeNode(id, { level, bytes, birth: () => this.birth });
  }

  private writeNode(
    id: number,
    { level, bytes, birth }: { level: number; bytes: Uint8Array; birth: () => number },
  ): void {
    const { redundancy: { m } } = this;
    const kind = KIND.volumeNode;
    const cells = this.space.allocateApart(cellsFor(bytes.length + NODE_SEAL_BYTES), m + 1);
    const done = (places: SealedPlace[]) => {
      const sizes = { length: bytes.length, stored: bytes.length, k: 1, m };
      const { epoch } = this.context;
      const entry = { kind, level, codec: CODEC.raw, ...sizes, epoch, birth: birth() };
      this.putEntry(id, { ...entry, inner: null, places, owner: null });
    };
    this.nodes.write({ kind, id, level, bytes, cells, done });
  }

  /** Reads a tree node. */
  readNode(id: number): Uint8Array<ArrayBuffer> {
    const entry = this.known(id);
    const { kind, level, epoch, places: copies } = entry;
    if (kind !== KIND.volumeNode) throw unreadable(id);
    const place = { kind: KIND.volumeNode, id, level, epoch, cells: placeCells(entry), copies };
    const { bytes, bad } = this.nodes.read(place);
    if (bad > 0) this.damage.foundBlock(id, bad);
    return bytes;
  }

  /**
   * Seals a block anew in other places, under fresh nonces and the current epoch; id, content and birth stay. Data
   * blocks go to the intent log. Nodes need not: until the next root the last one's entry leads to the old cells, which rest.
   */
  move(id: number): void {
    const entry = this.known(id);
    if (entry.kind === KIND.volumeNode) return this.rewriteNode(id, entry, this.readNode(id));
    this.writeAnew({ id, entry }, (area) => {
      this.reader.readStored({ id, entry }, area);
      return entry.inner;
    });
  }

  /**
   * Moves a block whose bytes become sealed under the secret of a file, or are not any more (null); the secrets are open.
   * A blank one becomes zeros, whatever it was. False where it is so already.
   */
  reseal(id: number, secretId: number | null, blank = false): boolean {
    const entry = this.known(id);
    if ((entry.inner?.secretId ?? null) === secretId) return false;
    this.writeAnew({ id, entry }, (area) => {
      const { address } = area;
      if (blank) this.context.kernel.wipe(address, entry.stored);
      else this.reader.readStored({ id, entry }, area);
      if (!blank) this.reader.unseal({ id, entry }, address);
      return secretId === null ? null : this.inner.seal({ id, form: entry, address }, secretId);
    });
    return true;
  }

  /** Writes a data block to other places. `fill` says what it then holds, in its old form, and how that is sealed inside. */
  private writeAnew(
    { id, entry }: LocatedBlock,
    fill: (area: BlockAreas) => InnerSeal | null,
  ): void {
    const { birth, codec, length, stored } = entry;
    const area = this.areaFor(entry);
    this.absorb();
    const inner = fill(area);
    const bytes = { id, form: { codec, length, stored }, address: area.address, inner };
    this.writer.putStored(bytes, (block) => this.enter(block, { birth, owner: null }));
    this.freePlaces(entry);
  }

  private areaFor(entry: MapEntry): BlockAreas {
    if (storedBytes(entry) <= this.moveArea.bytes) return this.moveArea;
    const bytes = 2 ** Math.ceil(Math.log2(storedBytes(entry)));
    return this.moveArea = { address: this.context.kernel.reserve(bytes), bytes };
  }

  /** Stores a tree node again under its id, with other bytes of the same length: what a file that is locked had in it. */
  replaceNode(id: number, bytes: Uint8Array): void {
    const entry = this.known(id);
    assert(entry.kind === KIND.volumeNode && entry.length === bytes.length, "a node stays one");
    this.rewriteNode(id, entry, bytes);
  }

  private rewriteNode(id: number, entry: MapEntry, bytes: Uint8Array): void {
    this.writeNode(id, { level: entry.level, bytes, birth: () => entry.birth });
    this.nodes.flush();
    this.freePlaces(entry);
  }

  /**
   * Takes over an entry from the intent log; its cells are already reserved. A block that had moved leaves its old ones.
   * True where the block is fresh.
   */
  replayEntry(id: number, bytes: Uint8Array): boolean {
    const { places: [{ cell }] } = decodeMapEntry(bytes);
    const held = this.entry(id);
    if (held !== null && held.places[0].cell !== cell) this.freePlaces(held);
    writeMapKey(this.key, id);
    this.map.put(this.key, bytes);
    return held === null;
  }

  /** See {@linkcode MapScan.idsWithin}. */
  idsWithin(cells: { from: number; end: number }, most: number, fromId: number): number[] {
    this.absorb();
    return this.scan.idsWithin(cells, most, fromId);
  }

  /** See {@linkcode MapScan.from}. */
  entriesFrom(fromId: number, most: number, limits: ScanLimits = {}): LocatedBlock[] {
    this.absorb();
    return this.scan.from(fromId, most, limits);
  }

  /** Visits every block's id and coordinate. */
  entries(visit: (id: number, entry: MapEntry) => void): void {
    this.absorb();
    this.scan.all(visit);
  }
}

/** True for the error of a move that has changed nothing: the block cannot be read, or there is no room for it. */
export const leftAlone = (error: unknown) => isUnreadable(error) || isFull(error);
