import { assert } from "../assert.ts";
import { DESCRIPTOR_BYTES } from "../crypto/kernel.ts";
import { cellsFor, CODEC, type InnerSeal } from "../format/map_entry.ts";
import type { SealedPlace } from "../format/place.ts";
import { type Redundancy, shapeOf } from "../format/redundancy.ts";
import { KIND } from "../format/seal_aad.ts";
import { CELL_BYTES, MIB } from "../limits.ts";
import { type BlockForm, packAt } from "./block_form.ts";
import type { CompressionTrials } from "./compression.ts";
import { addExtent, type Extent, EXTENTS_MAX } from "./lane.ts";
import { reserveDescriptors, type SealContext } from "./seal_context.ts";
import { ShardCutter } from "./shards.ts";
import type { Space } from "./space.ts";
import { StagingRing } from "./staging_ring.ts";

/** Seals of one job. */
const JOB_SEALS = EXTENTS_MAX;
/** Jobs whose descriptors are in use. */
const JOBS_MAX = 128;
/** Memory for parity and further copies on their way. */
const STAGING_BYTES = MIB;

/** Content that comes sealed under the secret of a file, and is stored so. */
export interface SealedContent {
  readonly form: BlockForm;
  readonly inner: InnerSeal;
}

/** Blocks that lie one behind another in kernel memory, each as long as a block is but the last. */
export interface WriteRun {
  readonly firstId: number;
  readonly count: number;
  readonly address: number;
  /** Bytes of a full block. */
  readonly blockBytes: number;
  readonly lastLength: number;
  /** Says which blocks to compress; none unless given. */
  readonly trials?: CompressionTrials;
  /** The run is one block, whose bytes are these. */
  readonly sealed?: SealedContent;
  /** Every block is sealed under this secret of its file before it is stored. */
  readonly secretId?: number;
}

/** A run that was put. */
export interface PutRun {
  /** Settles when the memory is free again. */
  readonly ticket: number;
  /** Cells of the blocks as they are stored, parity left out. */
  readonly cells: number;
}

/** The bytes of a block as they are stored, in kernel memory. */
export interface StoredBytes {
  readonly id: number;
  readonly form: BlockForm;
  readonly address: number;
  /** How they are sealed already, under the secret of a file. */
  readonly inner: InnerSeal | null;
}

/** What one place of a block holds. */
interface SealedPiece extends Omit<StoredBytes, "inner"> {
  readonly shard: number;
  readonly sealedBytes: number;
  /** Byte offset on the medium. */
  readonly offset: number;
}

/** A block that is on the medium. */
export interface WrittenBlock {
  readonly id: number;
  readonly form: BlockForm;
  readonly shape: Redundancy;
  readonly inner: InnerSeal | null;
  readonly places: readonly SealedPlace[];
}

/** A block whose tags are not known before its jobs have settled. */
interface PendingBlock {
  readonly id: number;
  readonly form: BlockForm;
  readonly shape: Redundancy;
  readonly inner: InnerSeal | null;
  readonly cells: readonly number[];
  readonly descriptors: readonly number[];
  /** Number of the job that seals its first place. */
  readonly firstJob: number;
  /** From where on it keeps the staging ring busy. */
  readonly mark: number;
  /** Of the job that seals its last place; 0 until that is queued. */
  ticket: number;
  readonly done: (block: WrittenBlock) => void;
  /** Cells of all its places. */
  readonly stored: number;
}

/** The job being filled. */
interface OpenJob {
  readonly descriptors: number;
  count: number;
  readonly extents: Extent[];
}

/** What a block writer is made of. */
export interface BlockWriterParts {
  readonly context: SealContext;
  readonly space: Space;
  readonly redundancy: Redundancy;
}

/**
 * Seals data blocks and writes their places. Jobs run in the background of whoever puts; a block is told to its `done`
 * when all its places are written, by `absorb` at the latest.
 */
export class BlockWriter {
  private readonly context: SealContext;
  private readonly space: Space;
  private readonly redundancy: Redundancy;
  private readonly descriptors: number;
  private readonly cutter: ShardCutter;
  private staging = new StagingRing(0, 0);
  private pending: PendingBlock[] = [];
  /** No id below this one is pending. */
  private pendingFrom = 0;
  private jobs = 0;
  /** Blocks that have cells, and are on their way. */
  begun = 0;
  /** Cells of what is pending: it may not be on the medium yet. */
  queuedCells = 0;
  private open: OpenJob | null = null;
  /** Every ticket below this one has settled. */
  private settledBelow = 1;
  /** A write that failed. What it should have stored is not there, so that nothing may be entered any more. */
  private failure: unknown;

  constructor({ context, space, redundancy }: BlockWriterParts) {
    this.context = context;
    this.space = space;
    this.redundancy = redundancy;
    this.descriptors = reserveDescriptors(context.kernel, JOBS_MAX * JOB_SEALS);
    this.cutter = new ShardCutter(context.kernel);
  }

  /** Sets memory aside for what blocks of this size may need. */
  prepare(blockBytes: number): void {
    this.stageFor(stagingBytesMax(this.redundancy, blockBytes));
  }

  /** Room for two areas of so many bytes: one is sealed while the next is made. */
  private stageFor(bytes: number): void {
    if (2 * bytes <= this.staging.size) return;
    const size = Math.max(STAGING_BYTES, 2 ** Math.ceil(Math.log2(2 * bytes)));
    this.submit();
    this.absorb(); // what the smaller ring holds is on the medium
    this.staging = new StagingRing(this.context.kernel.reserve(size), size);
  }

  /** Seals and stores a run, each block as `seal` seals it inside; the memory is busy until the ticket has settled. */
  put(
    run: WriteRun,
    seal: (block: StoredBytes) => InnerSeal | null,
    done: (block: WrittenBlock) => void,
  ): PutRun {
    const { blockBytes, lastLength } = run;
    assert(lastLength >= 1 && lastLength <= blockBytes, "the last block has bytes");
    const { bytes } = this.context.kernel;
    let cells = 0;
    for (let i = 0; i < run.count; i++) {
      const length = i === run.count - 1 ? lastLength : blockBytes;
      const address = run.address + i * blockBytes;
      const form = run.sealed?.form ?? packAt(bytes, address, length, run.trials);
      const id = run.firstId + i;
      const inner = run.sealed?.inner ?? seal({ id, form, address, inner: null });
      this.putBlock({ id, form, address, inner }, done);
      cells += cellsFor(form.stored);
    }
    this.submit();
    return { ticket: this.pending[this.pending.length - 1].ticket, cells };
  }

  /** Seals and stores the bytes of one block as they are, and waits. */
  putStored(block: StoredBytes, done: (block: WrittenBlock) => void): void {
    this.putBlock(block, done);
    this.submit();
    this.absorb();
  }

  private putBlock(
    { id, form, address, inner }: StoredBytes,
    done: (block: WrittenBlock) => void,
  ): void {
    const { context: { kernel }, space } = this;
    const blockCells = cellsFor(form.stored);
    const shape = shapeOf(this.redundancy, blockCells);
    const { k, m } = shape;
    if (form.stored % CELL_BYTES !== 0) {
      kernel.bytes.fill(0, address + form.stored, address + blockCells * CELL_BYTES);
    }
    const { staging, mark } = this.stage(shape, blockCells);
    const cut = this.cutter.cut(shape, blockCells, { address, staging });
    const cells = space.allocateApart(cut.bytes / CELL_BYTES, k + m);
    this.begun++;
    const firstJob = this.openJob();
    const descriptors: number[] = [];
    for (let i = 0; i < cells.length; i++) {
      const [shard, offset] = [k === 1 ? 0 : 1 + i, cells[i] * CELL_BYTES];
      const piece = { id, form, shard, address: cut.addresses[i], sealedBytes: cut.bytes, offset };
      descriptors.push(this.addSeal(piece));
    }
    this.pendingFrom = this.pending.length === 0 ? id : Math.min(this.pendingFrom, id);
    const stored = cells.length * cut.bytes / CELL_BYTES;
    this.pending.push({
      id,
      form,
      shape,
      inner,
      cells,
      descriptors,
      firstJob,
      mark,
      ticket: 0,
      done,
      stored,
    });
    this.queuedCells += stored;
    if (this.open?.count === JOB_SEALS) this.submit();
  }

  private stage(shape: Redundancy, cells: number): { staging: number; mark: number } {
    const bytes = ShardCutter.stagingBytes(shape, cells);
    if (bytes === 0) return { staging: 0, mark: Infinity };
    this.stageFor(bytes);
    while (!this.staging.fits(bytes, this.oldestMark())) {
      this.submit();
      this.absorbOldest();
    }
    const { address, mark } = this.staging.take(bytes);
    return { staging: address, mark };
  }

  private oldestMark(): number {
    for (const { mark } of this.pending) if (mark !== Infinity) return mark;
    return Infinity;
  }

  /** The number of the job that the next seal goes to. */
  private openJob(): number {
    if (this.open === null) {
      // Descriptors are used again once every block that has one there is entered.
      while (this.pending.length > 0 && this.pending[0].firstJob <= this.jobs - JOBS_MAX + 1) {
        this.absorbOldest();
      }
      const slot = this.jobs++ % JOBS_MAX;
      const descriptors = this.descriptors + slot * JOB_SEALS * DESCRIPTOR_BYTES;
      this.open = { descriptors, count: 0, extents: [] };
    }
    return this.jobs - 1;
  }

  private addSeal({ id, form, shard, address, sealedBytes, offset }: SealedPiece): number {
    if (this.open?.count === JOB_SEALS) this.submit();
    this.openJob();
    const { context, open } = this;
    const at = open!.descriptors + open!.count++ * DESCRIPTOR_BYTES;
    const { codec, length, stored } = form;
    const compressed = codec === CODEC.raw ? 0 : stored;
    context.describe(at, {
      kind: KIND.data,
      id,
      level: 0,
      shard,
      epoch: context.epoch,
      codec,
      length,
      compressed,
      address,
      sealedBytes,
    });
    context.nonces.take(context.nonceOf(at), 0);
    addExtent(open!.extents, { address, length: sealedBytes, offset });
    return at;
  }

  /** Queues the open job; blocks that end with it get its ticket. */
  private submit(): void {
    const { open } = this;
    if (open === null || open.count === 0) return;
    this.open = null;
    const { descriptors, count, extents } = open;
    const ticket = this.context.lane.submit({
      kind: "seal-and-write",
      descriptors,
      count,
      extents,
    });
    for (let i = this.pending.length - 1; i >= 0 && this.pending[i].ticket === 0; i--) {
      this.pending[i].ticket = ticket;
    }
  }

  /** True when this ticket and all before it have settled. */
  settled(ticket: number): boolean {
    const { lane } = this.context;
    while (this.settledBelow <= ticket && lane.settled(this.settledBelow)) this.settledBelow++;
    return this.settledBelow > ticket;
  }

  /** Waits for a ticket and all before it, or for all. */
  settle(ticket?: number): void {
    if (this.failure !== undefined) throw this.failure;
    const { lane } = this.context;
    try {
      if (ticket === undefined) lane.settle();
      else while (!this.settled(ticket)) lane.settle(this.settledBelow);
      if (ticket !== undefined) lane.settle(ticket);
    } catch (error) {
      this.failure = error;
      throw error;
    }
  }

  private absorbOldest(): void {
    this.settle(this.pending[0].ticket);
    let count = 0;
    while (count < this.pending.length && this.isWritten(this.pending[count])) count++;
    this.enterFirst(count);
  }

  private isWritten({ ticket }: PendingBlock): boolean {
    return ticket !== 0 && this.settled(ticket);
  }

  /** True where a block of this id may be on its way. */
  mayHold(id: number): boolean {
    return this.pending.length > 0 && id >= this.pendingFrom;
  }

  /** Waits for every job and tells of its blocks. */
  absorb(): void {
    if (this.pending.length === 0) return;
    this.settle();
    this.enterFirst(this.pending.length);
  }

  /** One that cannot be entered now (the map has to be read) stays pending, and so do those behind it. */
  private enterFirst(count: number): void {
    let entered = 0;
    try {
      for (; entered < count; entered++) this.enter(this.pending[entered]);
    } finally {
      for (const { stored } of this.pending.splice(0, entered)) this.queuedCells -= stored;
    }
  }

  private enter({ id, form, shape, inner, cells, descriptors, done }: PendingBlock): void {
    const { context } = this;
    const places: SealedPlace[] = [];
    for (let i = 0; i < cells.length; i++) {
      const [nonce, tag] = [context.nonceOf(descriptors[i]), context.tagOf(descriptors[i])];
      places.push({ cell: cells[i], nonce, tag });
    }
    done({ id, form, shape, inner, places });
  }
}

/** Staging memory that the block of the worst length takes: the longest one, or the longest that is kept in copies. */
function stagingBytesMax(redundancy: Redundancy, blockBytes: number): number {
  const blockCells = blockBytes / CELL_BYTES;
  let most = 0;
  for (let cells = 1; cells <= blockCells; cells++) {
    const bytes = ShardCutter.stagingBytes(shapeOf(redundancy, cells), cells);
    most = Math.max(most, bytes);
  }
  return most;
}
