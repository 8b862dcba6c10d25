import { Page } from "../btree/page.ts";
import { DESCRIPTOR_BYTES } from "../crypto/kernel.ts";
import { VaultError } from "../errors.ts";
import { type MapEntry, placeCells } from "../format/map_entry.ts";
import { readNodeHeader } from "../format/node.ts";
import { readPointer } from "../format/pointer.ts";
import { KIND } from "../format/seal_aad.ts";
import { CELL_BYTES } from "../limits.ts";
import { addExtent, type Extent, type LaneJob, readsWell } from "./lane.ts";
import type { NodeIo, NodePlace } from "./node_io.ts";
import { describePlace } from "./placed_seal.ts";
import { reserveDescriptors, type SealContext } from "./seal_context.ts";

/** Places opened by one job. */
const JOB_PLACES = 16;
/** Memory for the places of one job, where a block is not larger. */
const JOB_BYTES = 256 * 1024;

/** A block and the coordinate that its map entry gives. */
export interface PlacedBlock {
  readonly id: number;
  readonly entry: MapEntry;
}

/** What a walk over a tree of physical pointers tells beside its leaves. */
export interface WalkVisitor {
  /** The cells of one copy of a node, before it is read; false where they cannot be and the node is to be left out. */
  node(cell: number, cells: number, copy: number): boolean;
  /** The epoch that a node is sealed under. */
  sealed?(epoch: number): void;
  /** Copies of a node that do not open, where another one does, and a key that lies in it. */
  degraded(bad: number, key: Uint8Array): void;
  /** A node that does not open: what lies below it is not visited. */
  damaged(error: VaultError): void;
}

/** Reads what lies on the medium, past every cache: for checking. */
export class MediumInspector {
  private readonly context: SealContext;
  private readonly nodes: NodeIo;
  private readonly descriptors: number;
  private buffer = 0;
  private bufferBytes = 0;

  constructor(context: SealContext, nodes: NodeIo) {
    this.context = context;
    this.nodes = nodes;
    this.descriptors = reserveDescriptors(context.kernel, JOB_PLACES);
  }

  /** Memory for these at least. */
  private makeRoom(blocks: readonly PlacedBlock[]): void {
    const bytes = blocks.reduce(
      (most, { entry }) => Math.max(most, placeCells(entry) * CELL_BYTES),
      JOB_BYTES,
    );
    if (bytes <= this.bufferBytes) return;
    this.bufferBytes = 2 ** Math.ceil(Math.log2(bytes));
    this.buffer = this.context.kernel.reserve(this.bufferBytes);
  }

  /** The leaves of the tree below an encoded pointer, in order. */
  *leaves(pointer: Uint8Array, kind: 3 | 4 | 8, visitor: WalkVisitor): Generator<Page> {
    const page = this.physicalNode(pointer, kind, visitor);
    if (page === null) return;
    if (page.level === 0) return yield page;
    for (let i = 0; i < page.count; i++) yield* this.leaves(page.value(i), kind, visitor);
  }

  /** Reads a node by its place. Throws `corrupt` where no copy opens. */
  openNode(place: NodePlace): Page {
    const { bytes } = this.nodes.read(place);
    return new Page(bytes, place.copies[0].cell, readNodeHeader(bytes).level, false);
  }

  /** How many copies of a node do not open. */
  badCopies(place: NodePlace): number {
    return this.nodes.badCopies(place);
  }

  private physicalNode(pointer: Uint8Array, kind: 3 | 4 | 8, visitor: WalkVisitor): Page | null {
    try {
      const place = readPointer(pointer, 0);
      const isPlaced = place.copies.map(({ cell }, i) => visitor.node(cell, place.cells, i));
      if (isPlaced.includes(false)) return null;
      visitor.sealed?.(place.epoch);
      const at = { ...place, kind, id: 0, level: 0 };
      const { bytes } = this.nodes.read(at);
      const page = new Page(bytes, place.copies[0].cell, readNodeHeader(bytes).level, false);
      this.countCopies(at, page, visitor);
      return page;
    } catch (error) {
      if (!(error instanceof VaultError)) throw error;
      visitor.damaged(error);
      return null;
    }
  }

  private countCopies(
    place: NodePlace,
    page: Page,
    visitor: Pick<WalkVisitor, "degraded">,
  ): void {
    if (place.copies.length === 1) return; // reading it told
    const bad = this.nodes.badCopies(place);
    if (bad > 0) visitor.degraded(bad, page.innerKey());
  }

  /** Reads a node of a volume's tree by its coordinate. Throws `corrupt` where no copy opens. */
  volumeNode({ id, entry }: PlacedBlock, visitor?: Pick<WalkVisitor, "degraded">): Page {
    const { level, epoch, places: copies } = entry;
    const place = { kind: KIND.volumeNode, id, level, epoch, cells: placeCells(entry), copies };
    const { bytes } = this.nodes.read(place);
    const page = new Page(bytes, id, readNodeHeader(bytes).level, false);
    if (visitor !== undefined) this.countCopies(place, page, visitor);
    return page;
  }

  /** Opens every place of data blocks, or those in certain cells: how many do not open, of each block that has such. */
  badPlaces(
    blocks: readonly PlacedBlock[],
    isAsked: (cell: number) => boolean = () => true,
  ): Map<number, number> {
    const found = new Map<number, number>();
    this.makeRoom(blocks);
    let waiting: Place[] = [];
    let room = this.bufferBytes;
    const open = () => {
      for (const { id } of this.badOfJob(waiting)) found.set(id, (found.get(id) ?? 0) + 1);
      waiting = [];
      room = this.bufferBytes;
    };
    // Places of successive blocks lie side by side: in this order they are read as one.
    const places = blocks.flatMap((block) => this.knownPlaces(block, found))
      .filter(({ entry, index }) => isAsked(entry.places[index].cell))
      .sort((a, b) => a.entry.places[a.index].cell - b.entry.places[b.index].cell);
    for (const place of places) {
      const bytes = placeCells(place.entry) * CELL_BYTES;
      if (waiting.length === JOB_PLACES || room < bytes) open();
      waiting.push({ ...place, address: this.buffer + this.bufferBytes - room });
      room -= bytes;
    }
    if (waiting.length > 0) open();
    this.context.kernel.wipe(this.buffer, this.bufferBytes);
    return found;
  }

  /** The places of a block; none, and all of them found bad, where it cannot be opened at all. */
  private knownPlaces(
    { id, entry }: PlacedBlock,
    found: Map<number, number>,
  ): Omit<Place, "address">[] {
    const isKnown = this.context.keys.has(entry.epoch);
    if (!isKnown) found.set(id, entry.places.length);
    return isKnown ? entry.places.map((_, index) => ({ id, entry, index })) : [];
  }

  private badOfJob(places: readonly Place[]): Place[] {
    const { descriptors } = this;
    const extents: Extent[] = [];
    places.forEach((place, i) => addExtent(extents, this.describe(i, place)));
    const job: LaneJob = {
      kind: "read-and-open",
      descriptors,
      count: places.length,
      extents,
    };
    if (readsWell(this.context.lane, job)) return [];
    // One at a time: what cannot be read stops a job before its tags are looked at.
    return places.filter((place) => {
      const extents = [this.describe(0, place)];
      return !readsWell(this.context.lane, {
        kind: "read-and-open",
        descriptors,
        count: 1,
        extents,
      });
    });
  }

  private describe(slot: number, place: Place): Extent {
    const at = this.descriptors + slot * DESCRIPTOR_BYTES;
    return describePlace(this.context, at, place, place.address);
  }
}

/** One place of a block, and where it is opened. */
interface Place extends PlacedBlock {
  readonly index: number;
  readonly address: number;
}
