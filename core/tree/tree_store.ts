import { assert } from "../assert.ts";
import type { BlockOwner } from "../block/block_owner.ts";
import { BlockStore } from "../block/block_store.ts";
import { MediumInspector, type PlacedBlock } from "../block/medium_inspector.ts";
import { NodeIo } from "../block/node_io.ts";
import { PhysicalPages } from "../block/physical_pages.ts";
import { type OpenedRoot, rootCells, type RootStore } from "../block/root_store.ts";
import type { SealContext } from "../block/seal_context.ts";
import type { TakingOrder } from "../block/segment_order.ts";
import { PageCache } from "../btree/page_cache.ts";
import { headerSegments } from "../block/kept_segments.ts";
import { Space } from "../block/space.ts";
import { Tree } from "../btree/tree.ts";
import { LOG_CHUNK_CELLS } from "../format/log_record.ts";
import { cellsFor } from "../format/map_entry.ts";
import { TREE, type TreeKind } from "../format/node.ts";
import type { RootRecord } from "../format/root_record.ts";
import { packRun, runCell, runCount } from "../format/space_record.ts";
import { KIND, type Kind } from "../format/seal_aad.ts";
import { CELL_BYTES, MIB, SEGMENT_BYTES, SEGMENT_CELLS } from "../limits.ts";
import type { DirectAccess } from "../storage/storage_backend.ts";
import { BackgroundFreeing } from "./background_freeing.ts";
import { Branch } from "./branch.ts";
import { Catalog } from "./catalog.ts";
import { IdPages } from "./id_pages.ts";
import { IntentLog } from "./intent_log.ts";
import { HEAD, Lineage } from "./lineage.ts";

/** Memory for tree pages, shared out between the trees. */
const MAP_SHARE = 0.35;
const SPACE_SHARE = 0.05;
const CATALOG_SHARE = 0.05;

/** Whoever only reads: gives nothing up. */
const NOBODY: BlockOwner = {
  branch: 0,
  gaveUp: () => {
    assert(false, "who only reads gives nothing up");
  },
};

/** Parts that outlive a store: made by the vault. */
export interface TreeStoreParts {
  readonly context: SealContext;
  readonly medium: DirectAccess;
  readonly roots: RootStore;
  readonly order: TakingOrder;
  /** Bytes of clean tree pages kept in memory. */
  readonly cacheBytes?: number;
}

/** Size and shape of a new store. */
export interface TreeStoreShape {
  readonly segments: number;
  readonly segmentsMax: number;
  readonly blockBytes: number;
  /** Free cells hold noise and are never given back. */
  readonly dense?: boolean;
}

/**
 * One Merkle tree over a medium: the block map, space and the catalog under one root, and under the catalog the trees of
 * all branches and snapshots. A root is written by `prepare`, `publish` and `finish`; a crash at any write leaves the old
 * one or the new one.
 */
export class TreeStore {
  readonly blocks: BlockStore;
  readonly space: Space;
  readonly catalog: Catalog;
  readonly freeing: BackgroundFreeing;
  readonly log: IntentLog;
  readonly blockBytes: number;
  /** Free cells hold noise and are never given back. */
  readonly dense: boolean;
  /** Sequence of the newest durable root. */
  sequence: number;
  nextObjectId: number;
  private readonly parts: TreeStoreParts;
  private readonly nodes: NodeIo;
  private readonly mapPages: PhysicalPages;
  private readonly spacePages: PhysicalPages;
  private readonly catalogPages: PhysicalPages;
  /** Of all branches and snapshots. */
  private readonly volumePages: PageCache;
  private readonly map: Tree;
  private readonly spaceTree: Tree;
  private readonly catalogTree: Tree;
  private readonly branches = new Map<number, Branch>();
  private rootHash: Uint8Array;
  /** Where the newest root record lies: given up with the next one. */
  private rootRun: number;
  private nextSequence: number;
  private knownInspector: MediumInspector | null = null;

  private constructor(parts: TreeStoreParts, shape: TreeStoreShape, opened: OpenedRoot | null) {
    const { context, cacheBytes = 32 * MIB } = parts;
    const { epoch } = context;
    const record = opened?.record;
    this.parts = parts;
    this.blockBytes = shape.blockBytes;
    this.dense = shape.dense ?? false;
    this.nodes = new NodeIo(context);
    const pagesOf = (tree: TreeKind, kind: Kind, share: number) =>
      new PhysicalPages({ io: this.nodes, tree, kind, epoch, cacheBytes: cacheBytes * share });
    this.mapPages = pagesOf(TREE.map, KIND.mapNode, MAP_SHARE);
    this.spacePages = pagesOf(TREE.space, KIND.spaceNode, SPACE_SHARE);
    this.catalogPages = pagesOf(TREE.catalog, KIND.catalogNode, CATALOG_SHARE);
    this.map = new Tree(this.mapPages, record && this.mapPages.load(record.map, 0));
    this.spaceTree = new Tree(this.spacePages, record && this.spacePages.load(record.space, 0));
    this.space = new Space({
      order: parts.order,
      tree: this.spaceTree,
      segments: shape.segments,
      segmentsMax: shape.segmentsMax,
      blockCells: shape.blockBytes / CELL_BYTES,
      grow: (segments) => parts.medium.truncate(segments * SEGMENT_BYTES),
    });
    this.mapPages.useSpace(this.space);
    this.spacePages.useSpace(this.space);
    this.catalogPages.useSpace(this.space);
    this.catalogTree = new Tree(
      this.catalogPages,
      record && this.catalogPages.load(record.catalog, 0),
    );
    this.catalog = new Catalog(this.catalogTree);
    this.blocks = new BlockStore({
      context,
      nodes: this.nodes,
      map: this.map,
      space: this.space,
      blockBytes: shape.blockBytes,
      nextId: record?.nextBlockId ?? 1,
    });
    this.sequence = record?.sequence ?? 0;
    this.nextSequence = opened?.nextSequence ?? 1;
    this.blocks.birth = this.nextSequence;
    this.volumePages = new PageCache(cacheBytes * (1 - MAP_SHARE - SPACE_SHARE - CATALOG_SHARE));
    this.freeing = new BackgroundFreeing(this.catalog, this.blocks, this.readPages());
    this.nextObjectId = record?.nextObjectId ?? 2;
    this.rootHash = opened?.hash ?? new Uint8Array(32);
    this.rootRun = opened?.run ?? 0;
    this.log = new IntentLog({ context, medium: parts.medium, space: this.space }, {
      id: record?.logId ?? new Uint8Array(16),
      chunk: record?.logChunk ?? packRun(0, LOG_CHUNK_CELLS),
      base: this.sequence,
    });
  }

  /** Makes an empty store. Nothing is on the medium before the first commit. */
  static create(parts: TreeStoreParts, shape: TreeStoreShape): TreeStore {
    const store = new TreeStore(parts, shape, null);
    for (let segment = 0; segment < headerSegments(store.dense); segment++) {
      store.space.reserve(segment * SEGMENT_CELLS, SEGMENT_CELLS);
    }
    return store;
  }

  /** Opens the store that a root record names, without what its intent log holds. */
  static open(parts: TreeStoreParts, opened: OpenedRoot): TreeStore {
    const { record } = opened;
    const store = new TreeStore(parts, record, opened);
    for (const run of record.takenLate) store.space.reserve(runCell(run), runCount(run));
    store.space.resting.addLate(record.sequence, record.givenUpLate);
    // As the one who wrote this root did next: its log may already lie in cells whose rest was over then.
    store.space.rootDurable(record.sequence, () => {});
    return store;
  }

  /** Bytes of tree pages that the next root has to write. */
  get dirtyBytes(): number {
    return this.volumePages.dirtyBytes + this.mapPages.cache.dirtyBytes +
      this.spacePages.cache.dirtyBytes + this.catalogPages.cache.dirtyBytes;
  }

  /** Lets pages go that do not fit into the cache; views into pages become invalid. */
  trim(): void {
    this.volumePages.trim();
    this.catalogPages.cache.trim();
    this.mapPages.cache.trim();
    this.spacePages.cache.trim();
  }

  /** The head of a branch, to be changed. */
  openBranch(id: number): Branch {
    const known = this.branches.get(id);
    if (known !== undefined) return known;
    const { blocks, catalog, volumePages: cache } = this;
    const branch = new Branch({ blocks, cache, catalog }, catalog.branch(id), this.newestOf(id));
    this.branches.set(id, branch);
    return branch;
  }

  private newestOf(branch: number): number {
    return new Lineage(this.catalog).predecessor({ branch, sequence: HEAD })?.sequence ?? 0;
  }

  /** Stores what changed of every head that is open, and writes the heads into the catalog. */
  storeHeads(): void {
    for (const branch of this.branches.values()) branch.storePages();
    this.nodes.flush();
    for (const branch of this.branches.values()) branch.storeRecord();
  }

  private changeCatalog(sequence: number, change: (sequence: number) => void): void {
    change(sequence);
    for (const [id, branch] of this.branches) {
      if (this.catalog.hasHead(id)) branch.newest = this.newestOf(id);
      else this.branches.delete(id);
    }
  }

  /** Writes every dead run into the catalog. */
  settleDeaths(): void {
    for (const branch of this.branches.values()) branch.settle();
  }

  /** Forgets the head of a branch: a root holds all of it. */
  closeBranch(id: number): void {
    this.branches.delete(id);
  }

  /** Pages of any branch or snapshot, to be read. */
  readPages(): IdPages {
    return new IdPages(this.blocks, this.volumePages, NOBODY);
  }

  /**
   * Writes everything that changed and the root record, but not the superblock. `change` sees the heads as this root has
   * them, and may change the catalog. What is returned goes to `publish` when the medium has synced.
   */
  prepare(change?: (sequence: number) => void): PreparedRoot {
    const sequence = this.nextSequence;
    this.blocks.absorb();
    this.storeHeads();
    if (change !== undefined) this.changeCatalog(sequence, change);
    this.freeLog();
    if (this.rootRun !== 0) this.space.free(runCell(this.rootRun), runCount(this.rootRun));
    this.space.writeRecords(sequence);
    const map = this.storeTree(this.mapPages, this.map, sequence);
    const space = this.storeTree(this.spacePages, this.spaceTree, sequence);
    const catalog = this.storeTree(this.catalogPages, this.catalogTree, sequence);
    const logChunk = this.space.allocateUpTo(LOG_CHUNK_CELLS, "late");
    const runs = this.space.lateRuns().length + this.space.resting.late().length + 1;
    const cells = rootCells(runs);
    const cell = this.space.allocateLate(cells);
    const record: RootRecord = {
      features: 0,
      sequence,
      time: this.parts.context.runtime.now(),
      nextBlockId: this.blocks.nextId,
      nextObjectId: this.nextObjectId,
      segments: this.space.segments,
      segmentsMax: this.space.segmentsMax,
      blockBytes: this.blockBytes,
      dense: this.dense,
      epoch: this.parts.context.epoch,
      map,
      space,
      catalog,
      logId: this.freshId(),
      logChunk,
      parentHash: this.rootHash,
      takenLate: this.space.lateRuns(),
      givenUpLate: this.space.resting.late(),
    };
    const { superblock, hash } = this.parts.roots.writeRoot(record, cell);
    this.parts.context.nonces.refill();
    // What changes from here on belongs to the next root, even while this one is still on its way.
    this.space.rootWritten(sequence);
    this.nextSequence = sequence + 1;
    this.blocks.birth = this.nextSequence;
    return { sequence, record, superblock, hash, run: packRun(cell, cells) };
  }

  private storeTree(pages: PhysicalPages, tree: Tree, sequence: number): Uint8Array<ArrayBuffer> {
    if (!tree.root.dirty) pages.makeWritable(tree.root);
    return pages.store(tree.root, sequence);
  }

  private freshId(): Uint8Array<ArrayBuffer> {
    const id = new Uint8Array(16);
    this.parts.context.runtime.random(id);
    return id;
  }

  private freeLog(): void {
    if (this.sequence === 0) return;
    for (const run of this.log.takenChunks()) this.space.free(runCell(run), runCount(run));
  }

  /** The prepared root is on the medium, durably: names it in both rings. It counts when that is durable. */
  publish(prepared: PreparedRoot): void {
    this.parts.roots.writeSuperblock(prepared.superblock);
  }

  /** The root is durable: the next one begins. Calls `released` with each run of cells that became usable. */
  finish(prepared: PreparedRoot, released: (run: number) => void): void {
    const { sequence, record } = prepared;
    this.sequence = sequence;
    this.rootHash = prepared.hash;
    this.rootRun = prepared.run;
    this.log.restart({ id: record.logId, chunk: record.logChunk, base: sequence });
    this.space.rootDurable(sequence, released);
  }

  /** The newest root as it lies on the medium, and a reader past every cache: for checking. */
  inspect(): { root: OpenedRoot | null; inspector: MediumInspector } {
    const { context, roots } = this.parts;
    return { root: roots.newest([context.epoch]), inspector: this.inspector() };
  }

  /** The catalog of a root as it lies on the medium, past every cache. */
  catalogOf(record: RootRecord): Catalog {
    const { epoch } = this.parts.context;
    const [io, tree, kind] = [this.nodes, TREE.catalog, KIND.catalogNode];
    const pages = new PhysicalPages({ io, tree, kind, epoch, cacheBytes: MIB });
    return new Catalog(new Tree(pages, pages.load(record.catalog, 0)));
  }

  private inspector(): MediumInspector {
    this.knownInspector ??= new MediumInspector(this.parts.context, this.nodes, this.blockBytes);
    return this.knownInspector;
  }

  /** Segments that the medium has room for: it may have grown since the newest root. */
  mediumSegments(): number {
    const { segments, segmentsMax } = this.space;
    const room = Math.floor(this.parts.medium.size() / SEGMENT_BYTES);
    return Math.max(segments, Math.min(segmentsMax, room));
  }

  /** True where all these blocks lie on the medium and open. */
  areReadable(blocks: readonly PlacedBlock[]): boolean {
    const { blockBytes } = this;
    const end = this.parts.medium.size();
    const isPlaced = ({ entry: { length, places: [{ cell }] } }: PlacedBlock) =>
      length <= blockBytes && (cell + cellsFor(length)) * CELL_BYTES <= end;
    return blocks.every(isPlaced) && this.inspector().badBlocks(blocks).length === 0;
  }

  /** Makes every node of map, space and catalog that lies at or above `cell` go elsewhere with the next root. */
  rewriteNodesFrom(cell: number): void {
    this.map.rewrite((page) => page.ref >= cell);
    this.spaceTree.rewrite((page) => page.ref >= cell);
    this.catalogTree.rewrite((page) => page.ref >= cell);
  }

  /** Adopts what was acknowledged after the root: chunks of the log are taken from now on. */
  adoptLogChunks(chunks: readonly number[]): void {
    assert(!this.log.used, "a log is adopted before it is written");
    for (const run of chunks.slice(1)) this.space.reserve(runCell(run), runCount(run));
    this.log.adopt(chunks);
  }
}

/** A root that is written but not yet named by a superblock. */
export interface PreparedRoot {
  readonly sequence: number;
  readonly record: RootRecord;
  readonly superblock: Parameters<RootStore["writeSuperblock"]>[0];
  readonly hash: Uint8Array;
  /** Packed run of the root record's cells. */
  readonly run: number;
}
