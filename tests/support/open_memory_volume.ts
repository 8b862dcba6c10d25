import type { FileSystemOptions } from "../../core/fs/parts.ts";
import type { Caller, ReadSpans } from "../../core/fs/file_system.ts";
import { openFileSystem, type PosixFileSystem } from "../../core/fs/posix_file_system.ts";
import { createKernel } from "../../wasm/kernel.ts";
import { FakeRuntime } from "./fake_runtime.ts";
import {
  type MemoryVolumeOptions,
  MemoryVolumeStore,
  type VolumeImage,
} from "./memory_volume_store.ts";

/** Kernel memory for a filesystem with a small pool and a few requests. */
const MEMORY_BYTES = 8 * 1024 * 1024;
/** 16 buffers of 4 KiB: small enough that tests fill it all the time. */
const POOL_BYTES = 64 * 1024;

/** A filesystem on a volume in memory. */
export interface MemoryVolume {
  readonly store: MemoryVolumeStore;
  readonly fs: PosixFileSystem;
  readonly runtime: FakeRuntime;
}

/** What {@linkcode openMemoryVolume} can be told. */
export interface OpenOptions {
  readonly volume?: Partial<MemoryVolumeOptions>;
  readonly fileSystem?: FileSystemOptions;
  readonly image?: VolumeImage;
  readonly readOnly?: boolean;
}

/** Opens a volume in memory, empty or from an image, with blocks of 4 KiB unless said otherwise. */
export function openMemoryVolume(options: OpenOptions = {}): MemoryVolume {
  const runtime = new FakeRuntime();
  const kernel = options.volume?.kernel ?? createKernel({ memoryBytes: MEMORY_BYTES });
  const volume = { kernel, runtime, blockBytes: 4096, ...options.volume };
  const store = new MemoryVolumeStore(volume, options.image);
  store.readOnly = options.readOnly ?? false;
  const fs = openFileSystem(store, { blockMemoryBytes: POOL_BYTES, ...options.fileSystem });
  return { store, fs, runtime };
}

/** The superuser with the usual umask. */
export const ROOT: Caller = { uid: 0, gid: 0, pid: 1, umask: 0o022 };

/** Spans to be filled. */
export function emptySpans(): ReadSpans {
  return { total: 0, count: 0, addresses: [], lengths: [] };
}

/** The bytes of a name. */
export function named(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export { emptyAttributes } from "../../core/fs/file_system.ts";
