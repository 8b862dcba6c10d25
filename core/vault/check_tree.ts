import type { MediumInspector } from "../block/medium_inspector.ts";
import type { Page } from "../btree/page.ts";
import { getU64, viewOf } from "../bytes.ts";
import { VaultError } from "../errors.ts";
import { checkConsistency } from "../fs/consistency.ts";
import { isDirectory, isRegular } from "../fs/mode.ts";
import { decodeExtent, type Extent } from "../format/extent.ts";
import { decodeInode, emptyInode } from "../format/inode.ts";
import { contentCells } from "../format/map_entry.ts";
import { KEY_TYPE } from "../format/volume_key.ts";
import { CELL_BYTES } from "../limits.ts";
import type { VolumeStore } from "../volume/volume_store.ts";
import type { BlockClaims } from "./block_claims.ts";
import type { Problems } from "./check_report.ts";

/** What the check of trees is given. */
export interface TreeCheckParts {
  readonly volume: VolumeStore;
  readonly inspector: MediumInspector;
  readonly problems: Problems;
  readonly claims: BlockClaims;
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
}

/** What the check of a tree counted. */
export interface TreeCounts {
  files: number;
  directories: number;
  /** Cells of what was born late enough to be this tree's own or its successors'. */
  cells: number;
  /** Nodes that could not be read: what they hold is not counted anywhere. */
  lostNodes: number;
}

type Reach = "whole" | "young";

/** Reads the tree of a volume from the medium, compares its records, and claims what is younger than its predecessor. */
export function checkHead(tree: CheckedTree, parts: TreeCheckParts): TreeCounts {
  const walk = new TreeWalk(tree, parts, "whole");
  const inode = emptyInode();
  const scan = (_from: Uint8Array, visit: (key: Uint8Array, value: Uint8Array) => boolean) => {
    for (const page of walk.leaves()) {
      for (let i = 0; i < page.count; i++) {
        const key = page.key(i);
        if (key[0] === KEY_TYPE.inode) countInode(page.value(i), inode, walk.counts);
        visit(key, page.value(i));
      }
    }
  };
  const { problems } = checkConsistency(onMedium(parts.volume, scan));
  const { counts } = walk;
  // Records whose partners lie in a lost node would all be called wrong.
  if (counts.lostNodes === 0) {
    for (const what of problems) parts.problems.add("record", `${tree.name}: ${what}`);
  }
  return counts;
}

/** Reads what a snapshot has and its predecessor has not. */
export function checkSnapshot(tree: CheckedTree, parts: TreeCheckParts): TreeCounts {
  const walk = new TreeWalk(tree, parts, "young");
  for (const _ of walk.leaves());
  return walk.counts;
}

/** The volume with its tree replaced by one that is scanned on the medium. */
function onMedium(volume: VolumeStore, scan: VolumeStore["tree"]["scan"]): VolumeStore {
  const tree = Object.create(volume.tree, { scan: { value: scan } });
  return Object.create(volume, { tree: { value: tree } });
}

function countInode(
  value: Uint8Array,
  inode: ReturnType<typeof emptyInode>,
  counts: TreeCounts,
): void {
  try {
    decodeInode(value, inode);
  } catch (error) {
    if (error instanceof VaultError) return; // the consistency check reports it
    throw error;
  }
  if (isDirectory(inode.mode)) counts.directories++;
  else if (isRegular(inode.mode)) counts.files++;
}

/** One pass over a tree on the medium. */
class TreeWalk {
  readonly counts: TreeCounts = { files: 0, directories: 0, cells: 0, lostNodes: 0 };
  private readonly tree: CheckedTree;
  private readonly parts: TreeCheckParts;
  private readonly reach: Reach;
  private readonly extent: Extent = { count: 1, firstId: 0, tailCells: 0, unwritten: false };

  constructor(tree: CheckedTree, parts: TreeCheckParts, reach: Reach) {
    this.tree = tree;
    this.parts = parts;
    this.reach = reach;
  }

  leaves(): Generator<Page> {
    return this.below(this.tree.root, this.tree.birth);
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
    if (isYoung) this.counts.cells += contentCells(entry);
    try {
      return inspector.volumeNode({ id, entry });
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
    const blockCells = this.parts.volume.blockBytes / CELL_BYTES;
    for (let i = 0; i < page.count; i++) {
      if (page.key(i)[0] !== KEY_TYPE.extent || !readExtent(page.value(i), extent)) continue;
      const skip = Math.max(0, this.tree.firstId - extent.firstId);
      const count = extent.count - skip;
      if (extent.unwritten || count <= 0) continue;
      this.parts.claims.claimData(extent.firstId + skip, count);
      const tail = extent.tailCells === 0 ? 0 : blockCells - extent.tailCells;
      this.counts.cells += count * blockCells - tail;
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
