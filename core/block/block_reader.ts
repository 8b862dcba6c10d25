import type { BytesPart } from "../bytes.ts";
import { DESCRIPTOR_BYTES } from "../crypto/kernel.ts";
import { VaultError } from "../errors.ts";
import { CODEC, type MapEntry, placeCells } from "../format/map_entry.ts";
import { KIND } from "../format/seal_aad.ts";
import { CELL_BYTES, MIB } from "../limits.ts";
import { unpackAt } from "./block_form.ts";
import type { Damage } from "./damage.ts";
import { InnerSeals } from "./inner_seals.ts";
import { addExtent, type Extent, EXTENTS_MAX, type LaneJob, readsWell } from "./lane.ts";
import { describePlace } from "./placed_seal.ts";
import { reserveDescriptors, type SealContext } from "./seal_context.ts";
import { ShardCutter } from "./shards.ts";

/** Blocks that one call reads at most. */
export const READ_BLOCKS_MAX = EXTENTS_MAX;
/** Places that one job opens at most. */
const JOB_PLACES = EXTENTS_MAX;
/** Shards that are read before they are opened where they belong: it bounds the memory for them. */
const STAGED_BYTES = MIB;
/** Calls that may read in the background at the same time. */
const LATER_READS = 8;

/** What was tried where members that hold a block are missing. */
const READ_BLOCK = "read block";

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

/** Kernel memory for blocks: `bytes` for each, one behind another. */
export interface BlockAreas {
  readonly address: number;
  readonly bytes: number;
}

/** What a block reader is made of. */
export interface BlockReaderParts {
  readonly context: SealContext;
  /** Data shards of a full block: so many places are read for each. */
  readonly k: number;
  readonly damage: Damage;
}

/** Reads and opens data blocks, at once or in the background; rebuilds those whose places are bad. */
export class BlockReader {
  /** Seals of content under the secrets of files. */
  readonly inner: InnerSeals;
  private readonly parts: BlockReaderParts;
  private readonly context: SealContext;
  private readonly cutter: ShardCutter;
  private readonly descriptors: number;
  /** For shards on their way; reserved by the first. */
  private staging = 0;
  /** Descriptors for a call in the background: enough for whole blocks of this vault. */
  private readonly laterDescriptors: number[];
  private readonly laterPlaces: number;
  /** Memory for all shards of a block that is rebuilt. */
  private work = { address: 0, bytes: 0 };

  constructor(parts: BlockReaderParts) {
    const { kernel } = parts.context;
    this.parts = parts;
    this.context = parts.context;
    this.inner = new InnerSeals(parts.context);
    this.cutter = new ShardCutter(kernel);
    this.laterPlaces = READ_BLOCKS_MAX * parts.k;
    this.descriptors = reserveDescriptors(kernel, this.laterPlaces);
    this.laterDescriptors = Array.from(
      { length: LATER_READS },
      () => reserveDescriptors(kernel, this.laterPlaces),
    );
  }

  /** Each block lands in an area of its own, zero-filled to the area's end. */
  read(blocks: readonly LocatedBlock[], areas: BlockAreas): void {
    for (const { id, entry } of blocks) if (entry.length > areas.bytes) throw unreadable(id);
    if (!this.readAll(blocks, areas)) return this.readEach(blocks, areas);
    this.unpackAll(blocks, areas);
  }

  /**
   * Opens a part of a whole block that is stored as it is in one place: all of it is read and checked. False where the block is not
   * of that kind, its only place is bad, or this would be no faster: use `read`.
   */
  readPart(block: LocatedBlock, { address, bytes }: BlockAreas, part: BytesPart): boolean {
    const { id, entry } = block;
    const { kind, k, codec, inner, epoch, places } = entry;
    const isPlain = kind === KIND.data && k === 1 && codec === CODEC.raw && inner === null;
    if (!isPlain || entry.length !== bytes || places[0].missing) return false;
    if (!this.context.keys.has(epoch)) throw unreadable(id);
    const { descriptors } = this;
    const extents = [describePlace(this.context, descriptors, { ...block, index: 0 }, address)];
    const job = { kind: "read-and-open", descriptors, count: 1, extents } as const;
    try {
      return this.context.lane.readPart(job, part) === 0;
    } catch (error) {
      if (error instanceof VaultError) return false; // `read` knows of other places, and says what is wrong
      throw error;
    }
  }

  /** The bytes of a block as they are stored land in the area. */
  readStored(block: LocatedBlock, area: BlockAreas): void {
    if (!this.readAll([block], area)) this.rebuild(block, area.address);
  }

  /** Opens what is sealed under the secret of a file as well. */
  unseal({ id, entry }: LocatedBlock, address: number): void {
    const { inner } = entry;
    if (inner === null || this.inner.unseal({ id, form: entry, address }, inner)) return;
    throw unreadable(id);
  }

  /** Makes the content of what is stored, zero-filled. */
  private unpackAll(blocks: readonly LocatedBlock[], areas: BlockAreas): void {
    const { bytes } = this.context.kernel;
    blocks.forEach(({ id, entry }, i) => {
      const at = areas.address + i * areas.bytes;
      this.unseal({ id, entry }, at);
      if (!unpackAt(bytes, at, entry)) throw unreadable(id);
      bytes.fill(0, at + entry.length, at + areas.bytes);
    });
  }

  /** Reads the first k places of all blocks; false where one of them is bad or one does not fit its memory. */
  private readAll(blocks: readonly LocatedBlock[], areas: BlockAreas): boolean {
    const whole = this.jobs(blocks, areas, () => this.descriptors);
    if (whole === null) return false;
    const jobs = this.liesSideBySide(blocks) ? this.stagedJobs(blocks, areas) : whole;
    const isAlone = blocks.every(({ entry: { m } }) => m === 0);
    for (const job of jobs) {
      const isGood = isAlone
        ? this.context.lane.read(job) === 0
        : readsWell(this.context.lane, job);
      if (isGood) continue;
      if (isAlone) throw unreadable(blocks[0].id, blocks.length);
      return false;
    }
    return true;
  }

  private readEach(blocks: readonly LocatedBlock[], { address, bytes }: BlockAreas): void {
    blocks.forEach((block, i) => {
      const area = { address: address + i * bytes, bytes };
      this.readStored(block, area);
      this.unpackAll([block], area);
    });
  }

  /** True while another background read can start. */
  get canReadLater(): boolean {
    return this.context.lane.isBackground && this.laterDescriptors.length > 0;
  }

  /** Starts reading whole blocks; null where one is shorter, so that its end would have to be cleared. */
  readLater(blocks: readonly LocatedBlock[], areas: BlockAreas): PendingBlocks | null {
    if (blocks.some(({ entry }) => entry.length !== areas.bytes)) return null;
    const places = blocks.reduce((sum, { entry: { k } }) => sum + k, 0);
    const descriptors = this.laterDescriptors.at(-1);
    if (descriptors === undefined || places > this.laterPlaces) return null;
    const { lane } = this.context;
    const jobs = this.jobs(blocks, areas, (from) => descriptors + from * DESCRIPTOR_BYTES);
    if (jobs === null) return null;
    const tickets = [...jobs].map((job) => lane.submit(job));
    this.laterDescriptors.pop();
    return {
      settled: () => tickets.every((ticket) => lane.settled(ticket)),
      finish: () => {
        const isGood = this.haveOpened(tickets);
        this.laterDescriptors.push(descriptors);
        if (!isGood) this.read(blocks, areas);
        else this.unpackAll(blocks, areas);
      },
    };
  }

  /** Waits for all of them: none may go on writing into memory that is used for something else. */
  private haveOpened(tickets: readonly number[]): boolean {
    let isGood = true;
    for (const ticket of tickets) {
      try {
        if (this.context.lane.outcome(ticket) !== 0) isGood = false;
      } catch (error) {
        if (!(error instanceof VaultError)) throw error;
        isGood = false; // the second try throws what it meets
      }
    }
    return isGood;
  }

  /**
   * Jobs that open the first k places of each block where its bytes belong, their descriptors made one job at a time; null
   * where a shard would reach beyond its block.
   */
  private jobs(
    blocks: readonly LocatedBlock[],
    areas: BlockAreas,
    descriptorsFrom: (place: number) => number,
  ): Generator<LaneJob> | null {
    for (const { id, entry } of blocks) {
      if (entry.kind !== KIND.data || !this.context.keys.has(entry.epoch)) throw unreadable(id);
      if (storedBytes(entry) > areas.bytes) return null;
    }
    return this.eachJob(blocks, areas, descriptorsFrom);
  }

  private *eachJob(
    blocks: readonly LocatedBlock[],
    { address, bytes }: BlockAreas,
    descriptorsFrom: (place: number) => number,
  ): Generator<LaneJob> {
    const kind = "read-and-open";
    let extents: Extent[] = [];
    let count = 0;
    let done = 0;
    for (let i = 0; i < blocks.length; i++) {
      const { entry } = blocks[i];
      const size = placeCells(entry) * CELL_BYTES;
      for (let shard = 0; shard < entry.k; shard++) {
        if (count === JOB_PLACES) {
          yield { kind, descriptors: descriptorsFrom(done), count, extents };
          done += count;
          [extents, count] = [[], 0];
        }
        const at = descriptorsFrom(done) + count++ * DESCRIPTOR_BYTES;
        const place = { ...blocks[i], index: shard };
        const to = address + i * bytes + shard * size;
        addExtent(extents, describePlace(this.context, at, place, to));
      }
    }
    yield { kind, descriptors: descriptorsFrom(done), count, extents };
  }

  /** True for blocks of one form that are kept in shards: those of one number lie one behind another on the medium. */
  private liesSideBySide(blocks: readonly LocatedBlock[]): boolean {
    const [{ entry: { k, stored } }] = blocks;
    return k > 1 && k <= this.parts.k && blocks.length > 1 &&
      STAGED_BYTES >= storedBytes(blocks[0].entry) &&
      blocks.every(({ entry }) => entry.k === k && entry.stored === stored);
  }

  /** The same jobs, shard by shard: a few long reads to memory of their own, from which each is opened where it belongs. */
  private *stagedJobs(
    blocks: readonly LocatedBlock[],
    { address, bytes }: BlockAreas,
  ): Generator<LaneJob> {
    const { context, descriptors } = this;
    const [{ entry }] = blocks;
    const size = placeCells(entry) * CELL_BYTES;
    const together = Math.floor(STAGED_BYTES / storedBytes(entry));
    if (this.staging === 0) this.staging = context.kernel.reserve(STAGED_BYTES);
    for (let first = 0; first < blocks.length; first += together) {
      const group = blocks.slice(first, first + together);
      let [extents, count]: [Extent[], number] = [[], 0];
      const job = (): LaneJob => ({ kind: "read-and-open", descriptors, count, extents });
      for (let place = 0; place < entry.k * group.length; place++) {
        if (extents.length === EXTENTS_MAX) {
          yield job();
          [extents, count] = [[], 0];
        }
        const [shard, i] = [Math.floor(place / group.length), place % group.length];
        const at = descriptors + count++ * DESCRIPTOR_BYTES;
        const to = address + (first + i) * bytes + shard * size;
        const extent = describePlace(context, at, { ...group[i], index: shard }, to);
        const staged = this.staging + place * size;
        context.openFrom(at, staged);
        addExtent(extents, { ...extent, address: staged });
      }
      yield job();
    }
  }

  /** Opens one place at an address; false where it is missing, cannot be read or has a bad tag. */
  private opens(block: LocatedBlock, index: number, address: number): boolean {
    if (block.entry.places[index].missing) return false;
    const { descriptors } = this;
    const extents = [describePlace(this.context, descriptors, { ...block, index }, address)];
    return readsWell(this.context.lane, { kind: "read-and-open", descriptors, count: 1, extents });
  }

  /** Puts a block together from whatever places of it are good. */
  private rebuild(block: LocatedBlock, address: number): void {
    const bad = block.entry.k === 1
      ? this.readCopy(block, address)
      : this.readShards(block, address);
    if (bad > 0) this.parts.damage.foundBlock(block.id, bad);
  }

  /** True where a place cannot be read because its member is missing: it is not damaged, and no read repairs it. */
  private isAway({ entry: { places } }: LocatedBlock, index: number): boolean {
    return this.context.isAway(places[index].cell);
  }

  private readCopy(block: LocatedBlock, address: number): number {
    const copies = block.entry.places.length;
    let bad = 0;
    for (let i = 0; i < copies; i++) {
      if (this.opens(block, i, address)) return bad;
      if (!this.isAway(block, i)) bad++;
    }
    throw this.lost(block);
  }

  private readShards(block: LocatedBlock, address: number): number {
    const { entry } = block;
    const { k, m, stored } = entry;
    const bytes = placeCells(entry) * CELL_BYTES;
    const work = this.workArea((k + m) * bytes);
    const addresses = entry.places.map((_, i) => work + i * bytes);
    let missing = 0;
    let lost = 0;
    let bad = 0;
    // Parity is only asked for where data is missing.
    for (let i = 0; i < (lost === 0 ? k : k + m); i++) {
      if (this.opens(block, i, addresses[i])) continue;
      missing |= 1 << i;
      lost++;
      if (!this.isAway(block, i)) bad++;
    }
    if (lost > m) throw this.lost(block);
    if (lost > 0) this.cutter.rebuild({ k, m }, { addresses, bytes }, missing >>> 0);
    const { kernel } = this.context;
    kernel.bytes.copyWithin(address, work, work + stored);
    kernel.wipe(work, (k + m) * bytes);
    return bad;
  }

  private lost(block: LocatedBlock): VaultError {
    if (!block.entry.places.some((_, i) => this.isAway(block, i))) return unreadable(block.id);
    return new VaultError(
      "unavailable",
      `Cannot read block ${block.id}: members that hold it are missing`,
      { errno: "EIO", operation: READ_BLOCK },
    );
  }

  private workArea(bytes: number): number {
    if (this.work.bytes < bytes) {
      this.work = { address: this.context.kernel.reserve(bytes), bytes };
    }
    return this.work.address;
  }
}

/** Bytes that a block's data shards, or a copy of it, take together. */
export function storedBytes(entry: MapEntry): number {
  return entry.k * placeCells(entry) * CELL_BYTES;
}

/** True for the error of a block that cannot be read: nothing was changed. */
export function isUnreadable(error: unknown): boolean {
  return error instanceof VaultError &&
    (error.kind === "corrupt" || error.operation === READ_BLOCK);
}

/** The error of blocks whose tags are wrong. */
export function unreadable(firstId: number, count = 1): VaultError {
  const what = count === 1 ? `block ${firstId}` : `blocks ${firstId} to ${firstId + count - 1}`;
  return new VaultError("corrupt", `Cannot read ${what}: authentication failed; run "check"`);
}
