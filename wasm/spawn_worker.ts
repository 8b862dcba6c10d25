import { VaultError } from "../core/errors.ts";
import type { WorkerOrder, WorkerWord } from "./worker.ts";

/** A worker by the promises of its start and end. */
export interface SpawnedWorker {
  readonly started: Promise<void>;
  readonly ended: Promise<void>;
}

/** Starts a worker. It takes jobs as soon as it runs; the promises tell how it fares. */
export function spawnWorker(order: WorkerOrder): SpawnedWorker {
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  const started = new Promise<void>((resolve, reject) => {
    const refuse = (reason: string) => {
      worker.terminate();
      end();
      reject(new VaultError("unavailable", `Cannot start a crypto worker: ${reason}`));
    };
    worker.onmessage = ({ data }: MessageEvent<WorkerWord>) => {
      if (data === "ready") resolve();
      else if (data === "ended") {
        worker.terminate(); // it sleeps nowhere now
        end();
      } else refuse(data.failure);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      refuse(event.message);
    };
  });
  started.catch(() => {}); // whoever asks is told
  worker.postMessage(order);
  return { started, ended };
}
