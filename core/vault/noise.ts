import { wipe } from "../bytes.ts";
import type { Kernel } from "../crypto/kernel.ts";
import { VaultError } from "../errors.ts";
import { KEY_BYTES, MIB } from "../limits.ts";
import { Pace } from "./pace.ts";
import type { VaultParts } from "./vault.ts";

const CHUNK_BYTES = MIB;

/** Kernel memory that filling takes. It is never given back, so a vault that may be made larger many times keeps it. */
export interface NoiseScratch {
  readonly buffer: number;
  readonly seedAt: number;
}

/** Takes it. */
export function noiseScratch(kernel: Kernel): NoiseScratch {
  return { buffer: kernel.reserve(CHUNK_BYTES), seedAt: kernel.reserve(KEY_BYTES) };
}

/**
 * Fills the medium from `range.from` to `range.to` (bytes) with what cannot be told from sealed cells: the key stream of a
 * seed that is forgotten.
 */
export async function fillWithNoise(
  parts: Pick<VaultParts, "medium" | "kernel" | "runtime"> & { readonly scratch?: NoiseScratch },
  range: { readonly from: number; readonly to: number },
  progress?: (doneBytes: number, totalBytes: number) => void,
): Promise<void> {
  const { medium, kernel, runtime } = parts;
  if (!medium.capabilities.overwrite) {
    throw new VaultError(
      "invalid",
      `Cannot fill "${medium.name}" with noise: what is written there is never overwritten; want no dense vault`,
    );
  }
  const { buffer, seedAt } = parts.scratch ?? noiseScratch(kernel);
  const seed = new Uint8Array(KEY_BYTES);
  // A medium that answers at once would let nobody else run, and who wants to stop this would not be heard.
  const pace = new Pace(runtime, Infinity);
  try {
    for (let at = range.from; at < range.to; at += CHUNK_BYTES) {
      const length = Math.min(CHUNK_BYTES, range.to - at);
      runtime.random(seed);
      kernel.bytes.set(seed, seedAt);
      kernel.fillRandom(buffer, length, seedAt);
      await medium.write(at, kernel.bytes.subarray(buffer, buffer + length));
      progress?.(at + length - range.from, range.to - range.from);
      await pace.wait(length);
    }
  } finally {
    kernel.wipe(seedAt, KEY_BYTES);
    wipe(seed);
  }
}
