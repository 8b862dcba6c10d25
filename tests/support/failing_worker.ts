/**
 * A crypto worker that fails: its URL says `?after=N&how=throw` (it breaks off with its Nth job), or `how=break` (it says that
 * the job met a bug).
 */
import { JobRing } from "../../wasm/job_ring.ts";
import { BROKEN, JobRunner } from "../../wasm/job_runner.ts";
import { attachKernel } from "../../wasm/kernel.ts";
import type { WorkerOrder } from "../../wasm/worker.ts";

const query = new URL(import.meta.url).searchParams;
const after = Number(query.get("after"));
const how = query.get("how");

self.onmessage = ({ data: { seat, setting, ring: address } }: MessageEvent<WorkerOrder>) => {
  const kernel = attachKernel(seat.module, seat.memory, seat.thread);
  const runner = new JobRunner(kernel, setting);
  const ring = new JobRing(kernel.words, address, seat.thread);
  self.postMessage("ready");
  let jobs = 0;
  for (let number = ring.takeOrSleep(); number >= 0; number = ring.takeOrSleep()) {
    const isLast = ++jobs === after;
    if (isLast && how === "throw") return self.postMessage({ failure: "tests end this worker" });
    ring.finish(number, isLast ? BROKEN : runner.runSafely(ring.read(number)));
  }
  self.postMessage("ended");
  self.close();
};
