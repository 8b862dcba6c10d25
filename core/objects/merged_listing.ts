import { VaultError } from "../errors.ts";
import { listLimit } from "../storage/object_page.ts";
import { comparePaths } from "../storage/object_path.ts";
import { LIST_LIMIT_MAX, type ListOptions, type ListPage } from "../storage/object_store.ts";
import type { ListedFile } from "./file_info.ts";

/** A page of files of several providers. */
export interface FilePage {
  /** In ascending order of the bytes of their paths. */
  readonly files: readonly ListedFile[];
  /** With the delimiter at their ends, ascending likewise; none but in a delimited listing. */
  readonly prefixes: readonly string[];
  /** Where the next page begins; null: there is none. */
  readonly cursor: string | null;
}

/** What is listed, under a name of its own. */
export interface ListedProvider {
  readonly name: string;
  list(options: ListOptions): Promise<ListPage>;
}

/** An object or prefix on its way into a page. */
interface Told {
  readonly path: string;
  readonly file: ListedFile | null;
}

/** How far a listing is in each store: the cursor of the page it is in; null at its end. */
interface Position {
  readonly after: string;
  readonly cursors: Record<string, string | null>;
}

/** A store whose pages are read as they are needed. */
class Source {
  readonly #named: ListedProvider;
  readonly #options: ListOptions;
  readonly #after: string | null;
  #told: Told[] = [];
  #next: string | null | undefined;
  /** Cursor of the page that the first of `told` is in. */
  #page: string | null | undefined;

  constructor(named: ListedProvider, options: ListOptions, position: Position | null) {
    this.#named = named;
    this.#options = options;
    this.#after = position?.after ?? null;
    this.#next = position === null ? undefined : restored(position.cursors[named.name]);
    this.#page = this.#next;
  }

  get name(): string {
    return this.#named.name;
  }

  /** Where the rest of it begins. */
  get cursor(): string | null {
    return this.#told.length === 0 ? this.#next ?? "" : this.#page ?? "";
  }

  get isOver(): boolean {
    return this.#told.length === 0 && this.#next === null;
  }

  async first(): Promise<Told | null> {
    while (this.#told.length === 0 && this.#next !== null) {
      const { prefix, delimited, signal } = this.#options;
      this.#page = this.#next;
      const page = await this.#named.list({
        prefix,
        delimited,
        signal,
        cursor: this.#next,
        limit: LIST_LIMIT_MAX,
      });
      this.#next = page.cursor;
      this.#told = this.#tellAll(page);
    }
    return this.#told[0] ?? null;
  }

  take(): void {
    this.#told.shift();
  }

  #tellAll({ objects, prefixes }: ListPage): Told[] {
    const { name: provider } = this.#named;
    const told: Told[] = [
      ...objects.map((object) => ({
        path: object.path,
        file: { ...object, provider },
      })),
      ...prefixes.map((path) => ({ path, file: null })),
    ];
    const after = this.#after;
    return told.filter(({ path }) => after === null || comparePaths(path, after) > 0)
      .sort((a, b) => comparePaths(a.path, b.path));
  }
}

/**
 * Lists several providers as one. A path that several have is told once: of the one that `owner` names, where that has it,
 * else of the first.
 */
export async function mergedPage(
  providers: readonly ListedProvider[],
  options: ListOptions,
  owner: (path: string) => string,
): Promise<FilePage> {
  const { cursor } = options;
  const limit = listLimit(options, "");
  const position = cursor === undefined ? null : decodePosition(cursor);
  const isOver = ({ name }: ListedProvider) => position !== null && position.cursors[name] === null;
  if (providers.length === 1 && !isOver(providers[0])) {
    return await onlyPage(providers[0], options, position);
  }
  const sources = providers.filter((named) => !isOver(named))
    .map((named) => new Source(named, options, position));
  const files: ListedFile[] = [];
  const prefixes: string[] = [];
  let last = "";
  while (files.length + prefixes.length < limit) {
    const path = await lowest(sources);
    if (path === null) return { files, prefixes, cursor: null };
    const file = await takeAll(sources, path, owner(path));
    if (file === null) prefixes.push(path);
    else files.push(file);
    last = path;
  }
  // What is not read yet is not looked at: whoever goes on would read it again.
  if (sources.every((source) => source.isOver)) return { files, prefixes, cursor: null };
  const cursors = Object.fromEntries(
    providers.map(({ name }) => {
      const source = sources.find((each) => each.name === name);
      return [name, source === undefined || source.isOver ? null : source.cursor];
    }),
  );
  return { files, prefixes, cursor: encodePosition({ after: last, cursors }) };
}

/** The page of the only provider: nothing is to be merged. */
async function onlyPage(
  { name, list }: ListedProvider,
  { prefix, delimited, signal, limit }: ListOptions,
  position: Position | null,
): Promise<FilePage> {
  // The position may come from a listing of several, which had told a part of the page.
  const isLeft = (path: string) => position === null || comparePaths(path, position.after) > 0;
  let cursor = restored(position?.cursors[name]) ?? undefined;
  while (true) {
    const page = await list({ prefix, delimited, signal, limit, cursor });
    const files = page.objects.filter(({ path }) => isLeft(path))
      .map((object) => ({ ...object, provider: name }));
    const prefixes = page.prefixes.filter(isLeft);
    if (page.cursor === null) return { files, prefixes, cursor: null };
    if (files.length + prefixes.length > 0) {
      const [file = "", last = ""] = [files.at(-1)?.path, prefixes.at(-1)];
      const after = comparePaths(file, last) > 0 ? file : last;
      return {
        files,
        prefixes,
        cursor: encodePosition({ after, cursors: { [name]: page.cursor } }),
      };
    }
    cursor = page.cursor;
  }
}

async function lowest(sources: readonly Source[]): Promise<string | null> {
  const firsts = await Promise.all(sources.map((source) => source.first()));
  return firsts.reduce<string | null>((found, told) => {
    if (told === null) return found;
    return found === null || comparePaths(told.path, found) < 0 ? told.path : found;
  }, null);
}

/** Takes a path from every store that tells of it. */
async function takeAll(
  sources: readonly Source[],
  path: string,
  owner: string,
): Promise<ListedFile | null> {
  let taken: ListedFile | null = null;
  for (const source of sources) {
    const told = await source.first();
    if (told?.path !== path) continue;
    source.take();
    if (taken === null || source.name === owner) taken = told.file;
  }
  return taken;
}

function encodePosition(position: Position): string {
  return new TextEncoder().encode(JSON.stringify(position)).toBase64({ alphabet: "base64url" });
}

function decodePosition(cursor: string): Position {
  try {
    const bytes = Uint8Array.fromBase64(cursor, { alphabet: "base64url" });
    const { after, cursors } = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    const isCursor = (value: unknown) => value === null || typeof value === "string";
    if (typeof after === "string" && Object.values(cursors).every(isCursor)) {
      return { after, cursors };
    }
    throw new TypeError("not a position");
  } catch (cause) {
    throw new VaultError("invalid", "Cannot list: this is no cursor of an earlier page", { cause });
  }
}

/** `""` stands for the first page, null for the end. */
function restored(cursor: string | null | undefined): string | null | undefined {
  return cursor === "" ? undefined : cursor;
}
