/**
 * Where a hidden vault lies: part of the payload of its key slots. FORMAT.md, section "Hidden vaults".
 *
 * @module
 */
import { assert } from "../assert.ts";
import { getU64, isHole, setU64, viewOf } from "../bytes.ts";
import { VaultError } from "../errors.ts";

/** Bytes of an order key: that of a keyed permutation. */
export const ORDER_KEY_BYTES = 16;
/** Bytes of an encoded place. */
export const HIDDEN_PLACE_BYTES: number = ORDER_KEY_BYTES + 16;
/** A medium has no more segments than this (4 PiB): it bounds the memory that a place asks for. */
const SEGMENTS_MAX = 2 ** 30;
/** A hidden vault has no more segments than this (64 TiB). */
const HIDDEN_SEGMENTS_MAX = 2 ** 24;

/** The segments at the far end of the outer vault's keyed order: positions `first` to `segments - 1`. */
export interface HiddenPlace {
  /** Key of the order in which the outer vault takes its segments. */
  readonly orderKey: Uint8Array;
  /** Segments of the medium when the hidden vault was made. */
  readonly segments: number;
  /** First position that belongs to the hidden vault. */
  readonly first: number;
}

/** Writes a place, or 32 zeros where there is none. The caller wipes it. */
export function encodeHiddenPlace(place: HiddenPlace | undefined): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(HIDDEN_PLACE_BYTES);
  if (place === undefined) return bytes;
  assert(place.orderKey.length === ORDER_KEY_BYTES, "an order key has 16 bytes");
  assert(isPlace(place), "a hidden vault lies inside the order");
  bytes.set(place.orderKey);
  setU64(viewOf(bytes), 16, place.segments);
  setU64(viewOf(bytes), 24, place.first);
  return bytes;
}

/** Reads a place; undefined where there is none. Throws `corrupt` where it makes no sense. */
export function decodeHiddenPlace(bytes: Uint8Array): HiddenPlace | undefined {
  if (bytes.length !== HIDDEN_PLACE_BYTES) throw misplaced();
  if (isHole(bytes)) return undefined;
  const segments = getU64(viewOf(bytes), 16);
  const first = getU64(viewOf(bytes), 24);
  const place = { orderKey: bytes.slice(0, ORDER_KEY_BYTES), segments, first };
  if (isPlace(place)) return place;
  throw misplaced();
}

function misplaced(): VaultError {
  return new VaultError(
    "corrupt",
    "Cannot read the place of the hidden vault: it lies outside of the medium",
    { operation: "read header" },
  );
}

function isPlace({ segments, first }: HiddenPlace): boolean {
  return segments <= SEGMENTS_MAX && first >= 0 && first < segments &&
    segments - first <= HIDDEN_SEGMENTS_MAX;
}
