import type { FileSystemOptions } from "../../core/fs/parts.ts";
import { MemoryStorage } from "../../backends/memory/store.ts";
import { vaultKeys } from "../../core/crypto/vault_keys.ts";
import { openFileSystem, type PosixFileSystem } from "../../core/fs/posix_file_system.ts";
import { MIB } from "../../core/limits.ts";
import { createVolume, openVolume, type VolumeOptions } from "../../core/volume/open_volume.ts";
import type { Volume } from "../../core/volume/volume.ts";
import type { VolumeProperties } from "../../core/volume/volume_properties.ts";
import { MAIN_VOLUME } from "../../core/volume/volumes.ts";
import { createKernel } from "../../wasm/kernel.ts";
import { FakeRuntime } from "./fake_runtime.ts";

const KERNEL_BYTES = 48 * MIB;
const SEGMENT_BYTES = 4 * MIB;
const SHAPE = { members: [{ number: 0, segments: 16, segmentsMax: 16 }], blockBytes: 16384 };

/** A filesystem on a sealed volume on a medium in memory. */
export interface RealVolume {
  readonly medium: MemoryStorage;
  readonly volume: Volume;
  readonly fs: PosixFileSystem;
  readonly runtime: FakeRuntime;
}

/** Makes a volume on a fresh medium. */
export async function createRealVolume(
  options: FileSystemOptions = {},
  properties: VolumeProperties = {},
): Promise<RealVolume> {
  const medium = new MemoryStorage({});
  await medium.truncate(SHAPE.members[0].segments * SEGMENT_BYTES);
  const runtime = new FakeRuntime();
  const { volume, volumes } = createVolume(optionsFor(medium, runtime), SHAPE);
  volumes.setProperties(MAIN_VOLUME, properties);
  return { medium, volume, runtime, fs: openFileSystem(volume, small(options)) };
}

/** Opens what a medium holds. */
export function reopenRealVolume(
  medium: MemoryStorage,
  options: FileSystemOptions = {},
): RealVolume {
  const runtime = new FakeRuntime(2);
  const { volume } = openVolume(optionsFor(medium, runtime), "write");
  return { medium, volume, runtime, fs: openFileSystem(volume, small(options)) };
}

function small(options: FileSystemOptions): FileSystemOptions {
  return { blockMemoryBytes: MIB, ...options };
}

function optionsFor(medium: MemoryStorage, runtime: FakeRuntime): VolumeOptions {
  const keys = vaultKeys({
    vaultId: new Uint8Array(16).fill(7),
    layoutKey: new Uint8Array(32).fill(8),
    epochs: [{ epoch: 1, masterKey: new Uint8Array(32).fill(9) }],
    featureBits: 0,
  });
  return { medium, kernel: createKernel({ memoryBytes: KERNEL_BYTES }), runtime, keys };
}
