/** Marks a bug of our own. Never caught, never used for bad input. */
export class AssertionError extends Error {
  override name = "AssertionError";
}

/** Throws {@linkcode AssertionError} unless `condition` holds; `claim` says what should have been true. */
export function assert(condition: unknown, claim: string): asserts condition {
  if (!condition) throw new AssertionError(`Broken invariant: ${claim}`);
}
