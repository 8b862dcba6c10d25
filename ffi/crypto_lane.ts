import { InlineLane, type Lane, type LaneJob } from "../core/block/lane.ts";
import { VaultError } from "../core/errors.ts";
import type { StorageBackend } from "../core/storage/storage_backend.ts";
import type { WasmKernel } from "../wasm/kernel.ts";
import { startWorkerPool, type WorkerPool } from "../wasm/worker_pool.ts";

/** A lane with what the serving loop needs around it. */
export interface OpenLane {
  readonly lane: Lane;
  /** Takes one queued job when the thread has nothing else to do; true when there was one. */
  help(): boolean;
  /** Resolves when the workers have started, or cannot. */
  ready(): Promise<void>;
  close(): Promise<void>;
}

/** Which lane to make. */
export interface LaneOptions {
  readonly cryptoLane: "wasm" | "native";
  /** Threads beside this one. */
  readonly workers: number;
}

/**
 * Makes the lane that was asked for: workers where the medium has a descriptor that they can use, else inline. Workers
 * take a while to start, so jobs run inline until they are there.
 */
export async function openLane(
  kernel: WasmKernel,
  medium: StorageBackend,
  options: LaneOptions,
): Promise<OpenLane> {
  const { direct } = medium;
  if (direct === undefined) {
    throw new VaultError("invalid", `Cannot use medium "${medium.name}": it has no direct access`);
  }
  const { descriptor } = direct;
  if (descriptor === undefined) {
    const lane = new InlineLane(kernel, direct);
    const done = () => Promise.resolve();
    return { lane, help: () => false, ready: done, close: done };
  }
  const { cryptoLane: lane, workers } = options;
  const inline = await startWorkerPool({ kernel, workers: 0, lane, descriptor });
  return new GrowingLane(
    inline,
    workers === 0 ? null : startWorkerPool({ kernel, workers, lane, descriptor }),
  );
}

/** Runs jobs inline until its workers have started. A ticket of before is settled for good. */
class GrowingLane implements Lane, OpenLane {
  private readonly inline: WorkerPool;
  private readonly starting: Promise<void>;
  private workers: WorkerPool | null = null;
  private failure: unknown;
  /** Tickets given out inline; those of the workers are counted on from here. */
  private inlineTickets = 0;

  constructor(inline: WorkerPool, starting: Promise<WorkerPool> | null) {
    this.inline = inline;
    this.starting = (starting ?? Promise.resolve(null)).then(
      (pool) => {
        this.workers = pool;
      },
      (error) => {
        // Without workers everything still works, on one thread.
        this.failure = error;
      },
    );
  }

  get lane(): Lane {
    return this;
  }

  get isBackground(): boolean {
    return this.workers !== null;
  }

  submit(job: LaneJob): number {
    if (this.workers !== null) return this.inlineTickets + this.workers.submit(job);
    this.inlineTickets = this.inline.submit(job);
    return this.inlineTickets;
  }

  settled(ticket: number): boolean {
    return ticket <= this.inlineTickets || this.workers!.settled(ticket - this.inlineTickets);
  }

  settle(ticket?: number): void {
    this.inline.settle();
    if (this.workers === null) return;
    if (ticket === undefined) this.workers.settle();
    else if (ticket > this.inlineTickets) this.workers.settle(ticket - this.inlineTickets);
  }

  outcome(ticket: number): number {
    if (ticket <= this.inlineTickets) return this.inline.outcome(ticket);
    return this.workers!.outcome(ticket - this.inlineTickets);
  }

  read(job: LaneJob): number {
    return (this.workers ?? this.inline).read(job);
  }

  help(): boolean {
    return this.workers?.helpOne() ?? false;
  }

  ready(): Promise<void> {
    return this.starting;
  }

  async close(): Promise<void> {
    await this.starting;
    await this.workers?.[Symbol.asyncDispose]();
    await this.inline[Symbol.asyncDispose]();
    if (this.failure !== undefined) throw this.failure;
  }
}
