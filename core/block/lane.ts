import type { BytesPart } from "../bytes.ts";
import { assert, AssertionError } from "../assert.ts";
import type { Kernel } from "../crypto/kernel.ts";
import { VaultError } from "../errors.ts";
import type { DirectAccess } from "../storage/storage_backend.ts";

/** A stretch of kernel memory and where it belongs on the medium. */
export interface Extent {
  readonly address: number;
  readonly length: number;
  /** Byte offset on the medium. */
  readonly offset: number;
}

/** Adds an extent, joining it with the last one where both memory and medium go on. */
export function addExtent(extents: Extent[], next: Extent): void {
  const last = extents.at(-1);
  if (
    last !== undefined && last.address + last.length === next.address &&
    last.offset + last.length === next.offset && last.length + next.length <= EXTENT_BYTES_MAX
  ) {
    extents[extents.length - 1] = { ...last, length: last.length + next.length };
  } else extents.push(next);
}

/** One extent takes no more than this: joined ones stay short calls. */
const EXTENT_BYTES_MAX = 1 << 20;

/** Extents of one job at most. */
export const EXTENTS_MAX = 16;

/** Seal descriptors and then write extents; or read extents and then open descriptors. */
export interface LaneJob {
  readonly kind: "seal-and-write" | "read-and-open";
  /** Address of the first descriptor; they lie one behind another. */
  readonly descriptors: number;
  readonly count: number;
  /** 1 to {@linkcode EXTENTS_MAX}. */
  readonly extents: readonly Extent[];
}

/**
 * Where sealing and I/O run: inline on the caller's thread, or on crypto workers. Jobs may finish in any order;
 * the memory of a job belongs to the lane until its ticket has settled.
 */
export interface Lane {
  /** Jobs run on other threads while this one goes on. */
  readonly isBackground: boolean;
  /** Queues a job and returns its ticket. Failures of writes come out of `settle`, of reads out of `outcome`. */
  submit(job: LaneJob): number;
  /** True when the job is finished. Never blocks, never throws. */
  settled(ticket: number): boolean;
  /** Waits for a job, or for all; throws the `VaultError` of a failed write. */
  settle(ticket?: number): void;
  /** Waits for a read job that was submitted: how many descriptors had a bad tag. Throws when reading failed. */
  outcome(ticket: number): number;
  /** Runs a read job to its end: how many descriptors had a bad tag (see their status words). */
  read(job: LaneJob): number;
  /**
   * Runs a read job of one descriptor, checks all of it and decrypts a part only, which is multiples of 256: how many tags were bad.
   * Null where that is no faster here: use `read`.
   */
  readPart(job: LaneJob, part: BytesPart): number | null;
}

/** Runs a read job: true where every tag is good, false where one is not or the medium cannot be read. */
export function readsWell(lane: Lane, job: LaneJob): boolean {
  try {
    return lane.read(job) === 0;
  } catch (error) {
    if (error instanceof VaultError) return false;
    throw error;
  }
}

/** Runs every job at once on the caller's thread, over any medium with direct access. */
export class InlineLane implements Lane {
  readonly isBackground = false;
  private readonly kernel: Kernel;
  private readonly medium: Pick<DirectAccess, "read" | "write">;
  private tickets = 0;
  private failure: unknown;

  constructor(kernel: Kernel, medium: Pick<DirectAccess, "read" | "write">) {
    this.kernel = kernel;
    this.medium = medium;
  }

  submit(job: LaneJob): number {
    assert(job.kind === "seal-and-write", "only writes are queued");
    this.kernel.sealMany(job.descriptors, job.count);
    try {
      for (const extent of job.extents) {
        this.medium.write(extent.offset, this.memory(extent));
      }
    } catch (error) {
      this.failure ??= error;
    }
    return ++this.tickets;
  }

  private memory(extent: Extent): Uint8Array {
    return this.kernel.bytes.subarray(extent.address, extent.address + extent.length);
  }

  settled(): boolean {
    return true;
  }

  settle(): void {
    if (this.failure === undefined) return;
    const error = this.failure;
    this.failure = undefined;
    if (error instanceof VaultError) throw error;
    throw new VaultError("unavailable", "Cannot write to the medium", { cause: error });
  }

  readPart(job: LaneJob, { from, length }: BytesPart): number {
    this.read({ ...job, count: 0 });
    return this.kernel.openPart(job.descriptors, from, length);
  }

  outcome(): number {
    throw new AssertionError("Broken invariant: an inline lane reads at once");
  }

  read(job: LaneJob): number {
    for (const extent of job.extents) this.medium.read(extent.offset, this.memory(extent));
    return this.kernel.openMany(job.descriptors, job.count);
  }
}
