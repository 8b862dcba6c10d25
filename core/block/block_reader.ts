import { assert } from "../assert.ts";
import { DESCRIPTOR_BYTES } from "../crypto/kernel.ts";
import { VaultError } from "../errors.ts";
import { cellsFor, type MapEntry } from "../format/map_entry.ts";
import { KIND } from "../format/seal_aad.ts";
import { CELL_BYTES } from "../limits.ts";
import { addExtent, type Extent, EXTENTS_MAX, type LaneJob } from "./lane.ts";
import { reserveDescriptors, type SealContext } from "./seal_context.ts";

/** Blocks that one job reads at most. */
export const READ_BLOCKS_MAX = EXTENTS_MAX;
/** Jobs that may read in the background at the same time. */
const LATER_JOBS = 8;

/** A block and where it lies. */
export interface LocatedBlock {
  readonly id: number;
  readonly entry: MapEntry;
}

/** Blocks on their way into memory. */
export interface PendingBlocks {
  /** True when `finish` does not have to wait. */
  settled(): boolean;
  /** Waits, and throws `corrupt` where a tag is wrong. Once only. */
  finish(): void;
}

/** Reads and opens data blocks, at once or in the background. */
export class BlockReader {
  private readonly context: SealContext;
  private readonly blockBytes: number;
  private readonly descriptors: number;
  private readonly laterDescriptors: number[];

  constructor(context: SealContext, blockBytes: number) {
    this.context = context;
    this.blockBytes = blockBytes;
    this.descriptors = reserveDescriptors(context.kernel, READ_BLOCKS_MAX);
    this.laterDescriptors = Array.from(
      { length: LATER_JOBS },
      () => reserveDescriptors(context.kernel, READ_BLOCKS_MAX),
    );
  }

  /** Block i lands at `address + i * blockBytes`, zero-filled to the block's size. */
  read(blocks: readonly LocatedBlock[], address: number): void {
    const { kernel, lane } = this.context;
    const bad = lane.read(this.job(blocks, address, this.descriptors));
    if (bad !== 0) throw unreadable(blocks[0].id, blocks.length);
    blocks.forEach(({ entry: { length } }, i) => {
      const start = address + i * this.blockBytes;
      kernel.bytes.fill(0, start + length, start + this.blockBytes);
    });
  }

  /** True while another background read can start. */
  get canReadLater(): boolean {
    return this.context.lane.isBackground && this.laterDescriptors.length > 0;
  }

  /** Starts reading whole blocks; null where one is shorter, so that its end would have to be cleared. */
  readLater(blocks: readonly LocatedBlock[], address: number): PendingBlocks | null {
    if (blocks.some(({ entry }) => entry.length !== this.blockBytes)) return null;
    const descriptors = this.laterDescriptors.pop();
    assert(descriptors !== undefined, "a background read has descriptors");
    const { lane } = this.context;
    const ticket = lane.submit(this.job(blocks, address, descriptors));
    return {
      settled: () => lane.settled(ticket),
      finish: () => {
        try {
          if (lane.outcome(ticket) !== 0) throw unreadable(blocks[0].id, blocks.length);
        } finally {
          this.laterDescriptors.push(descriptors);
        }
      },
    };
  }

  private job(blocks: readonly LocatedBlock[], address: number, descriptors: number): LaneJob {
    const extents: Extent[] = [];
    blocks.forEach(({ id, entry }, i) => {
      const to = address + i * this.blockBytes;
      const sealedBytes = cellsFor(entry.length) * CELL_BYTES;
      if (entry.kind !== KIND.data || sealedBytes > this.blockBytes) throw unreadable(id);
      this.describe(descriptors + i * DESCRIPTOR_BYTES, { id, entry }, to, sealedBytes);
      const offset = entry.places[0].cell * CELL_BYTES;
      addExtent(extents, { address: to, length: sealedBytes, offset });
    });
    return { kind: "read-and-open", descriptors, count: blocks.length, extents };
  }

  private describe(at: number, block: LocatedBlock, address: number, sealedBytes: number): void {
    const { id, entry: { level, epoch, length, places: [place] } } = block;
    if (!this.context.keys.has(epoch)) throw unreadable(id);
    this.context.describe(at, { kind: KIND.data, id, level, epoch, length, address, sealedBytes });
    this.context.nonceOf(at).set(place.nonce);
    this.context.tagOf(at).set(place.tag);
  }
}

/** The error of blocks whose tags are wrong. */
export function unreadable(firstId: number, count = 1): VaultError {
  const what = count === 1 ? `block ${firstId}` : `blocks ${firstId} to ${firstId + count - 1}`;
  return new VaultError("corrupt", `Cannot read ${what}: authentication failed; run "check"`);
}
