import { wipe } from "../bytes.ts";
import { KEY_BYTES, MIB } from "../limits.ts";
import type { VaultParts } from "./vault.ts";

const CHUNK_BYTES = MIB;

/** Fills the medium with bytes that cannot be told from sealed cells: the key stream of a seed that is forgotten. */
export async function fillWithNoise(
  parts: Pick<VaultParts, "medium" | "kernel" | "runtime">,
  sizeBytes: number,
  progress?: (doneBytes: number, totalBytes: number) => void,
): Promise<void> {
  const { medium, kernel, runtime } = parts;
  const buffer = kernel.reserve(CHUNK_BYTES);
  const seedAt = kernel.reserve(KEY_BYTES);
  const seed = new Uint8Array(KEY_BYTES);
  for (let at = 0; at < sizeBytes; at += CHUNK_BYTES) {
    const length = Math.min(CHUNK_BYTES, sizeBytes - at);
    runtime.random(seed);
    kernel.bytes.set(seed, seedAt);
    kernel.fillRandom(buffer, length, seedAt);
    await medium.write(at, kernel.bytes.subarray(buffer, buffer + length));
    progress?.(at + length, sizeBytes);
  }
  kernel.wipe(seedAt, KEY_BYTES);
  wipe(seed);
}
