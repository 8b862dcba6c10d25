import { InlineLane, type Lane } from "../core/block/lane.ts";
import type { StorageBackend } from "../core/storage/storage_backend.ts";
import { VaultError } from "../core/errors.ts";
import type { WasmKernel } from "../wasm/kernel.ts";

/** A lane with what the serving loop needs around it. */
export interface OpenLane {
  readonly lane: Lane;
  /** Takes one queued job when the thread has nothing else to do; true when there was one. */
  help(): boolean;
  close(): Promise<void>;
}

/** Makes the lane that was asked for. */
export function openLane(
  kernel: WasmKernel,
  medium: StorageBackend,
  _options: { cryptoLane: "wasm" | "native"; workers: number },
): Promise<OpenLane> {
  if (medium.direct === undefined) {
    throw new VaultError("invalid", `Cannot mount "${medium.name}": it has no direct access`);
  }
  const lane = new InlineLane(kernel, medium.direct);
  return Promise.resolve({ lane, help: () => false, close: () => Promise.resolve() });
}
