import type { MediumInspector } from "../block/medium_inspector.ts";
import type { Page } from "../btree/page.ts";
import { getU64, viewOf } from "../bytes.ts";
import { VaultError } from "../errors.ts";
import { ConsistencyCheck } from "../fs/consistency.ts";
import { decodeExtent, emptyExtent, type Extent, unwrittenBlocks } from "../format/extent.ts";
import { contentCells, placeCells } from "../format/map_entry.ts";
import { KEY_TYPE } from "../format/volume_key.ts";
import type { BlockClaims } from "./block_claims.ts";
import { copiesLost, Problems } from "./check_report.ts";

/** What the check of trees is given. */
export interface TreeCheckParts {
  readonly hashName: (name: Uint8Array) => number;
  readonly inspector: MediumInspector;
  readonly problems: Problems;
  readonly claims: BlockClaims;
  /** Told of cells of nodes that were read; lets others run now and then. */
  readonly pause: (cells: number) => Promise<void>;
  /** A piece of work that read nothing is done: lets others run. */
  readonly turn: () => Promise<void>;
}

/** A tree to be read. What is older than `bornAfter` is also its predecessor's, and claimed there. */
export interface CheckedTree {
  /** In words. */
  readonly name: string;
  readonly root: number;
  readonly birth: number;
  readonly bornAfter: number;
  /** No block below this id was born later. */
  readonly firstId: number;
  /** Bytes of a full data block; of a snapshot nobody asks. */
  readonly blockBytes: number;
}

/** What the check of a tree counted. */
export interface TreeCounts {
  files: number;
  directories: number;
  /** Cells of what was born late enough to be this tree's own or its successors'. */
  cells: number;
  /** Of a head: inodes. */
  inodes: number;
  /** Of a head: blocks in unwritten extents. */
  setAside: number;
  /** Nodes that could not be read: what they hold is not counted anywhere. */
  lostNodes: number;
}

type Reach = "whole" | "young";

/** Reads the tree of a volume from the medium, compares its records, and claims what is younger than its predecessor. */
export async function checkHead(tree: CheckedTree, parts: TreeCheckParts): Promise<TreeCounts> {
  const walk = new TreeWalk(tree, parts, "whole");
  const { counts } = walk;
  const found = new Problems();
  const wrong = (what: string) => found.add("record", `${tree.name}: ${what}`);
  const { claims } = parts;
  const volume = { blockBytes: tree.blockBytes, hashName: parts.hashName };
  const storedCells = (firstId: number, count: number) => claims.cells(firstId, count);
  const check = new ConsistencyCheck({ volume, storedCells, wrong });
  for (const page of walk.leaves()) {
    for (let i = 0; i < page.count; i++) {
      const [type] = page.key(i);
      if (type === KEY_TYPE.inode) counts.inodes++;
      if (type === KEY_TYPE.extent) counts.setAside += unwrittenBlocks(page.value(i));
      check.record(page.key(i), page.value(i));
    }
    await parts.pause(walk.takeCells());
  }
  for (const _ of check.finish()) await parts.turn();
  counts.files = check.files;
  counts.directories = check.directories;
  // Records whose partners lie in a lost node would all be called wrong.
  if (counts.lostNodes === 0) parts.problems.addAll(found);
  return counts;
}

/** Reads what a snapshot has and its predecessor has not. */
export async function checkSnapshot(tree: CheckedTree, parts: TreeCheckParts): Promise<TreeCounts> {
  const walk = new TreeWalk(tree, parts, "young");
  for (const _ of walk.leaves()) await parts.pause(walk.takeCells());
  return walk.counts;
}

/** One pass over a tree on the medium. */
class TreeWalk {
  readonly counts: TreeCounts = {
    files: 0,
    directories: 0,
    cells: 0,
    inodes: 0,
    setAside: 0,
    lostNodes: 0,
  };
  private readonly tree: CheckedTree;
  private readonly parts: TreeCheckParts;
  private readonly reach: Reach;
  private readonly extent: Extent = emptyExtent();
  private cellsRead = 0;

  constructor(tree: CheckedTree, parts: TreeCheckParts, reach: Reach) {
    this.tree = tree;
    this.parts = parts;
    this.reach = reach;
  }

  leaves(): Generator<Page> {
    return this.below(this.tree.root, this.tree.birth);
  }

  /** Cells read since this was asked last. */
  takeCells(): number {
    const cells = this.cellsRead;
    this.cellsRead = 0;
    return cells;
  }

  private *below(id: number, birth: number): Generator<Page> {
    const isYoung = birth > this.tree.bornAfter;
    if (!isYoung && this.reach === "young") return;
    const page = this.read(id, isYoung);
    if (page === null) return;
    if (page.level === 0) {
      if (isYoung) this.claimExtents(page);
      return yield page;
    }
    for (let i = 0; i < page.count; i++) {
      const pointer = viewOf(page.value(i));
      yield* this.below(getU64(pointer, 0), getU64(pointer, 8));
    }
  }

  private read(id: number, isYoung: boolean): Page | null {
    const { claims, inspector, problems } = this.parts;
    const { name } = this.tree;
    const entry = claims.node(id);
    if (entry === undefined || (isYoung && !claims.claimNode(id))) {
      this.counts.lostNodes++;
      problems.add(
        "missing",
        `${name}: tree node ${id} is not in the block map, or is referred to twice`,
      );
      return null;
    }
    const cells = contentCells(entry);
    this.cellsRead += isYoung ? entry.places.length * placeCells(entry) : cells;
    if (isYoung) this.counts.cells += cells;
    try {
      const degraded = (bad: number) =>
        problems.add("degraded", copiesLost(`tree node ${id}`, bad));
      return inspector.volumeNode({ id, entry }, isYoung ? { degraded } : undefined);
    } catch (error) {
      if (!(error instanceof VaultError)) throw error;
      this.counts.lostNodes++;
      const what = `tree node ${id} does not open: files and directories may be lost`;
      problems.add("damaged", `${name}: ${what}`);
      return null;
    }
  }

  private claimExtents(page: Page): void {
    const { extent } = this;
    for (let i = 0; i < page.count; i++) {
      if (page.key(i)[0] !== KEY_TYPE.extent || !readExtent(page.value(i), extent)) continue;
      const skip = Math.max(0, this.tree.firstId - extent.firstId);
      const count = extent.count - skip;
      if (extent.unwritten || count <= 0) continue;
      this.parts.claims.claimData(extent.firstId + skip, count, this.parts.problems);
      this.counts.cells += this.parts.claims.cells(extent.firstId + skip, count);
    }
  }
}

function readExtent(value: Uint8Array, extent: Extent): boolean {
  try {
    decodeExtent(value, extent);
    return true;
  } catch (error) {
    if (error instanceof VaultError) return false; // the consistency check reports it
    throw error;
  }
}
