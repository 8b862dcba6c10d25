import { assert } from "../assert.ts";
import { wipe } from "../bytes.ts";
import { KEY_BYTES } from "../limits.ts";
import { type MasterLabel, subkey } from "./hkdf.ts";
import type { Kernel } from "./kernel.ts";

/** Epochs that can be open at once: the current one and those that a rotation has not finished yet. */
export const EPOCHS_MAX = 32;

const LABELS = ["block", "node", "log", "root", "superblock"] as const satisfies MasterLabel[];
const EPOCH_BYTES = LABELS.length * KEY_BYTES;
const RING_BYTES = 8192; // EPOCHS_MAX * EPOCH_BYTES, in whole pages

/**
 * The key state of an open vault: the subkeys of its epochs, in pages of kernel memory set aside for
 * them. Functions give addresses, so that a key is read where it lies and never copied.
 */
export class KeyRing {
  readonly #kernel: Kernel;
  readonly #base: number;
  readonly #places = new Map<number, number>();

  /** Sets the memory aside. */
  constructor(kernel: Kernel) {
    assert(EPOCHS_MAX * EPOCH_BYTES <= RING_BYTES, "the subkeys fit their pages");
    this.#kernel = kernel;
    this.#base = kernel.reserve(RING_BYTES);
  }

  /** Derives and keeps the subkeys of an epoch. Does not keep `masterKey`. */
  addEpoch(epoch: number, masterKey: Uint8Array): void {
    assert(!this.#places.has(epoch), "an epoch is added once");
    const taken = new Set(this.#places.values());
    let place = 0;
    while (taken.has(place)) place++;
    assert(place < EPOCHS_MAX, "at most 32 epochs are open");
    for (let i = 0; i < LABELS.length; i++) {
      const key = subkey(masterKey, LABELS[i]);
      this.#kernel.bytes.set(key, this.#base + place * EPOCH_BYTES + i * KEY_BYTES);
      wipe(key);
    }
    this.#places.set(epoch, place);
  }

  /** Forgets an epoch whose rotation is done. */
  dropEpoch(epoch: number): void {
    const place = this.#places.get(epoch);
    assert(place !== undefined, "a dropped epoch was added");
    this.#kernel.wipe(this.#base + place * EPOCH_BYTES, EPOCH_BYTES);
    this.#places.delete(epoch);
  }

  /** The epochs whose keys are here. */
  epochs(): number[] {
    return [...this.#places.keys()];
  }

  /** True where the epoch's keys are here: an epoch read from a medium is asked about first. */
  has(epoch: number): boolean {
    return this.#places.has(epoch);
  }

  /** Address of the key that seals data blocks. */
  blockKey(epoch: number): number {
    return this.#address(epoch, 0);
  }

  /** Address of the key that seals map and tree nodes. */
  nodeKey(epoch: number): number {
    return this.#address(epoch, 1);
  }

  /** Address of the key that seals intent log envelopes. */
  logKey(epoch: number): number {
    return this.#address(epoch, 2);
  }

  /** Address of the key that seals root records. */
  rootKey(epoch: number): number {
    return this.#address(epoch, 3);
  }

  /** Address of the key that seals superblocks. */
  superblockKey(epoch: number): number {
    return this.#address(epoch, 4);
  }

  /** Overwrites all keys. */
  wipe(): void {
    this.#kernel.wipe(this.#base, RING_BYTES);
    this.#places.clear();
  }

  #address(epoch: number, label: number): number {
    const place = this.#places.get(epoch);
    assert(place !== undefined, "a used epoch was added");
    return this.#base + place * EPOCH_BYTES + label * KEY_BYTES;
  }
}
