import { PLACE_BYTES, writePlace } from "../../core/format/place.ts";

/** A place on a further member, as it is stored. */
export function placeBytes(): Uint8Array {
  const bytes = new Uint8Array(PLACE_BYTES);
  const seal = { nonce: new Uint8Array(24).fill(3), tag: new Uint8Array(16).fill(4) };
  writePlace(bytes, 0, { cell: 3 * 2 ** 34 + 99, ...seal });
  return bytes;
}

/** As long as a place at least: whoever reads one has checked that it is there. */
export function padded(bytes: Uint8Array): Uint8Array {
  const whole = new Uint8Array(Math.max(bytes.length, PLACE_BYTES));
  whole.set(bytes);
  return whole;
}
