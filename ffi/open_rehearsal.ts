import { MemoryStorage } from "../backends/memory/store.ts";
import type { Kernel } from "../core/crypto/kernel.ts";
import { vaultKeys } from "../core/crypto/vault_keys.ts";
import { ID_BYTES } from "../core/format/key_slot.ts";
import { openFileSystem } from "../core/fs/posix_file_system.ts";
import { KEY_BYTES, MIB, SEGMENT_BYTES } from "../core/limits.ts";
import { systemRuntime } from "../core/runtime.ts";
import { createVolume } from "../core/volume/open_volume.ts";
import { Rehearsal } from "./libfuse3/rehearsal.ts";

/** Kernel memory that a rehearsal takes; most of it is never touched. */
export const REHEARSAL_KERNEL_BYTES = 40 * MIB;
const SEGMENTS = 8;
const SHAPE = {
  members: [{ number: 0, segments: SEGMENTS, segmentsMax: SEGMENTS }],
  blockBytes: 16384,
  dense: false,
};
const BLOCK_MEMORY_BYTES = 4 * MIB;

/** A rehearsal on a volume in memory. Nothing there is secret: its keys are zeros. */
export async function openRehearsal(kernel: Kernel): Promise<Rehearsal> {
  const medium = new MemoryStorage({});
  await medium.truncate(SEGMENTS * SEGMENT_BYTES);
  const keys = vaultKeys({
    vaultId: new Uint8Array(ID_BYTES),
    layoutKey: new Uint8Array(KEY_BYTES),
    epochs: [{ epoch: 1, masterKey: new Uint8Array(KEY_BYTES) }],
    featureBits: 0,
  });
  const { volume } = createVolume({ medium, kernel, runtime: systemRuntime, keys }, SHAPE);
  const fileSystem = openFileSystem(volume, { blockMemoryBytes: BLOCK_MEMORY_BYTES });
  return new Rehearsal(fileSystem, kernel);
}
