import type { OpenedRoot } from "../block/root_store.ts";
import { compare } from "../bytes.ts";
import type { RootPoint } from "../format/root_memory.ts";
import type { Catalog } from "../tree/catalog.ts";

/**
 * What a root is to one that was seen before: the same; one that came from it; an older one; one of another history, in which
 * the other root does not occur; or so much later that the catalog does not know any more.
 */
export type Relation = "same" | "newer" | "older" | "forked" | "unknown";

/**
 * Compares a root that was found with one that was seen, at any distance. The catalog names, for every session, the root
 * that it went on from, by its hash; a root in the middle of a session is named by its session's id, which is random,
 * and its sequence, which a session gives once. Whoever holds the keys can forge both.
 */
export function relationOf(
  seen: RootPoint,
  found: Pick<OpenedRoot, "record" | "hash">,
  catalog: Catalog,
): Relation {
  const { record: { sequence, parentHash }, hash } = found;
  if (seen.sequence > sequence) return "older";
  if (seen.sequence === sequence) return equal(seen.hash, hash) ? "same" : "forked";
  const next = catalog.sessionFrom(seen.sequence + 1);
  if (next?.base === seen.sequence) return equal(seen.hash, next.baseHash) ? "newer" : "forked";
  // Somebody went on from an older root, because this one could not be read.
  if (next !== null && next.base < seen.sequence) return "forked";
  if (seen.sequence === sequence - 1 && !equal(seen.hash, parentHash)) return "forked";
  const writer = catalog.sessionAt(seen.sequence);
  if (writer === null) return next !== null && next.number > 1 ? "unknown" : "forked";
  return equal(seen.session, writer.id) ? "newer" : "forked";
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return compare(a, b) === 0;
}
