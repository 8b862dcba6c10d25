import { VaultError } from "../errors.ts";
import { comparePaths } from "./object_path.ts";
import { LIST_LIMIT_MAX, type ListOptions, type ListPage } from "./object_store.ts";

const SEPARATOR = "/";

/** A page of paths. */
export type PathPage = Omit<ListPage, "objects"> & { readonly objects: readonly string[] };

/** Checks what was asked for; returns the limit. */
export function listLimit(
  { limit = LIST_LIMIT_MAX, prefix = "" }: ListOptions,
  provider: string,
): number {
  if (typeof prefix !== "string") {
    throw new VaultError("invalid", "Cannot list by a prefix that is no text", { provider });
  }
  if (Number.isInteger(limit) && limit >= 1 && limit <= LIST_LIMIT_MAX) return limit;
  throw new VaultError("invalid", `Cannot list ${limit} objects: want 1 to ${LIST_LIMIT_MAX}`, {
    provider,
  });
}

/**
 * The page that `options` asks for, from all paths in ascending order; one that ends with the delimiter stands for all that
 * begin with it. The page's cursor is the last path or prefix that it tells.
 */
export async function pageOf(
  paths: Iterable<string> | AsyncIterable<string>,
  options: ListOptions,
  provider: string,
): Promise<PathPage> {
  const { prefix = "", delimited = false } = options;
  const limit = listLimit(options, provider);
  const after = cursorPath(options, provider);
  const objects: string[] = [];
  const prefixes: string[] = [];
  let last: string | null = null;
  for await (const path of paths) {
    if (!path.startsWith(prefix)) continue;
    const told = delimited ? toldAs(path, prefix.length) : path;
    if (told === last || (after !== null && comparePaths(told, after) <= 0)) continue;
    if (objects.length + prefixes.length === limit) {
      return { objects, prefixes, cursor: encodeCursor(last!) };
    }
    last = told;
    (told.endsWith(SEPARATOR) ? prefixes : objects).push(told);
  }
  return { objects, prefixes, cursor: null };
}

/** The path or prefix behind which a page begins; null where it is the first. */
export function cursorPath({ cursor }: ListOptions, provider: string): string | null {
  return cursor === undefined ? null : decodeCursor(cursor, provider);
}

function toldAs(path: string, start: number): string {
  const end = path.indexOf(SEPARATOR, start);
  return end < 0 ? path : path.slice(0, end + 1);
}

/** A cursor is opaque to its user: base64 of the last path told, so that it passes through URLs. */
export function encodeCursor(last: string): string {
  return new TextEncoder().encode(last).toBase64({ alphabet: "base64url" });
}

/** Reads what {@linkcode encodeCursor} wrote. */
export function decodeCursor(cursor: string, provider: string): string {
  try {
    const bytes = Uint8Array.fromBase64(cursor, { alphabet: "base64url" });
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new VaultError("invalid", "Cannot list: this is no cursor of an earlier page", {
      provider,
      cause,
    });
  }
}
