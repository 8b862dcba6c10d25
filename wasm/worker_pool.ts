/**
 * Crypto workers behind one ring of jobs. The thread that submits also helps: while it waits, it
 * takes queued jobs itself, so it is never slower than working alone.
 *
 * @module
 */
import type { BytesPart } from "../core/bytes.ts";
import { assert } from "../core/assert.ts";
import type { Lane } from "../core/block/lane.ts";
import { DESCRIPTOR, DESCRIPTOR_BYTES } from "../core/crypto/kernel.ts";
import { VaultError } from "../core/errors.ts";
import { errnoName } from "../ffi/libc/errno.ts";
import { NATIVE_SCRATCH_BYTES } from "../ffi/libcrypto/native_lane.ts";
import { type Job, JobRing, JOBS, RING_BYTES } from "./job_ring.ts";
import { BROKEN, type CryptoLane, JobRunner } from "./job_runner.ts";
import type { WasmKernel } from "./kernel.ts";
import { THREADS_MAX } from "./layout.ts";
import { type SpawnedWorker, spawnWorker } from "./spawn_worker.ts";
import type { WorkerOrder } from "./worker.ts";

/** How a pool works. */
export interface WorkerPoolOptions {
  /** The kernel of the thread that submits: the one that made the memory. */
  readonly kernel: WasmKernel;
  /** Threads beside this one, 0 to 15. With 0 every job runs inline when it is submitted. */
  readonly workers: number;
  /** Who seals, on every thread. */
  readonly lane: CryptoLane;
  /** Starts a worker; by default one of this thread's. */
  readonly spawn?: (order: WorkerOrder) => SpawnedWorker;
  /** The medium's descriptor, which must stay open as long as the pool; none: jobs do no I/O. */
  readonly descriptor?: number;
  /** That of the space kept for the medium below, which stays open as long. */
  readonly kept?: number;
}

/** A read is shared out in parts of at least this many bytes: about the price of waking a worker. */
const SHARED_PART_BYTES = 32 * 1024;

/** See the module's text. All methods belong to the thread that made the pool. */
export class WorkerPool implements Lane, AsyncDisposable {
  readonly #kernel: WasmKernel;
  readonly #runner: JobRunner;
  readonly #ring: JobRing;
  readonly #members: readonly SpawnedWorker[];
  /** Jobs submitted so far. Ticket t is job number t - 1. */
  #submitted = 0;
  /** Every ticket up to this one is known to be done. */
  #doneUpTo = 0;
  /** Reads whose outcome nobody has asked for; how they ended, once their slots are taken by other jobs. */
  readonly #unasked = new Map<number, number | null>();

  /** For {@linkcode openWorkerPool}. */
  constructor(
    kernel: WasmKernel,
    parts: { runner: JobRunner; ring: JobRing; members: readonly SpawnedWorker[] },
  ) {
    this.#kernel = kernel;
    this.#runner = parts.runner;
    this.#ring = parts.ring;
    this.#members = parts.members;
  }

  /** Resolves when every worker runs, rejects when one cannot start. Jobs need not wait for it. */
  get started(): Promise<void> {
    return Promise.all(this.#members.map((member) => member.started)).then(() => {});
  }

  /** Workers beside this thread. */
  get workers(): number {
    return this.#members.length;
  }

  /** Workers run jobs while this thread goes on. */
  get isBackground(): boolean {
    return this.#members.length > 0;
  }

  /** Queues a job and returns its ticket. The job's memory is the pool's until it has settled. */
  submit(job: Job): number {
    if (this.#submitted >= JOBS) this.#clearSlotOf(this.#submitted - JOBS + 1);
    this.#ring.add(this.#submitted, job);
    this.#submitted++;
    if (job.kind === "read-and-open") this.#unasked.set(this.#submitted, null);
    if (this.#members.length === 0) this.helpOne();
    return this.#submitted;
  }

  /** Waits for a job whose slot another one takes. A read's outcome may be asked for at any later time. */
  #clearSlotOf(ticket: number): void {
    this.#waitFor(ticket);
    if (this.#unasked.has(ticket)) this.#unasked.set(ticket, this.#ring.result(ticket - 1));
  }

  /** Whether a job is done. Never blocks, never throws. */
  settled(ticket: number): boolean {
    return ticket <= this.#submitted - JOBS || this.#ring.isDone(ticket - 1);
  }

  /** How a settled job ended: 0, how many tags were bad, or a negated errno. For the last 128 jobs. */
  result(ticket: number): number {
    assert(ticket > this.#submitted - JOBS && this.settled(ticket), "a fresh, settled ticket");
    return this.#ring.result(ticket - 1);
  }

  /**
   * Waits for a job, or for all, and works on queued ones meanwhile. Throws the `VaultError` of the
   * first I/O that failed since the last call, whichever job it was.
   */
  settle(ticket?: number): void {
    if (ticket !== undefined) this.#waitFor(ticket);
    else {
      for (let each = this.#oldest(); each <= this.#submitted; each++) this.#waitFor(each);
      this.#doneUpTo = this.#submitted;
    }
    this.#throwFailure();
  }

  /**
   * Waits for a read job that was submitted and returns how many tags were bad, once. Throws the `VaultError` of a failed
   * read.
   */
  outcome(ticket: number): number {
    this.#waitFor(ticket);
    const kept = this.#unasked.get(ticket);
    assert(kept !== undefined, "the outcome of a read is asked for once");
    this.#unasked.delete(ticket);
    return checked(kept ?? this.result(ticket), "read");
  }

  #oldest(): number {
    return Math.max(this.#doneUpTo, this.#submitted - JOBS) + 1;
  }

  /** Runs one queued job on this thread; false where none was queued. */
  helpOne(): boolean {
    const number = this.#ring.take();
    if (number < 0) return false;
    this.#ring.finish(number, this.#runner.runSafely(this.#ring.read(number)));
    return true;
  }

  /**
   * Runs a read job to its end, large ones with the workers' help, and returns how many tags were
   * bad. Throws the `VaultError` of a failed read.
   */
  read(job: Job): number {
    const parts = this.#members.length === 0 ? [job] : this.#shares(job);
    if (parts.length === 1) return checked(this.#runner.run(job), "read");
    checked(this.#runner.run({ ...job, count: 0 }), "read");
    const tickets = parts.slice(1).map((part) => this.submit(part));
    let bad = this.#runner.run(parts[0]);
    // Waiting helps oldest job first, and a ticket's result must be taken before 128 more are added.
    for (const ticket of tickets) {
      this.#waitFor(ticket);
      bad += checked(this.#ring.result(ticket - 1), "read");
    }
    return bad;
  }

  /** Reads one descriptor's bytes and opens a part; null with the native lane. Throws the `VaultError` of a failed read. */
  readPart(job: Job, part: BytesPart): number | null {
    const result = this.#runner.runPart(job, part);
    return result === null ? null : checked(result, "read");
  }

  /** Cuts the descriptors of a read into parts worth sharing. */
  #shares(job: Job): Job[] {
    const parts: Job[] = [];
    let first = 0, size = 0;
    for (let i = 0; i < job.count; i++) {
      size += this.#kernel.words[(job.descriptors + i * DESCRIPTOR_BYTES + DESCRIPTOR.length) / 4];
      if (size < SHARED_PART_BYTES && i < job.count - 1) continue;
      const descriptors = job.descriptors + first * DESCRIPTOR_BYTES;
      parts.push({ kind: "open", descriptors, count: i + 1 - first, extents: [] });
      first = i + 1;
      size = 0;
    }
    return parts.length === 0 ? [job] : parts;
  }

  #waitFor(ticket: number): void {
    assert(ticket <= this.#submitted, "a ticket is of a job that was submitted");
    while (!this.settled(ticket)) {
      if (!this.helpOne()) this.#ring.awaitDone(ticket - 1);
    }
  }

  #throwFailure(): void {
    checked(this.#ring.takeFailure(), "write to");
  }

  /** Finishes what is queued, then ends the workers. Throws nothing of what failed: settle first. */
  async [Symbol.asyncDispose](): Promise<void> {
    while (this.helpOne());
    this.#ring.end();
    await Promise.all(this.#members.map((member) => member.ended));
    this.#runner[Symbol.dispose]();
  }
}

/** A job's result, unless it is a failure. */
function checked(result: number, verb: "read" | "write to"): number {
  assert(result !== BROKEN, "a crypto job has sound arguments");
  if (result >= 0) return result;
  const errno = errnoName(-result);
  throw new VaultError("unavailable", `Cannot ${verb} the medium: ${errno}`, { errno });
}

/**
 * Makes a pool over a kernel's memory whose workers are still starting: jobs are taken as soon as one runs, and by the
 * thread that waits until then. The workers find their module beside this one: a compiled program includes
 * `wasm/worker.ts`.
 */
export function openWorkerPool(options: WorkerPoolOptions): WorkerPool {
  const { kernel, workers, lane, spawn = spawnWorker } = options;
  assert(kernel.thread === 0, "a pool belongs to the thread that made the memory");
  assert(workers >= 0 && workers < THREADS_MAX, "workers have scratch areas");
  const address = kernel.reserve(RING_BYTES);
  const scratch = kernel.reserve(NATIVE_SCRATCH_BYTES * (workers + 1));
  const { descriptor = -1, kept = -1 } = options;
  const settingOf = (thread: number) => {
    return { lane, descriptor, kept, scratch: scratch + thread * NATIVE_SCRATCH_BYTES };
  };
  const runner = new JobRunner(kernel, settingOf(0));
  const ring = new JobRing(kernel.words, address, kernel.thread);
  const members = Array.from({ length: workers }, (_, index) => {
    const thread = index + 1;
    const seat = { module: kernel.module, memory: kernel.memory, thread };
    return spawn({ seat, setting: settingOf(thread), ring: address });
  });
  return new WorkerPool(kernel, { runner, ring, members });
}

/** The same, and waits until every worker runs; rejects when one cannot. */
export async function startWorkerPool(options: WorkerPoolOptions): Promise<WorkerPool> {
  const pool = openWorkerPool(options);
  try {
    await pool.started;
    return pool;
  } catch (error) {
    await pool[Symbol.asyncDispose]();
    throw error;
  }
}
