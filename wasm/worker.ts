/**
 * A crypto worker: takes jobs from the ring until it ends, asleep when there are none. Its one
 * message is a {@linkcode WorkerOrder}; it answers "ready", then "ended". It is found by URL, so
 * `deno compile` must be told of it: `--include wasm/worker.ts`.
 *
 * @module
 */
import { JobRing } from "./job_ring.ts";
import { JobRunner, type JobSetting } from "./job_runner.ts";
import { attachKernel, type KernelSeat } from "./kernel.ts";

/** What a worker starts from. */
export interface WorkerOrder {
  readonly seat: KernelSeat;
  readonly setting: JobSetting;
  /** Address of the ring. */
  readonly ring: number;
}

/** What a worker says; a failure to start carries its message. */
export type WorkerWord = "ready" | "ended" | { readonly failure: string };

const scope: {
  postMessage(word: WorkerWord): void;
  onmessage: ((event: MessageEvent<WorkerOrder>) => void) | null;
  close(): void;
} = self;

function serve({ seat, setting, ring: address }: WorkerOrder): void {
  const kernel = attachKernel(seat.module, seat.memory, seat.thread);
  using runner = new JobRunner(kernel, setting);
  const ring = new JobRing(kernel.words, address, seat.thread);
  scope.postMessage("ready");
  for (let number = ring.takeOrSleep(); number >= 0; number = ring.takeOrSleep()) {
    ring.finish(number, runner.runSafely(ring.read(number)));
  }
}

scope.onmessage = (event) => {
  try {
    serve(event.data);
    scope.postMessage("ended");
  } catch (error) {
    scope.postMessage({ failure: error instanceof Error ? error.message : String(error) });
  }
  scope.close();
};
