import { compare, wipe } from "../bytes.ts";

/**
 * What was decoded, if it is written in just these bytes; else throws what `bad` makes. Bytes that FORMAT.md calls zero, and a second
 * form of the same value, are a later layout or a mistake.
 */
export function exactly<T>(
  decoded: T,
  bytes: Uint8Array,
  encode: (value: T) => Uint8Array,
  bad: () => Error,
): T {
  const again = encode(decoded);
  const isSame = compare(again, bytes) === 0;
  wipe(again); // keys may be in it
  if (isSame) return decoded;
  throw bad();
}
