import { type LayoutLabel, subkey } from "../crypto/hkdf.ts";
import type { Kernel } from "../crypto/kernel.ts";
import { SEGMENT_SLOTS } from "../limits.ts";
import { wipe } from "../bytes.ts";

/** Bytes of a permutation key. */
const PERMUTE_KEY_BYTES = 16;

/** The key of the order in which a vault takes its segments. The caller wipes it. */
export function segmentOrderKey(layoutKey: Uint8Array): Uint8Array<ArrayBuffer> {
  return permutationKey(layoutKey, "segment-order");
}

function permutationKey(layoutKey: Uint8Array, label: LayoutLabel): Uint8Array<ArrayBuffer> {
  const key = subkey(layoutKey, label);
  const half = key.slice(0, PERMUTE_KEY_BYTES);
  wipe(key);
  return half;
}

/** In which order segments are taken, and slots inside a segment. */
export interface TakingOrder {
  /** The segment at `position` of the order over `segments` segments. */
  segmentAt(position: number, segments: number): number;
  /** The position of a segment in the order over `segments` segments. */
  positionOf(segment: number, segments: number): number;
  /** The slots of a segment in the order in which they are taken. */
  slots(segment: number): Uint8Array<ArrayBuffer>;
  /** Overwrites keys. */
  wipe(): void;
}

/**
 * The order on write-once media, where no place can be seen: cells that follow one another go into one object, and the
 * medium's index of them stays short.
 */
export const ASCENDING_ORDER: TakingOrder = {
  segmentAt: (position) => position,
  positionOf: (segment) => segment,
  slots: () => Uint8Array.from({ length: SEGMENT_SLOTS }, (_, slot) => slot),
  wipe: () => {},
};

/**
 * The dimensional scatter's two orders, both keyed by the layout key: in which order segments are taken, and in which
 * order the slots inside a segment.
 */
export class SegmentOrder implements TakingOrder {
  private readonly kernel: Kernel;
  private readonly segmentKey: number;
  private readonly slotKey: number;
  private readonly slotSeed: Uint8Array<ArrayBuffer>;

  constructor(kernel: Kernel, layoutKey: Uint8Array) {
    this.kernel = kernel;
    this.segmentKey = kernel.reserve(PERMUTE_KEY_BYTES);
    this.slotKey = kernel.reserve(PERMUTE_KEY_BYTES);
    const segmentKey = segmentOrderKey(layoutKey);
    kernel.bytes.set(segmentKey, this.segmentKey);
    wipe(segmentKey);
    this.slotSeed = permutationKey(layoutKey, "slot-shuffle");
  }

  /** The segment at `position` of the order over `segments` segments. */
  segmentAt(position: number, segments: number): number {
    return this.kernel.permute(position, segments, this.segmentKey);
  }

  /** The position of a segment in the order over `segments` segments. */
  positionOf(segment: number, segments: number): number {
    return this.kernel.unpermute(segment, segments, this.segmentKey);
  }

  /** The slots of a segment in the order in which they are taken. */
  slots(segment: number): Uint8Array<ArrayBuffer> {
    const key = this.slotSeed.slice();
    for (let i = 0, rest = segment; i < 6; i++, rest = Math.floor(rest / 256)) key[i] ^= rest & 255;
    this.kernel.bytes.set(key, this.slotKey);
    wipe(key);
    const order = new Uint8Array(SEGMENT_SLOTS);
    for (let i = 0; i < SEGMENT_SLOTS; i++) {
      order[i] = this.kernel.permute(i, SEGMENT_SLOTS, this.slotKey);
    }
    return order;
  }

  /** Overwrites the keys. */
  wipe(): void {
    this.kernel.wipe(this.segmentKey, PERMUTE_KEY_BYTES);
    this.kernel.wipe(this.slotKey, PERMUTE_KEY_BYTES);
    wipe(this.slotSeed);
  }
}
