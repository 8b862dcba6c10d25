import { CellCensus, countBeyond } from "../block/cell_census.ts";
import type { MediumInspector, PlacedBlock } from "../block/medium_inspector.ts";
import type { OpenedRoot } from "../block/root_store.ts";
import { headerSegments } from "../block/kept_segments.ts";
import type { Page } from "../btree/page.ts";
import { VaultError } from "../errors.ts";
import { contentCells, decodeMapEntry, placeCells, readMapKey } from "../format/map_entry.ts";
import type { RootRecord } from "../format/root_record.ts";
import { runCell, runCount } from "../format/space_record.ts";
import { KIND } from "../format/seal_aad.ts";
import { CELL_BYTES, MEMBER_SEGMENTS_MAX, SEGMENT_CELLS } from "../limits.ts";
import { BlockClaims } from "./block_claims.ts";
import { CatalogCheck } from "./check_catalog.ts";
import { type CheckReport, copiesLost, type Problem, Problems } from "./check_report.ts";
import { MemberCensus } from "./check_members.ts";
import { findPaths } from "./check_paths.ts";
import { SEGMENTS_PER_TURN, segmentsOf, SpaceRecords } from "./check_space.ts";
import { memberStates } from "../volume/member_set.ts";
import type { Vault } from "./vault.ts";
import { nextTurn } from "../turn.ts";

/** Data blocks opened at a time. */
const BATCH_BLOCKS = 64;
/** Cells of blocks read before others get a turn: a millisecond, as the turn itself may take. */
const CELLS_PER_TURN = 256;
/** The same for tree nodes, whose records take longer. */
const NODE_CELLS_PER_TURN = 64;
/** Damaged blocks whose files are looked up. */
const BAD_BLOCKS_MAX = 1000;

const NODE_KINDS = {
  "block map": KIND.mapNode,
  "space map": KIND.spaceNode,
  "catalog": KIND.catalogNode,
} as const;

/** How to check. */
export interface CheckOptions {
  /** Told how many of the bytes in use have been read. */
  readonly progress?: (doneBytes: number, totalBytes: number) => void;
  /** Stops the check early. */
  readonly signal?: AbortSignal;
}

/**
 * Reads everything that the newest root reaches, past every cache, and compares what refers to what: the block map
 * with volumes, snapshots and their files, the bitmaps with what lies in the cells, names with inodes. Commits first where it can. Damage is
 * reported, not thrown; the vault may be used meanwhile, but no cells come free.
 */
export async function checkVault(vault: Vault, options: CheckOptions = {}): Promise<CheckReport> {
  vault.transactions.requireOpen();
  const problems = new Problems();
  const { space } = vault.opened.volume.store;
  if (!vault.readOnly) await commitFirst(vault, problems);
  space.holds++;
  try {
    const check = new VaultCheck(vault, problems, options);
    return await vault.transactions.whileOpen(() => check.run());
  } finally {
    space.holds--;
  }
}

async function commitFirst(vault: Vault, problems: Problems): Promise<void> {
  try {
    await vault.commit();
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    problems.add("root", `what was changed last cannot be committed: ${cause}`);
  }
}

class VaultCheck {
  private readonly vault: Vault;
  private readonly problems: Problems;
  private readonly options: CheckOptions;
  private readonly claims = new BlockClaims();
  private lastBirth = 0;
  private readonly badIds: number[] = [];
  private census = new CellCensus([]);
  private readonly members: MemberCensus;
  private waiting: PlacedBlock[] = [];
  private blocks = 0;
  private places = 0;
  private bytes = 0;
  private doneCells = 0;
  private usedCells = 0;
  /** How much of a turn was used up. */
  private turn = 0;
  private lostNodes = 0;

  constructor(vault: Vault, problems: Problems, options: CheckOptions) {
    this.vault = vault;
    this.problems = problems;
    this.options = options;
    this.members = new MemberCensus(memberStates(vault.opened.volume.engine));
  }

  async run(): Promise<CheckReport> {
    const found = this.findRoot();
    if (found === null) return this.report({ files: 0, directories: 0 });
    const { root, inspector } = found;
    const { record } = root;
    this.census = new CellCensus(record.members);
    const { space } = this.vault.opened.volume.store;
    this.usedCells = space.segments * SEGMENT_CELLS - space.counts.total;
    this.takeFixed(root);
    await this.checkMap(record.map, inspector);
    const counts = await this.checkCatalog(record, inspector);
    this.claims.settle(this.problems, this.lostNodes > 0);
    this.members.settle(this.problems);
    await this.checkSpace(root, inspector);
    return this.report(counts);
  }

  /** What lies where the root says: headers, its own copies, the log's first chunk. */
  private takeFixed({ record, runs, badCopies }: OpenedRoot): void {
    const segments = headerSegments(record.dense);
    for (const { number } of record.members) {
      for (let i = 0; i < segments; i++) {
        const segment = number * MEMBER_SEGMENTS_MAX + i;
        this.take(segment * SEGMENT_CELLS, SEGMENT_CELLS, "the header");
      }
      this.doneCells += segments * SEGMENT_CELLS;
    }
    for (const run of runs) this.census.addRun(run);
    if (badCopies > 0) this.problems.add("degraded", copiesLost("the root record", badCopies));
    const { cells, firsts } = record.logChunk;
    for (const first of firsts) this.take(first, cells, "the intent log");
  }

  private async checkCatalog(
    record: RootRecord,
    inspector: MediumInspector,
  ): Promise<{ files: number; directories: number }> {
    const lostBefore = this.lostNodes;
    for (const _ of this.leaves("catalog", record.catalog, inspector)) await this.pauseNodes(1);
    if (this.lostNodes > lostBefore) return { files: 0, directories: 0 };
    const { volume } = this.vault.opened;
    const { problems, claims } = this;
    const pause = (cells: number) => {
      this.doneCells += cells;
      return this.pauseNodes(cells);
    };
    const turn = () => this.pause(1);
    const hashName = (name: Uint8Array) => volume.hashName(name);
    const parts = { hashName, inspector, problems, claims, pause, turn };
    try {
      const counts = await new CatalogCheck(volume.store.catalogOf(record), parts).run();
      this.lostNodes += counts.lostNodes;
      return counts;
    } catch (error) {
      if (!(error instanceof VaultError)) throw error;
      this.lostNodes++;
      problems.add("catalog", error.message);
      return { files: 0, directories: 0 };
    }
  }

  private findRoot(): { root: OpenedRoot; inspector: MediumInspector } | null {
    const { store } = this.vault.opened.volume;
    try {
      const { root, inspector } = store.inspect();
      if (root === null) throw new VaultError("corrupt", "no root was found");
      const { skippedRoots, mediumDamage } = this.vault.opened;
      for (const damage of mediumDamage) this.problems.add("root", damage);
      if (root.skipped.length > 0 || root.record.sequence < store.sequence) {
        this.problems.add("root", `the newest root cannot be read, only ${root.record.sequence}`);
      } else if (skippedRoots.length > 0) {
        const newer = skippedRoots.join(", ");
        this.problems.add("root", `root ${newer} could not be read: an older state was opened`);
      }
      return { root, inspector };
    } catch (error) {
      if (!(error instanceof VaultError)) throw error;
      this.problems.add("root", error.message);
      return null;
    }
  }

  /** Counts cells as in use; false where they cannot be, or something else lies in them. */
  private take(cell: number, count: number, what: string): boolean {
    if (!this.census.holds(cell, count)) {
      this.problems.add("damaged", `${what} lies outside the medium`);
      return false;
    }
    if (this.census.add(cell, count)) return true;
    this.problems.add("shared", `${what} shares cells with something else`);
    return true;
  }

  private async checkMap(pointer: Uint8Array, inspector: MediumInspector): Promise<void> {
    for (const leaf of this.leaves("block map", pointer, inspector)) {
      for (let i = 0; i < leaf.count; i++) this.countEntry(leaf.key(i), leaf.value(i));
      if (this.waiting.length >= BATCH_BLOCKS) await this.openWaiting(inspector);
      await this.pauseNodes(1);
    }
    await this.openWaiting(inspector);
  }

  /** The leaves of the map or of space; every node's cells are counted. */
  private *leaves(
    tree: keyof typeof NODE_KINDS,
    pointer: Uint8Array,
    inspector: MediumInspector,
  ): Generator<Page> {
    yield* inspector.leaves(pointer, NODE_KINDS[tree], {
      node: (cell, cells) => {
        this.doneCells += cells;
        return this.take(cell, cells, `a node of the ${tree}`);
      },
      degraded: (bad) => this.problems.add("degraded", copiesLost(`a node of the ${tree}`, bad)),
      damaged: () => {
        this.lostNodes++;
        this.problems.add("damaged", `a node of the ${tree} does not open`);
      },
    });
  }

  private countEntry(key: Uint8Array, value: Uint8Array): void {
    let block: PlacedBlock;
    try {
      block = { id: readMapKey(key), entry: decodeMapEntry(value) };
    } catch (error) {
      if (!(error instanceof VaultError)) throw error;
      return this.problems.add("damaged", error.message);
    }
    const { id, entry } = block;
    const isNode = entry.kind === KIND.volumeNode;
    const cells = placeCells(entry);
    this.blocks++;
    this.places += entry.places.length;
    this.members.add(entry);
    if (!(isNode ? this.claims.addNode(id, value) : this.claims.addData(id, contentCells(entry)))) {
      return this.problems.add("damaged", `block ${id} is in the block map out of order`);
    }
    if (entry.birth < this.lastBirth) this.problems.add("catalog", `block ${id} was born late`);
    this.lastBirth = entry.birth;
    const isPlaced = entry.places.map(({ cell }) => this.take(cell, cells, `block ${id}`));
    if (isPlaced.includes(false) || isNode) return;
    this.waiting.push(block);
  }

  private async openWaiting(inspector: MediumInspector): Promise<void> {
    const blocks = this.waiting;
    this.waiting = [];
    for (let at = 0; at < blocks.length; at += BATCH_BLOCKS) {
      const batch = blocks.slice(at, at + BATCH_BLOCKS);
      const bad = inspector.badPlaces(batch);
      let cells = 0;
      for (const { id, entry } of batch) {
        this.bytes += entry.length;
        cells += entry.places.length * placeCells(entry);
        const away = this.vault.opened.volume.store.placesAway(entry);
        this.noteBad(id, { unread: bad.get(id) ?? 0, away, bearable: entry.m });
      }
      this.doneCells += cells;
      await this.pause(cells / CELLS_PER_TURN);
    }
  }

  private noteBad(
    id: number,
    { unread, away, bearable }: { unread: number; away: number; bearable: number },
  ): void {
    if (unread === 0) return;
    if (unread <= bearable) {
      if (unread > away) this.problems.add("degraded", copiesLost(`block ${id}`, unread - away));
    } else if (this.badIds.length < BAD_BLOCKS_MAX) this.badIds.push(id);
    else this.problems.add("damaged", `block ${id} does not open`);
  }

  /** Lets others run where a turn is over, tells how far the check is, and stops where that is wished. */
  private async pause(turns: number): Promise<void> {
    this.turn += turns;
    if (this.turn < 1) return;
    this.turn = 0;
    const { signal, progress } = this.options;
    signal?.throwIfAborted();
    const done = Math.min(this.doneCells, this.usedCells);
    progress?.(done * CELL_BYTES, this.usedCells * CELL_BYTES);
    await nextTurn();
  }

  private async pauseNodes(cells: number): Promise<void> {
    await this.pause(cells / NODE_CELLS_PER_TURN);
  }

  private async checkSpace(root: OpenedRoot, inspector: MediumInspector): Promise<void> {
    const { record } = root;
    const records = new SpaceRecords();
    const lostBefore = this.lostNodes;
    for (const leaf of this.leaves("space map", record.space, inspector)) {
      for (let i = 0; i < leaf.count; i++) records.add(leaf.key(i), leaf.value(i), this.problems);
      await this.pauseNodes(1);
    }
    if (this.lostNodes > lostBefore) return;
    for (const _ of records.settle(record, this.problems)) await this.pause(1);
    for (const run of records.resting) {
      if (!this.census.holds(runCell(run), runCount(run))) {
        this.problems.add("space", "cells rest that lie outside the medium");
      } else if (!this.census.addRun(run)) {
        this.problems.add("space", "cells rest that are in use");
      }
    }
    if (lostBefore > 0) return;
    let turn = 0;
    for (const segment of segmentsOf(record)) {
      if (turn++ % SEGMENTS_PER_TURN === 0) await this.pause(1);
      this.compareSegment(segment, records.bitmap(segment));
    }
  }

  private compareSegment(segment: number, taken: Uint16Array): void {
    const used = this.census.of(segment);
    const lost = countBeyond(taken, used);
    const exposed = countBeyond(used, taken);
    if (lost > 0) {
      this.problems.add("space", `segment ${segment}: ${lost} cells are taken by nothing`);
    }
    if (exposed > 0) {
      this.problems.add("space", `segment ${segment}: ${exposed} cells in use are marked free`);
    }
  }

  private report(counts: { files: number; directories: number }): CheckReport {
    const paths = findPaths(this.vault.opened.volume.engine, this.badIds);
    for (const id of this.badIds) {
      const { path, where = "" } = paths.get(id) ?? {};
      this.problems.add("damaged", `block ${id}${where} does not open`, path);
    }
    const { blocks, places, bytes, members: { uncovered }, problems: { list, more } } = this;
    const problems: readonly Problem[] = list;
    const unread = this.vault.readOnly ? this.vault.opened.replayed : 0;
    const found = { blocks, places, uncovered, bytes, ...counts, problems, more, unread };
    return { ok: list.length === 0, ...found };
  }
}
