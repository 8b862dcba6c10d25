import { assert } from "../assert.ts";
import { wipe } from "../bytes.ts";
import type { Kernel } from "../crypto/kernel.ts";
import { KEY_BYTES, SLOT_BYTES } from "../limits.ts";
import type { Runtime } from "../runtime.ts";

/** Bytes that cannot be told from sealed cells: the key stream of seeds that are forgotten. */
export class NoiseSource {
  private readonly kernel: Kernel;
  private readonly runtime: Runtime;
  private readonly seed = new Uint8Array(KEY_BYTES);
  /** Of a slot; reserved with the first use. */
  private memory: { readonly noise: number; readonly seed: number } | null = null;

  constructor(kernel: Kernel, runtime: Runtime) {
    this.kernel = kernel;
    this.runtime = runtime;
  }

  /** A view of so many bytes, a slot at most, that is valid until the next call. */
  take(length: number): Uint8Array {
    assert(length <= SLOT_BYTES, "noise is taken by the slot");
    const { kernel, seed } = this;
    const at = this.memory ??= {
      noise: kernel.reserve(SLOT_BYTES),
      seed: kernel.reserve(KEY_BYTES),
    };
    this.runtime.random(seed);
    kernel.bytes.set(seed, at.seed);
    kernel.fillRandom(at.noise, length, at.seed);
    return kernel.bytes.subarray(at.noise, at.noise + length);
  }

  /** Forgets the seed of what was taken last. */
  wipe(): void {
    wipe(this.seed);
    if (this.memory !== null) this.kernel.wipe(this.memory.seed, KEY_BYTES);
  }
}
