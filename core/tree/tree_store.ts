import { assert } from "../assert.ts";
import { NOBODY } from "../block/block_owner.ts";
import { BlockStore } from "../block/block_store.ts";
import { Damage, type DamagedNode } from "../block/damage.ts";
import { MediumInspector } from "../block/medium_inspector.ts";
import { NodeIo } from "../block/node_io.ts";
import { PhysicalPages } from "../block/physical_pages.ts";
import { type OpenedRoot, rootCells } from "../block/root_store.ts";
import { headerSegments } from "../block/kept_segments.ts";
import { allocateChunk } from "../block/log_chunk.ts";
import type { SealContext } from "../block/seal_context.ts";
import { Space } from "../block/space.ts";
import { PageCache } from "../btree/page_cache.ts";
import { Tree } from "../btree/tree.ts";
import { LOG_CHUNK_CELLS, type LogChunk } from "../format/log_record.ts";
import type { MapEntry } from "../format/map_entry.ts";
import { type Redundancy, storageRate, UNPROTECTED } from "../format/redundancy.ts";
import { TREE } from "../format/node.ts";
import type { RootRecord } from "../format/root_record.ts";
import { packRun, runCell, runCount } from "../format/space_record.ts";
import { KIND } from "../format/seal_aad.ts";
import { CELL_BYTES, MIB, SEGMENT_BYTES } from "../limits.ts";
import { BackgroundFreeing } from "./background_freeing.ts";
import { Branch } from "./branch.ts";
import { Catalog } from "./catalog.ts";
import { Growth } from "./growth.ts";
import { IdPages } from "./id_pages.ts";
import { IntentLog } from "./intent_log.ts";
import type { PhysicalTree } from "./physical_trees.ts";
import { SetAside } from "./set_aside.ts";
import type { PreparedRoot, TreeStoreParts, TreeStoreShape } from "./tree_store_parts.ts";

/** Memory for tree pages, shared out between the trees. */
const MAP_SHARE = 0.35;
const SPACE_SHARE = 0.05;
const CATALOG_SHARE = 0.05;

/** What each tree of physical pointers is called on the medium. */
const PHYSICAL = {
  "block map": [TREE.map, KIND.mapNode],
  "space map": [TREE.space, KIND.spaceNode],
  "catalog": [TREE.catalog, KIND.catalogNode],
} as const;

/** Cells of records that are asked for with data, and are kept in copies. */
const RECORD_CELLS = 32;

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
  readonly growth: Growth;
  /** Counts the changes of the set of members: raised with each, before the root that writes it down. */
  memberEpoch: number;
  /** What seals. */
  readonly context: SealContext;
  /** Of a full data block of volumes that are made without another size. */
  readonly blockBytes: number;
  /** Free cells hold noise and are never given back. */
  readonly dense: boolean;
  readonly redundancy: Redundancy;
  /** By bytes of a full block: cells on the media for each cell of a data block, at worst: whatever its length. */
  private readonly storageRates = new Map<number, number>();
  /** What reads have found bad, and read around. */
  readonly damage: Damage = new Damage();
  /** Of the newest durable root. */
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
  readonly branches: Map<number, Branch> = new Map();
  /** Space that is kept for files. */
  readonly setAside: SetAside = new SetAside(() => [this.catalog, this.branches]);
  /** The newest root record, whose copies are given up with the next one. */
  private newest: Pick<PreparedRoot, "superblock" | "hash" | "runs"> | null;
  private nextSequence: number;
  private knownInspector: MediumInspector | null = null;

  private constructor(parts: TreeStoreParts, shape: TreeStoreShape, opened: OpenedRoot | null) {
    const { context, cacheBytes = 32 * MIB } = parts;
    const record = opened?.record;
    this.parts = parts;
    this.context = context;
    this.blockBytes = shape.blockBytes;
    this.dense = shape.dense ?? false;
    this.nodes = new NodeIo(context);
    this.redundancy = shape.redundancy ?? UNPROTECTED;
    this.mapPages = this.physicalPages("block map", cacheBytes * MAP_SHARE);
    this.spacePages = this.physicalPages("space map", cacheBytes * SPACE_SHARE);
    this.catalogPages = this.physicalPages("catalog", cacheBytes * CATALOG_SHARE);
    this.map = new Tree(this.mapPages, record && this.mapPages.load(record.map, 0));
    this.spaceTree = new Tree(this.spacePages, record && this.spacePages.load(record.space, 0));
    this.space = new Space({
      order: parts.order,
      tree: this.spaceTree,
      members: shape.members,
      redundancy: this.redundancy,
      grow: (member, segments) => parts.media.resize(member, segments * SEGMENT_BYTES),
    });
    this.growth = new Growth(this.space, parts.media);
    this.memberEpoch = record?.memberEpoch ?? 0;
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
      redundancy: this.redundancy,
      damage: this.damage,
      nextId: record?.nextBlockId ?? 1,
    });
    this.sequence = record?.sequence ?? 0;
    this.nextSequence = opened?.nextSequence ?? 1;
    this.blocks.birth = this.nextSequence;
    this.volumePages = new PageCache(cacheBytes * (1 - MAP_SHARE - SPACE_SHARE - CATALOG_SHARE));
    this.freeing = new BackgroundFreeing(this.catalog, this.blocks, this.readPages());
    this.nextObjectId = record?.nextObjectId ?? 2;
    this.newest = opened;
    this.log = new IntentLog({ context, media: parts.media, space: this.space }, {
      id: record?.logId ?? new Uint8Array(16),
      chunk: record?.logChunk ??
        { cells: LOG_CHUNK_CELLS, firsts: new Array(this.copies).fill(0) },
      base: this.sequence,
    });
  }

  /** Of the newest durable root record. */
  get rootHash(): Uint8Array {
    return this.newest?.hash ?? new Uint8Array(32);
  }

  /** Copies of everything that is kept whole. */
  get copies(): number {
    return this.redundancy.m + 1;
  }

  /** Cells on the media that so many cells of data in blocks of a size, and a few of records, take at worst. */
  storedCells(cells: number, blockBytes: number): number {
    const { copies } = this;
    if (copies === 1) return cells;
    return Math.ceil(cells * this.storageRate(blockBytes)) + copies * RECORD_CELLS;
  }

  /** Cells on the media for each cell of data in blocks of a size, at worst: whatever their lengths. */
  storageRate(blockBytes: number): number {
    const known = this.storageRates.get(blockBytes);
    if (known !== undefined) return known;
    const rate = storageRate(this.redundancy, blockBytes / CELL_BYTES);
    this.storageRates.set(blockBytes, rate);
    return rate;
  }

  private physicalPages(tree: DamagedNode["tree"], cacheBytes: number): PhysicalPages {
    const [treeKind, kind] = PHYSICAL[tree];
    return new PhysicalPages({
      io: this.nodes,
      tree: treeKind,
      kind,
      epoch: () => this.context.epoch,
      copies: this.copies,
      cacheBytes,
      damaged: (key, bad) => this.damage.foundNode({ tree, key, bad }),
    });
  }

  /** Makes an empty store. Nothing is on the medium before the first commit. */
  static create(parts: TreeStoreParts, shape: TreeStoreShape): TreeStore {
    const store = new TreeStore(parts, shape, null);
    const { space, dense } = store;
    for (const member of space.members) space.reserveFirst(member, headerSegments(dense));
    return store;
  }

  /** Opens the store that a root record names, without what its intent log holds. */
  static open(parts: TreeStoreParts, opened: OpenedRoot): TreeStore {
    const { record } = opened;
    const store = new TreeStore(parts, record, opened);
    store.catalog.keyTable.secretsKey = opened.superblock.secretsKey;
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
    const { blocks, catalog, setAside, volumePages: cache } = this;
    const branch = new Branch({ blocks, cache, catalog, setAside }, catalog.branch(id));
    this.branches.set(id, branch);
    return branch;
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
      if (this.catalog.hasHead(id)) branch.followCatalog();
      else this.branches.delete(id);
    }
    this.setAside.forget();
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
    for (const run of this.newest?.runs ?? []) this.space.free(runCell(run), runCount(run));
    this.space.writeRecords(sequence);
    const map = this.storeTree(this.mapPages, this.map, sequence);
    const space = this.storeTree(this.spacePages, this.spaceTree, sequence);
    const catalog = this.storeTree(this.catalogPages, this.catalogTree, sequence);
    const { copies, space: { members }, catalog: { keyTable } } = this;
    const logChunk = allocateChunk(this.space, copies, "late");
    const late = this.space.lateRuns().length + this.space.resting.late().length;
    const cells = rootCells({ members: members.length, copies, runs: late + copies });
    const places = this.space.allocateLate(cells, copies);
    const record: RootRecord = {
      features: 0,
      sequence,
      time: this.context.runtime.now(),
      nextBlockId: this.blocks.nextId,
      nextObjectId: this.nextObjectId,
      members: members.map((member) => member.size),
      memberEpoch: this.memberEpoch,
      redundancy: this.redundancy,
      blockBytes: this.blockBytes,
      dense: this.dense,
      epoch: this.context.epoch,
      map,
      space,
      catalog,
      logId: this.freshId(),
      logChunk,
      parentHash: this.rootHash,
      takenLate: this.space.lateRuns(),
      givenUpLate: this.space.resting.late(),
    };
    const { superblock, hash } = this.parts.roots.writeRoot(record, places, keyTable.secretsKey);
    this.parts.context.nonces.refill();
    // What changes from here on belongs to the next root, even while this one is still on its way.
    this.space.rootWritten(sequence);
    this.nextSequence = sequence + 1;
    this.blocks.birth = this.nextSequence;
    const runs = places.map((cell) => packRun(cell, cells));
    return { sequence, record, superblock, hash, runs };
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
    for (const { cells, firsts } of this.log.takenChunks()) {
      for (const first of firsts) this.space.free(first, cells);
    }
  }

  /** The prepared root is durable: names it in the rings of every member that it counts on. It counts when that is durable. */
  publish({ superblock, record: { members } }: PreparedRoot): void {
    const current = members.filter(({ stale }) => !stale).map(({ number }) => number);
    this.parts.roots.writeSuperblock(superblock, current);
  }

  /** The root is durable: the next one begins. Calls `released` with each run of cells that became usable. */
  finish(prepared: PreparedRoot, released: (run: number) => void): void {
    const { sequence, record } = prepared;
    this.sequence = sequence;
    this.newest = prepared;
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
    const pages = this.physicalPages("catalog", MIB);
    return new Catalog(new Tree(pages, pages.load(record.catalog, 0)));
  }

  /** Reads past every cache. */
  inspector(): MediumInspector {
    this.knownInspector ??= new MediumInspector(this.parts.context, this.nodes);
    return this.knownInspector;
  }

  /** Which blocks have places that do not open, and how many; a block in none of its places is not on the medium. */
  badPlaces(...asked: Parameters<MediumInspector["badPlaces"]>): Map<number, number> {
    return this.inspector().badPlaces(...asked);
  }

  /** How many places of a block lie on members that are missing. */
  placesAway({ places }: Pick<MapEntry, "places">): number {
    const { isAway } = this.parts.context;
    return places.reduce((sum, { cell }) => isAway(cell) ? sum + 1 : sum, 0);
  }

  /** Writes the newest root's superblock to a medium that is to be a member: the next root counts on it. */
  introduce(member: number): void {
    assert(this.newest !== null, "a vault has a root before it gets another member");
    this.parts.roots.writeSuperblock(this.newest.superblock, [member]);
  }

  /** The trees whose nodes are named by place. */
  get physical(): readonly PhysicalTree[] {
    return [
      { name: "block map", tree: this.map, pages: this.mapPages },
      { name: "space map", tree: this.spaceTree, pages: this.spacePages },
      { name: "catalog", tree: this.catalogTree, pages: this.catalogPages },
    ];
  }

  /** Adopts what was acknowledged after the root: chunks of the log are taken from now on. */
  adoptLogChunks(chunks: readonly LogChunk[]): void {
    assert(!this.log.used, "a log is adopted before it is written");
    for (const { cells, firsts } of chunks.slice(1)) {
      for (const first of firsts) this.growth.reserve(first, cells);
    }
    this.log.adopt(chunks);
  }
}
