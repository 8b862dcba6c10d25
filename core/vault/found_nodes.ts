import type { NodeHeader } from "../format/node.ts";

const FIRST_ROOM = 1024;
/** Epochs are few: more than this would not fit what is kept of a node. */
const EPOCH_SHIFT = 2 ** 16;

/** A node whose start was decrypted; whether it is one, its tag says. */
export interface FoundNode {
  readonly cell: number;
  readonly cells: number;
  readonly level: number;
  readonly tree: number;
  readonly epoch: number;
  readonly id: number;
  readonly birth: number;
}

/** What a scan has found of nodes: 32 bytes for each. */
export class FoundNodes {
  count = 0;
  #cells = new Float64Array(FIRST_ROOM);
  #ids = new Float64Array(FIRST_ROOM);
  #births = new Float64Array(FIRST_ROOM);
  /** Epoch, tree, level and cells, packed. */
  #shapes = new Float64Array(FIRST_ROOM);
  #byId: Uint32Array | null = null;

  /** Adds one. */
  add(cell: number, epoch: number, head: NodeHeader): void {
    if (this.count === this.#cells.length) this.#grow();
    const at = this.count++;
    this.#cells[at] = cell;
    this.#ids[at] = head.id;
    this.#births[at] = head.birth;
    this.#shapes[at] = epoch * EPOCH_SHIFT * 16 + head.tree * 4096 + head.level * 8 + head.cells;
    this.#byId = null;
  }

  #grow(): void {
    const grown = (from: Float64Array<ArrayBuffer>) => {
      const more = new Float64Array(2 * from.length);
      more.set(from);
      return more;
    };
    [this.#cells, this.#ids] = [grown(this.#cells), grown(this.#ids)];
    [this.#births, this.#shapes] = [grown(this.#births), grown(this.#shapes)];
  }

  /** The node that was found as number `index`. */
  at(index: number): FoundNode {
    const shape = this.#shapes[index];
    const low = shape % (EPOCH_SHIFT * 16);
    return {
      cell: this.#cells[index],
      id: this.#ids[index],
      birth: this.#births[index],
      epoch: Math.floor(shape / (EPOCH_SHIFT * 16)),
      tree: Math.floor(low / 4096),
      level: Math.floor(low / 8) % 512,
      cells: low % 8,
    };
  }

  /** All nodes of a tree and a level, the youngest first. */
  ofTree(tree: number, level: number): FoundNode[] {
    const found: FoundNode[] = [];
    for (let i = 0; i < this.count; i++) {
      const node = this.at(i);
      if (node.tree === tree && node.level === level) found.push(node);
    }
    return found.sort((a, b) => b.birth - a.birth);
  }

  /** All places at which a node of this id was found: copies, and where it lay before. */
  withId(id: number): FoundNode[] {
    this.#byId ??= Uint32Array.from({ length: this.count }, (_, i) => i)
      .sort((a, b) => this.#ids[a] - this.#ids[b]);
    const order = this.#byId;
    let [low, high] = [0, order.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#ids[order[middle]] < id) low = middle + 1;
      else high = middle;
    }
    const found: FoundNode[] = [];
    for (; low < order.length && this.#ids[order[low]] === id; low++) {
      found.push(this.at(order[low]));
    }
    return found;
  }
}
