import { type BlockAreas, BlockReader, type LocatedBlock } from "../block/block_reader.ts";
import { Damage } from "../block/damage.ts";
import { Page } from "../btree/page.ts";
import { VaultError } from "../errors.ts";
import { decodeMapEntry, type MapEntry, readMapKey, writeMapKey } from "../format/map_entry.ts";
import { readNodeHeader, TREE } from "../format/node.ts";
import { KIND, type Kind } from "../format/seal_aad.ts";
import { CELL_BYTES, NONCE_BYTES, TAG_BYTES } from "../limits.ts";
import type { BrokenMedium } from "./broken_medium.ts";
import type { FoundNode } from "./found_nodes.ts";

/** Nodes kept in memory. */
const CACHED_NODES = 512;

/** A leaf of the block map, of whatever age: the ids that it has entries for lie from `first` to `last`. */
interface MapLeaf {
  readonly node: FoundNode;
  readonly first: number;
  readonly last: number;
}

/**
 * Reads blocks and nodes by id without a root: nodes carry their ids, and what an id names never changes, so that any copy
 * of any age will do. Data blocks need an entry of the block map, of any age: an older one may lead to cells that
 * hold something else by now, which its tag tells.
 */
export class SalvageSource {
  readonly #broken: BrokenMedium;
  readonly #pages = new Map<number, Page>();
  readonly #leaves: MapLeaf[] = [];
  /** The highest `last` up to each leaf. */
  readonly #reach: number[] = [];
  readonly #reader: BlockReader;
  readonly #key = new Uint8Array(8);

  constructor(broken: BrokenMedium) {
    this.#broken = broken;
    const { context } = broken;
    this.#reader = new BlockReader({ context, k: 1, damage: new Damage() });
  }

  /** A leaf whose keys are none is of no use; the others are. */
  #addLeaf(node: FoundNode, page: Page): void {
    try {
      const [first, last] = [readMapKey(page.key(0)), readMapKey(page.key(page.count - 1))];
      this.#leaves.push({ node, first, last });
    } catch (error) {
      if (!(error instanceof VaultError)) throw error;
    }
  }

  /** Opens every leaf of the block map that the scan found; yields after each. */
  *prepare(): Generator<void> {
    for (const node of this.#broken.found.ofTree(TREE.map, 0)) {
      const page = this.physical(node, KIND.mapNode);
      if (page !== null && page.count > 0) this.#addLeaf(node, page);
      yield;
    }
    this.#leaves.sort((a, b) => a.first - b.first);
    let reach = 0;
    for (const { last } of this.#leaves) this.#reach.push(reach = Math.max(reach, last));
  }

  /** A node that is named by place; null where it does not open. */
  physical(node: FoundNode, kind: Kind): Page | null {
    return this.#open(node, kind, { id: 0, level: 0 });
  }

  #open(node: FoundNode, kind: Kind, named: { id: number; level: number }): Page | null {
    const { cell, cells, epoch } = node;
    const known = this.#pages.get(cell);
    if (known !== undefined) return known;
    try {
      const copies = [{ cell, ...this.#sealAt(cell, cells) }];
      const { bytes } = this.#broken.nodes.read({ kind, ...named, epoch, cells, copies });
      const header = readNodeHeader(bytes);
      if (header.tree !== node.tree || header.id !== named.id) return null;
      const page = new Page(bytes, cell, header.level, false);
      if (this.#pages.size >= CACHED_NODES) this.#pages.delete(this.#pages.keys().next().value!);
      this.#pages.set(cell, page);
      return page;
    } catch (error) {
      if (error instanceof VaultError) return null;
      throw error;
    }
  }

  #sealAt(cell: number, cells: number): { nonce: Uint8Array; tag: Uint8Array } {
    const nonce = new Uint8Array(NONCE_BYTES);
    const tag = new Uint8Array(TAG_BYTES);
    this.#broken.direct.read(cell * CELL_BYTES, nonce);
    this.#broken.direct.read((cell + cells) * CELL_BYTES - TAG_BYTES, tag);
    return { nonce, tag };
  }

  /** A node of a volume's tree. Throws `corrupt` where none was found that opens. */
  node(id: number): Page {
    for (const found of this.#broken.found.withId(id)) {
      if (found.tree !== TREE.volume) continue;
      const page = this.#open(found, KIND.volumeNode, { id, level: found.level });
      if (page !== null) return page;
    }
    throw new VaultError("corrupt", `Cannot find tree node ${id}`);
  }

  /** Reads a data block to an area, zero-filled; its entry, or null where it is lost. */
  read(id: number, area: BlockAreas): MapEntry | null {
    for (const entry of this.#entries(id)) {
      const block: LocatedBlock = { id, entry };
      try {
        this.#reader.read([block], area);
        return entry;
      } catch (error) {
        if (!(error instanceof VaultError)) throw error;
      }
    }
    return null;
  }

  /** What the block map said of an id, the youngest leaf first. */
  *#entries(id: number): Generator<MapEntry> {
    writeMapKey(this.#key, id);
    const key = this.#key.slice();
    const covering: MapLeaf[] = [];
    for (let i = this.#lastFrom(id); i >= 0 && this.#reach[i] >= id; i--) {
      if (this.#leaves[i].last >= id) covering.push(this.#leaves[i]);
    }
    covering.sort((a, b) => b.node.birth - a.node.birth);
    for (const { node } of covering) {
      const page = this.physical(node, KIND.mapNode);
      const at = page?.search(key) ?? -1;
      if (page === null || at < 0) continue;
      const entry = entryOf(page.value(at));
      if (entry?.kind === KIND.data) yield entry;
    }
  }

  /** The last leaf that begins at or below an id. */
  #lastFrom(id: number): number {
    let [low, high] = [0, this.#leaves.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#leaves[middle].first <= id) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}

function entryOf(value: Uint8Array): MapEntry | null {
  try {
    return decodeMapEntry(value);
  } catch (error) {
    if (error instanceof VaultError) return null;
    throw error;
  }
}
