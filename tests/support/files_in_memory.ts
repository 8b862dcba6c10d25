import { createKernel } from "../../wasm/kernel.ts";
import { FileActions } from "./file_actions.ts";
import { type MemoryVolume, openMemoryVolume, type OpenOptions } from "./open_memory_volume.ts";

const KERNEL_BYTES = 16 * 1024 * 1024;

/** A filesystem in memory, and what is done with its files. */
export function openFiles(options: OpenOptions = {}): MemoryVolume & { files: FileActions } {
  const kernel = createKernel({ memoryBytes: KERNEL_BYTES });
  const volume = openMemoryVolume({ ...options, volume: { kernel, ...options.volume } });
  return { ...volume, files: new FileActions(volume.fs, kernel) };
}
