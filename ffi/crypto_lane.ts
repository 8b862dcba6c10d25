import { InlineLane, type Lane } from "../core/block/lane.ts";
import { VaultError } from "../core/errors.ts";
import type { StorageBackend } from "../core/storage/storage_backend.ts";
import type { WasmKernel } from "../wasm/kernel.ts";
import type { WorkerOrder } from "../wasm/worker.ts";
import type { SpawnedWorker } from "../wasm/spawn_worker.ts";
import { openWorkerPool } from "../wasm/worker_pool.ts";

/** A lane with what the serving loop needs around it. */
export interface OpenLane {
  readonly lane: Lane;
  /** Takes one queued job when the thread has nothing else to do; true when there was one. */
  help(): boolean;
  close(): Promise<void>;
}

/** Which lane to make. */
export interface LaneOptions {
  readonly cryptoLane: "wasm" | "native";
  /** Threads beside this one. */
  readonly workers: number;
  /** Who starts them; this thread unless given. */
  readonly spawn?: (order: WorkerOrder) => SpawnedWorker;
}

/**
 * Makes the lane that was asked for: workers where the medium has a descriptor that they can use, else inline. It does not
 * wait for the workers: until they run, jobs are done by whoever waits for them.
 */
export function openLane(
  kernel: WasmKernel,
  medium: StorageBackend,
  options: LaneOptions,
): OpenLane {
  const { direct } = medium;
  if (direct === undefined) {
    throw new VaultError("invalid", `Cannot use medium "${medium.name}": it has no direct access`);
  }
  const { descriptor } = direct;
  if (descriptor === undefined) {
    const lane = new InlineLane(kernel, direct);
    return { lane, help: () => false, close: () => Promise.resolve() };
  }
  const { cryptoLane: lane, workers, spawn } = options;
  const kept = direct.keptSpace?.()?.descriptor;
  const pool = openWorkerPool({ kernel, workers, lane, descriptor, kept, spawn });
  return {
    lane: pool,
    help: () => pool.helpOne(),
    close: () => pool[Symbol.asyncDispose](),
  };
}
