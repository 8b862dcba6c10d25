/** What was found bad, and whether it is whole again. */
export interface DamageEvent {
  /** A data block or a tree node, by its id; a node of the block map or of space has none. */
  readonly what: "block" | "block map" | "space map" | "catalog";
  /** Of a block. */
  readonly id?: number;
  /** Shards or copies that did not open. What was read is right all the same. */
  readonly bad: number;
  /** True where the block was written anew, false where that was not possible (read-only, or full). */
  readonly repaired: boolean;
}

/** Told of damage. */
export type DamageObserver = (event: DamageEvent) => void;

/** Findings that wait for their repair; what is found beyond is found again. */
const WAITING_MAX = 4096;

/** A node of a tree of physical pointers, by a key that lies in it. */
export interface DamagedNode {
  readonly tree: "block map" | "space map" | "catalog";
  readonly key: Uint8Array;
  readonly bad: number;
}

/** What reads have found bad and got right from elsewhere: it waits until writing it anew can do no harm. */
export class Damage {
  observer: DamageObserver | null = null;
  /** Blocks and nodes that were written anew since the vault was opened. */
  repaired = 0;
  /** Those that were left as they are. */
  unrepaired = 0;
  private blocks = new Map<number, number>();
  private nodes: DamagedNode[] = [];
  /** Blocks that could not be repaired: told of once. */
  private readonly left = new Set<number>();

  /** Notes a block that has so many bad places. */
  foundBlock(id: number, bad: number): void {
    if (this.blocks.size < WAITING_MAX && !this.left.has(id)) this.blocks.set(id, bad);
  }

  /** A block was written anew. */
  forgetBlock(id: number): void {
    this.blocks.delete(id);
  }

  /** Notes a node. */
  foundNode(node: DamagedNode): void {
    if (this.nodes.length < WAITING_MAX) this.nodes.push(node);
  }

  /** Blocks and nodes that wait. */
  get waiting(): number {
    return this.blocks.size + this.nodes.length;
  }

  /** Leaves a block as it is, and says so, once. */
  leaveBlock(id: number, bad: number): void {
    if (this.left.size < WAITING_MAX) this.left.add(id);
    this.tell({ what: "block", id, bad, repaired: false });
  }

  /** Leaves what waits as it is, and says so. */
  giveUp(): void {
    const { blocks, nodes } = this.take();
    for (const [id, bad] of blocks) this.leaveBlock(id, bad);
    for (const { tree, bad } of nodes) this.tell({ what: tree, bad, repaired: false });
  }

  /** Takes out everything that waits. */
  take(): { blocks: ReadonlyMap<number, number>; nodes: readonly DamagedNode[] } {
    const { blocks, nodes } = this;
    this.blocks = new Map();
    this.nodes = [];
    return { blocks, nodes };
  }

  /** Counts, and tells the observer. */
  tell(event: DamageEvent): void {
    if (event.repaired) this.repaired++;
    else this.unrepaired++;
    this.observer?.(event);
  }
}
