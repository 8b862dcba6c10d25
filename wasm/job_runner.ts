/**
 * Runs jobs on the calling thread: seals or opens, reads or writes.
 *
 * @module
 */
import type { BytesPart } from "../core/bytes.ts";
import { assert } from "../core/assert.ts";
import { givenUpBytes } from "../core/storage/storage_backend.ts";
import { ERRNO } from "../ffi/libc/errno.ts";
import { openPositionedTransfers, type PositionedTransfers } from "../ffi/libc/positioned_io.ts";
import { type NativeLane, openNativeLane, type Sealer } from "../ffi/libcrypto/native_lane.ts";
import type { Job } from "./job_ring.ts";
import type { WasmKernel } from "./kernel.ts";

/** Who seals: the kernel, or the system's libcrypto. */
export type CryptoLane = "wasm" | "native";

/** What a thread needs to run jobs, but for its kernel. */
export interface JobSetting {
  readonly lane: CryptoLane;
  /** The medium's descriptor, or -1 where jobs do no I/O. */
  readonly descriptor: number;
  /** That of the space kept for it below, which gives way where a write finds no room; -1: there is none. */
  readonly kept: number;
  /** Kernel memory for the native lane of this thread. */
  readonly scratch: number;
}

/** The result of a job that met a bug of ours; a failed call's is its negated errno. */
export const BROKEN = -0x10000;

/** How a write says that the storage below is full, or its owner may not use more. */
const NO_ROOM: readonly number[] = [ERRNO.ENOSPC, ERRNO.EDQUOT];

/** One thread's means to run jobs. */
export class JobRunner implements Disposable {
  readonly #kernel: WasmKernel;
  readonly #descriptor: number;
  readonly #kept: number;
  readonly #native: NativeLane | undefined;
  readonly #sealer: Sealer;
  readonly #transfers: PositionedTransfers | undefined;

  /** Opens libc, and libcrypto for the native lane. */
  constructor(kernel: WasmKernel, setting: JobSetting) {
    this.#kernel = kernel;
    this.#descriptor = setting.descriptor;
    this.#kept = setting.kept;
    if (setting.lane === "native") this.#native = openNativeLane(kernel, setting.scratch);
    this.#sealer = this.#native ?? kernel;
    if (setting.descriptor >= 0) this.#transfers = openPositionedTransfers();
  }

  /** Runs a job: 0, how many tags were bad, or a negated errno. */
  run(job: Job): number {
    const { kind, descriptors, count } = job;
    if (kind === "seal" || kind === "seal-and-write") {
      this.#sealer.sealMany(descriptors, count);
      return kind === "seal" ? 0 : -this.#move(job, "write");
    }
    if (kind === "read-and-open") {
      const errno = this.#move(job, "read");
      if (errno !== 0) return -errno;
    }
    return this.#sealer.openMany(descriptors, count);
  }

  /** Reads a job's extents and opens a part of its one descriptor; null where the kernel is not who opens. */
  runPart({ descriptors, extents }: Job, { from, length }: BytesPart): number | null {
    if (this.#native !== undefined) return null;
    const errno = this.#move({ kind: "read-and-open", descriptors, count: 0, extents }, "read");
    return errno !== 0 ? -errno : this.#kernel.openPart(descriptors, from, length);
  }

  /** The same, with a bug of ours as a result: for a thread whose errors nobody would see. */
  runSafely(job: Job): number {
    try {
      return this.run(job);
    } catch {
      return BROKEN; // the thread that settles the job throws
    }
  }

  /** Reads or writes a job's extents; 0 or an errno. */
  #move({ extents }: Job, direction: "read" | "write"): number {
    if (extents.length === 0) return 0;
    assert(this.#transfers !== undefined, "jobs with extents have a medium");
    for (const { address, length, offset } of extents) {
      const memory = this.#kernel.bytes.subarray(address, address + length);
      assert(memory.length === length, "extents lie in kernel memory");
      let errno = this.#transfers[direction](this.#descriptor, offset, memory);
      for (let isLast = false; NO_ROOM.includes(errno) && this.#kept >= 0 && !isLast;) {
        // Another thread may have given up the rest meanwhile: one more try.
        isLast = !this.#transfers.cut(this.#kept, givenUpBytes(length));
        errno = this.#transfers[direction](this.#descriptor, offset, memory);
      }
      if (errno !== 0) return errno;
    }
    return 0;
  }

  /** Closes the libraries. */
  [Symbol.dispose](): void {
    this.#native?.[Symbol.dispose]();
    this.#transfers?.close();
  }
}
