import type { DamagedNode } from "../block/damage.ts";
import type { MediumInspector } from "../block/medium_inspector.ts";
import type { NodePlace } from "../block/node_io.ts";
import type { Page } from "../btree/page.ts";
import { VaultError } from "../errors.ts";
import { readPointer } from "../format/pointer.ts";
import type { RootRecord } from "../format/root_record.ts";
import { KIND } from "../format/seal_aad.ts";
import type { Engine } from "./engine.ts";

/** A tree whose nodes have no ids. */
export type NodeTree = DamagedNode["tree"];

/** What one step over such a tree looked at. */
export interface NodeStep {
  /** The key that the next step begins at; null where this was the last node. */
  readonly next: Uint8Array | null;
  /** Copies that were read, and their cells. */
  readonly places: number;
  readonly cells: number;
  /** Copies that did not open, of nodes that can be read all the same: these are written anew with the next root. */
  readonly bad: number;
  /** Copies of the root record that do not open: the next root is whole. */
  readonly badRoots: number;
  /** What lies in nodes that cannot be read. */
  readonly holes: readonly KeyRange[];
}

const FIRST_KEY = new Uint8Array(0);

const TREES = {
  "block map": ["map", KIND.mapNode],
  "space map": ["space", KIND.spaceNode],
  "catalog": ["catalog", KIND.catalogNode],
} as const;

/** Reads every copy of up to `most` nodes of a tree from key `from` on, as the newest root has them, past every cache. */
export function scrubTree(
  engine: Engine,
  tree: NodeTree,
  from: Uint8Array,
  most: number,
): NodeStep {
  const { store } = engine;
  const { root, inspector } = store.inspect();
  if (root === null) return { next: null, places: 0, cells: 0, bad: 0, badRoots: 0, holes: [] };
  const walk = new NodeWalk(inspector, { tree, from, most }, (key, bad) => {
    store.damage.foundNode({ tree, key, bad });
  });
  const step = walk.run(root.record);
  engine.repairFound();
  return { ...step, badRoots: root.badCopies };
}

/** Keys from `low` up to, and without, `high`; null: to the end. */
export interface KeyRange {
  readonly low: Uint8Array;
  readonly high: Uint8Array | null;
}

interface Below extends KeyRange {
  readonly level: number | null;
}

interface NodeRange {
  readonly tree: NodeTree;
  readonly from: Uint8Array;
  readonly most: number;
}

/** One step: down to `from`, then on in order. Nodes above it that an earlier step has seen are read, not counted. */
class NodeWalk {
  private readonly inspector: MediumInspector;
  private readonly range: NodeRange;
  private readonly damaged: (key: Uint8Array, bad: number) => void;
  private next: Uint8Array | null = null;
  private nodes = 0;
  private places = 0;
  private cells = 0;
  private bad = 0;
  private readonly holes: KeyRange[] = [];

  constructor(
    inspector: MediumInspector,
    range: NodeRange,
    damaged: (key: Uint8Array, bad: number) => void,
  ) {
    this.inspector = inspector;
    this.range = range;
    this.damaged = damaged;
  }

  run(record: RootRecord): Omit<NodeStep, "badRoots"> {
    const [name] = TREES[this.range.tree];
    this.below(record[name], this.range.from, { low: FIRST_KEY, high: null, level: null });
    const { next, places, cells, bad, holes } = this;
    return { next, places, cells, bad, holes };
  }

  /** False where the step is over. */
  private below(pointer: Uint8Array, from: Uint8Array, range: Below): boolean {
    const place = { ...readPointer(pointer, 0), kind: TREES[this.range.tree][1], id: 0, level: 0 };
    const page = this.read(place, range);
    if (page === null) return true;
    const start = page.level === 0 ? 0 : page.childIndex(from);
    if (start === 0) this.look(place, page);
    for (let i = start; page.level > 0 && i < page.count; i++) {
      if (this.nodes >= this.range.most && i > start) {
        this.next = page.key(i).slice();
        return false;
      }
      const below = {
        low: i === 0 ? range.low : page.key(i).slice(),
        high: i + 1 < page.count ? page.key(i + 1).slice() : range.high,
        level: page.level - 1,
      };
      if (!this.below(page.value(i), i === start ? from : FIRST_KEY, below)) return false;
    }
    return true;
  }

  private read(place: NodePlace, { low, high, level }: Below): Page | null {
    try {
      const page = this.inspector.openNode(place);
      if (level === null || page.level === level) return page;
      throw new VaultError("corrupt", "Cannot read tree node: it is of another level");
    } catch (error) {
      if (!(error instanceof VaultError)) throw error;
      this.holes.push({ low, high });
      return null;
    }
  }

  private look(place: NodePlace, page: Page): void {
    const { length } = place.copies;
    this.nodes++;
    this.places += length;
    this.cells += length * place.cells;
    const bad = length === 1 ? 0 : this.inspector.badCopies(place);
    if (bad === 0) return;
    this.bad += bad;
    this.damaged(page.innerKey(), bad);
  }
}
