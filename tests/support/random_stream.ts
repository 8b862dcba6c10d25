/** A small seeded generator (splitmix32) for tests: the same seed gives the same choices. */
export class RandomStream {
  #state: number;

  /** Starts the stream of `seed`. */
  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** 32 random bits. */
  bits(): number {
    this.#state = (this.#state + 0x9e3779b9) >>> 0;
    let z = this.#state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  }

  /** An integer in [0, limit). */
  below(limit: number): number {
    return Math.floor(this.bits() / 4294967296 * limit);
  }

  /** True with the given probability. */
  chance(probability: number): boolean {
    return this.bits() < probability * 4294967296;
  }

  /** Fills `bytes`. */
  fill(bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length; i++) bytes[i] = this.bits();
  }
}
