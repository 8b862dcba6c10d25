import { DeviceMemory, type DeviceMemoryParts } from "./device_memory.ts";
import { openVolume } from "./open_volume.ts";

/**
 * A medium was put back on purpose, by a verb that knows it: what is on it is the newest that this device has seen. Says
 * why that could not be kept, or null.
 */
export async function rememberRestored(
  parts: Omit<DeviceMemoryParts, "acceptRollback">,
): Promise<string | null> {
  if (parts.keys.hidden !== undefined) return null;
  const { media: [medium, ...members], kernel, runtime, keys } = parts;
  const memory = await DeviceMemory.recall({ ...parts, acceptRollback: true });
  try {
    openVolume({ medium, members, kernel, runtime, keys, memory }, "read").wipe();
    await memory.keepFound();
    return memory.warning;
  } finally {
    memory.wipe();
  }
}
