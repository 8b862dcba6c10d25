import type { Kernel, KernelMemory } from "../crypto/kernel.ts";
import { VaultError } from "../errors.ts";

/** What leases share: pieces that were given back, to be given again. */
export class LeasedMemory {
  readonly #kernel: Kernel;
  readonly #bytesMax: number;
  #reserved = 0;
  readonly #free = new Map<number, number[]>();

  /** At most `bytesMax` bytes of the kernel are taken, once they are needed. */
  constructor(kernel: Kernel, bytesMax: number) {
    this.#kernel = kernel;
    this.#bytesMax = bytesMax;
  }

  /** Begins a lease, which takes nothing yet. */
  lease(): MemoryLease {
    return new MemoryLease(this.#kernel, {
      take: (size) => this.#take(size),
      give: (size, address) => this.#give(size, address),
    });
  }

  #take(size: number): number {
    const known = this.#free.get(size)?.pop();
    if (known !== undefined) return known;
    if (this.#reserved + size > this.#bytesMax) {
      throw new VaultError(
        "unavailable",
        "Cannot open one more volume or snapshot: too many are open; close one",
      );
    }
    this.#reserved += size;
    return this.#kernel.reserve(size);
  }

  /** Wiped, as reserved memory is promised to be, and because it held clear text. */
  #give(size: number, address: number): void {
    this.#kernel.wipe(address, size);
    const pieces = this.#free.get(size);
    if (pieces === undefined) this.#free.set(size, [address]);
    else pieces.push(address);
  }
}

interface Pieces {
  take(size: number): number;
  give(size: number, address: number): void;
}

/** Kernel memory that is given back: reserved memory never is, and volumes and snapshots come and go. */
export class MemoryLease implements KernelMemory {
  readonly bytes: Uint8Array<SharedArrayBuffer>;
  readonly #pieces: Pieces;
  #taken: { readonly size: number; readonly address: number }[] = [];

  constructor({ bytes }: KernelMemory, pieces: Pieces) {
    this.bytes = bytes;
    this.#pieces = pieces;
  }

  /** As of a kernel; `unavailable` where too much is leased. */
  reserve(size: number): number {
    const address = this.#pieces.take(size);
    this.#taken.push({ size, address });
    return address;
  }

  /** Gives everything back: nobody uses it any more. */
  release(): void {
    for (const { size, address } of this.#taken) this.#pieces.give(size, address);
    this.#taken = [];
  }
}
