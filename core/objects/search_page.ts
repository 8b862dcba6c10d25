import { VaultError } from "../errors.ts";
import { decodeCursor, encodeCursor, listLimit } from "../storage/object_page.ts";
import type { CataloguedFile, FilePlace, SearchPage, SearchQuery } from "./catalogue.ts";

/** Throws `invalid` where a search is for what no file can have. */
export function checkSearch(query: SearchQuery): void {
  const { size, modified, tags = {}, metadata = {}, prefix, contentType, provider } = query;
  const numbers = [size?.min, size?.max, modified?.min?.getTime(), modified?.max?.getTime()];
  if (numbers.some((it) => it !== undefined && Number.isNaN(it))) {
    refuse("sizes and times must be numbers");
  }
  const labels = [tags, metadata].flatMap((it) => Object.entries(it).flat());
  for (const text of [prefix, contentType, provider, ...labels]) {
    // Catalogues keep neither; a database may not even be asked about them.
    if (text !== undefined && (!text.isWellFormed() || text.includes("\0"))) {
      refuse(`${JSON.stringify(text)} has a character that no file has`);
    }
  }
}

function refuse(why: string): never {
  throw new VaultError("invalid", `Cannot search: ${why}`);
}

/** How many files a catalogue is to look for: one more than the page has, to know whether there are more. */
export function searchLimit(query: SearchQuery): number {
  return listLimit(query, "") + 1;
}

/** The place behind which a page begins; null where it is the first. */
export function searchedAfter({ cursor }: SearchQuery): FilePlace | null {
  if (cursor === undefined) return null;
  const [path, provider, ...more] = decodeCursor(cursor, "").split("\n");
  if (provider !== undefined && more.length === 0 && !(path + provider).includes("\0")) {
    return { path, provider };
  }
  return refuse("this is no cursor of an earlier page");
}

/** The page of what was found under {@linkcode searchLimit}. */
export function foundPage(query: SearchQuery, found: readonly CataloguedFile[]): SearchPage {
  const files = found.slice(0, searchLimit(query) - 1);
  const last = files.at(-1);
  const isLast = found.length === files.length || last === undefined;
  return { files, cursor: isLast ? null : encodeCursor(placeText(last)) };
}

/** A place in one text: no path has a line break. */
export function placeText({ path, provider }: FilePlace): string {
  return `${path}\n${provider}`;
}

/** The first text behind all that begin with `prefix`, by bytes; null where nothing is. */
export function textBehind(prefix: string): string | null {
  const characters = [...prefix];
  for (let last = characters.pop(); last !== undefined; last = characters.pop()) {
    const next = last.codePointAt(0)! + 1;
    // No character has the number of a surrogate.
    const point = next === 0xd800 ? 0xe000 : next;
    if (point <= 0x10ffff) return characters.join("") + String.fromCodePoint(point);
  }
  return null;
}
