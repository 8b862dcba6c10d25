import { assert } from "../core/assert.ts";
import { VaultError } from "../core/errors.ts";
import { ERRNO } from "../ffi/libc/errno.ts";
import { JobRing } from "./job_ring.ts";
import type { WorkerOrder, WorkerWord } from "./worker.ts";

/** A worker by the promises of its start and end. */
export interface SpawnedWorker {
  readonly started: Promise<void>;
  /** Resolves with what went wrong, if anything did. */
  readonly ended: Promise<VaultError | null>;
}

/**
 * Starts a worker. It takes jobs as soon as it runs; the promises tell how it fares. Where it breaks off, the jobs that it
 * had taken fail, so that nobody waits for them: the caller's thread must not block for ever then, or it would not notice.
 */
export function spawnWorker(
  order: WorkerOrder,
  module: URL = new URL("./worker.ts", import.meta.url),
): SpawnedWorker {
  const { promise: ended, resolve: end } = Promise.withResolvers<VaultError | null>();
  const worker = new Worker(module, { type: "module" });
  const started = new Promise<void>((resolve, reject) => {
    const fail = (reason: string) => {
      worker.terminate();
      failJobs(order);
      const failure = new VaultError("unavailable", `Cannot go on in a crypto worker: ${reason}`);
      end(failure);
      reject(failure);
    };
    worker.onmessage = ({ data }: MessageEvent<WorkerWord>) => {
      if (data === "ready") resolve();
      else if (data === "ended") {
        worker.terminate(); // it sleeps nowhere now
        end(null);
      } else fail(data.failure);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      fail(event.message);
    };
  });
  started.catch(() => {}); // whoever asks is told
  worker.postMessage(order);
  return { started, ended };
}

function failJobs({ seat: { memory, thread }, ring }: WorkerOrder): void {
  const { buffer } = memory;
  assert(buffer instanceof SharedArrayBuffer, "kernel memory is shared");
  new JobRing(new Int32Array(buffer), ring, thread).abandon(thread, -ERRNO.EIO);
}
