/** A part of a file, or what to say of one that cannot be given. */
export type AskedRange =
  | { readonly kind: "all" }
  | { readonly kind: "part"; readonly offset: number; readonly length: number }
  | { readonly kind: "unsatisfiable" };

const ONE_RANGE = /^bytes=(\d{0,15})-(\d{0,15})$/;

/**
 * Reads a `Range` header (RFC 9110 §14.2) against a file of `size` bytes. Several ranges, and what is not understood, are left
 * out: the whole file answers them.
 */
export function askedRange(header: string | null, size: number): AskedRange {
  const found = header === null ? null : ONE_RANGE.exec(header.trim());
  if (found === null || (found[1] === "" && found[2] === "")) return { kind: "all" };
  const [first, last] = [found[1], found[2]].map((digits) => digits === "" ? null : Number(digits));
  if (first === null) {
    const length = Math.min(last!, size);
    return length === 0
      ? { kind: "unsatisfiable" }
      : { kind: "part", offset: size - length, length };
  }
  if (last !== null && last < first) return { kind: "all" };
  if (first >= size) return { kind: "unsatisfiable" };
  return { kind: "part", offset: first, length: Math.min(last ?? size, size - 1) - first + 1 };
}
