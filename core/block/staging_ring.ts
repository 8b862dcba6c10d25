import { assert } from "../assert.ts";

/** Kernel memory given out in order and taken back in order: it is busy until what was written from it has settled. */
export class StagingRing {
  private readonly base: number;
  readonly size: number;
  /** Bytes given out since the start, gaps at the ring's end included. */
  private given = 0;

  /** A ring of `size` bytes at `base`. */
  constructor(base: number, size: number) {
    this.base = base;
    this.size = size;
  }

  /** Where an area of `bytes` would begin, counted from the start of all that was given: areas do not wrap. */
  private next(bytes: number): number {
    const at = this.given % this.size;
    return at + bytes <= this.size ? this.given : this.given - at + this.size;
  }

  /** True where `bytes` more fit while everything from mark `oldest` on is busy. */
  fits(bytes: number, oldest: number): boolean {
    return this.next(bytes) + bytes - oldest <= this.size;
  }

  /** Takes `bytes`: where they are, and the mark from which they are busy. */
  take(bytes: number): { readonly address: number; readonly mark: number } {
    assert(bytes <= this.size, "an area fits the ring");
    const mark = this.next(bytes);
    this.given = mark + bytes;
    return { address: this.base + mark % this.size, mark };
  }
}
