/**
 * A rehearsal on a volume in memory, for the serving thread to play while it waits.
 *
 * @module
 */
import { AssertionError } from "../core/assert.ts";
import { createKernel } from "../wasm/kernel.ts";
import { MemoryStorage } from "../backends/memory/store.ts";
import { vaultKeys } from "../core/crypto/vault_keys.ts";
import { ID_BYTES } from "../core/format/key_slot.ts";
import { openFileSystem } from "../core/fs/posix_file_system.ts";
import { KEY_BYTES, MIB, SEGMENT_BYTES } from "../core/limits.ts";
import { systemRuntime } from "../core/runtime.ts";
import { createVolume } from "../core/volume/open_volume.ts";
import { turn } from "./libfuse3/loop.ts";
import { Rehearsal } from "./libfuse3/rehearsal.ts";

/** Kernel memory that it takes; most of it is never touched. */
const KERNEL_BYTES = 40 * MIB;
const SEGMENTS = 8;
const SHAPE = {
  members: [{ number: 0, segments: SEGMENTS, segmentsMax: SEGMENTS }],
  blockBytes: 16384,
  dense: false,
};
const BLOCK_MEMORY_BYTES = 4 * MIB;

/**
 * Makes this thread's code fast; see `libfuse3/rehearsal.ts`. One that fails (memory is short, say) is none: a vault may be opened or
 * made meanwhile, and must not be left open. A broken invariant is thrown.
 */
export class Practice {
  #rehearsal: Rehearsal | null = null;
  #isBegun = false;
  #isQuiet = false;
  #served = -1;

  /** Plays until `end`: whoever waits for the key needs a processor less. What was not reached then is left: an idle mount is idle. */
  async until(end: Promise<unknown>): Promise<void> {
    let isEnded = false;
    void end.then(() => isEnded = true);
    await this.#begin();
    while (!isEnded && this.#step()) await turn();
    this.#end();
  }

  /** Looks, at least once a second, whether there were requests since the last time. */
  async tick(served: number): Promise<void> {
    this.#isQuiet = served === this.#served;
    this.#served = served;
    if (this.#isQuiet) await this.#begin();
  }

  /** Plays the next file or two in a quiet second: less than a millisecond, but for the first ones. False where nothing was played. */
  idle(served: number): boolean {
    return this.#isQuiet && served === this.#served && this.#step();
  }

  async #begin(): Promise<void> {
    if (this.#isBegun) return;
    this.#isBegun = true;
    try {
      this.#rehearsal = await openRehearsal();
    } catch (error) {
      if (error instanceof AssertionError) throw error;
    }
  }

  #step(): boolean {
    if (this.#rehearsal === null) return false;
    try {
      if (this.#rehearsal.step()) return true;
    } catch (error) {
      if (error instanceof AssertionError) throw error;
    }
    this.#end();
    return false;
  }

  #end(): void {
    this.#rehearsal?.close();
    this.#rehearsal = null;
  }
}

/** Nothing there is secret: its keys are zeros. */
export async function openRehearsal(): Promise<Rehearsal> {
  const kernel = createKernel({ memoryBytes: KERNEL_BYTES });
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
