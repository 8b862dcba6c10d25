import { Page } from "../btree/page.ts";
import { DESCRIPTOR, DESCRIPTOR_BYTES } from "../crypto/kernel.ts";
import { VaultError } from "../errors.ts";
import { cellsFor, type MapEntry } from "../format/map_entry.ts";
import { checkNode, NODE_SEAL_BYTES, readNodeHeader } from "../format/node.ts";
import { readPointer } from "../format/pointer.ts";
import { KIND } from "../format/seal_aad.ts";
import { CELL_BYTES } from "../limits.ts";
import type { Extent } from "./lane.ts";
import type { NodeIo } from "./node_io.ts";
import { reserveDescriptors, type SealContext } from "./seal_context.ts";

/** Blocks opened by one job. */
const JOB_BLOCKS = 16;
/** Memory for the blocks of one job, where a block is not larger. */
const JOB_BYTES = 256 * 1024;

/** A block and the coordinate that its map entry gives. */
export interface PlacedBlock {
  readonly id: number;
  readonly entry: MapEntry;
}

/** What a walk over a tree of physical pointers tells beside its leaves. */
export interface WalkVisitor {
  /** A node's cells, before it is read; false where they cannot be and it is to be left out. */
  node(cell: number, cells: number): boolean;
  /** A node that does not open: what lies below it is not visited. */
  damaged(error: VaultError): void;
}

/** Reads what lies on the medium, past every cache: for checking. */
export class MediumInspector {
  private readonly context: SealContext;
  private readonly nodes: NodeIo;
  private readonly descriptors: number;
  private readonly buffer: number;
  private readonly blocksPerJob: number;

  constructor(context: SealContext, nodes: NodeIo, blockBytes: number) {
    this.context = context;
    this.nodes = nodes;
    this.blocksPerJob = Math.max(1, Math.min(JOB_BLOCKS, Math.floor(JOB_BYTES / blockBytes)));
    this.descriptors = reserveDescriptors(context.kernel, this.blocksPerJob);
    this.buffer = context.kernel.reserve(this.blocksPerJob * blockBytes);
  }

  /** The leaves of the tree below an encoded pointer, in order. */
  *leaves(pointer: Uint8Array, kind: 3 | 4 | 8, visitor: WalkVisitor): Generator<Page> {
    const page = this.physicalNode(pointer, kind, visitor);
    if (page === null) return;
    if (page.level === 0) return yield page;
    for (let i = 0; i < page.count; i++) yield* this.leaves(page.value(i), kind, visitor);
  }

  private physicalNode(pointer: Uint8Array, kind: 3 | 4 | 8, visitor: WalkVisitor): Page | null {
    try {
      const place = readPointer(pointer, 0);
      if (!visitor.node(place.cell, place.cells)) return null;
      const bytes = this.nodes.read({ ...place, kind, id: 0, level: 0 });
      return new Page(bytes, place.cell, readNodeHeader(bytes).level, false);
    } catch (error) {
      if (!(error instanceof VaultError)) throw error;
      visitor.damaged(error);
      return null;
    }
  }

  /** Reads a node of a volume's tree by its coordinate. Throws `corrupt` where it does not open. */
  volumeNode(block: PlacedBlock): Page {
    const { id, entry } = block;
    const { level, epoch, places: [{ cell, nonce, tag }] } = entry;
    const cells = cellsFor(entry.length + NODE_SEAL_BYTES);
    const bytes = this.nodes.open({
      kind: KIND.volumeNode,
      id,
      level,
      epoch,
      cell,
      cells,
      nonce,
      tag,
    });
    checkNode(bytes);
    return new Page(bytes, id, readNodeHeader(bytes).level, false);
  }

  /** Opens data blocks and returns the ids of those that do not open. */
  badBlocks(blocks: readonly PlacedBlock[]): number[] {
    const hasKey = ({ entry }: PlacedBlock) => this.context.keys.has(entry.epoch);
    const bad = blocks.filter((block) => !hasKey(block)).map(({ id }) => id);
    const known = blocks.filter(hasKey);
    for (let at = 0; at < known.length; at += this.blocksPerJob) {
      bad.push(...this.badOfJob(known.slice(at, at + this.blocksPerJob)));
    }
    return bad;
  }

  private badOfJob(blocks: readonly PlacedBlock[]): number[] {
    const { context, descriptors } = this;
    const extents: Extent[] = [];
    let address = this.buffer;
    for (let i = 0; i < blocks.length; i++) {
      const { id, entry: { length, epoch, level, places: [place] } } = blocks[i];
      const sealedBytes = cellsFor(length) * CELL_BYTES;
      const at = descriptors + i * DESCRIPTOR_BYTES;
      context.describe(at, { kind: KIND.data, id, level, epoch, length, address, sealedBytes });
      context.nonceOf(at).set(place.nonce);
      context.tagOf(at).set(place.tag);
      extents.push({ address, length: sealedBytes, offset: place.cell * CELL_BYTES });
      address += sealedBytes;
    }
    const count = blocks.length;
    const bad = context.lane.read({ kind: "read-and-open", descriptors, count, extents });
    context.kernel.wipe(this.buffer, address - this.buffer);
    if (bad === 0) return [];
    const view = new DataView(context.kernel.bytes.buffer);
    return blocks.flatMap(({ id }, i) => {
      const status = descriptors + i * DESCRIPTOR_BYTES + DESCRIPTOR.status;
      return view.getUint32(status, true) === 0 ? [] : [id];
    });
  }
}
