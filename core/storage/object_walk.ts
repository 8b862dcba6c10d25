import { cursorPath, pageOf } from "./object_page.ts";
import { comparePaths } from "./object_path.ts";
import type { ListedObject, ListOptions, ListPage } from "./object_store.ts";

const SEPARATOR = "/";

/** An entry of a directory that may be an object or lead to some. */
export interface WalkedName {
  readonly name: string;
  readonly isDirectory: boolean;
}

/** What of a tree of directories to walk through. */
export interface WalkOptions {
  /** Files and directories of a directory: `""`, or a path with `/` at its end. None of one that is not there. */
  readonly entriesOf: (directory: string) => Promise<readonly WalkedName[]>;
  /** Only paths that begin with it. */
  readonly prefix: string;
  /** Only paths behind it. */
  readonly after: string | null;
  /** Directories below the prefix are told as `name/`, and not looked into. */
  readonly delimited: boolean;
  /** Of the root directory, what is no object. */
  readonly hidden: string;
}

/** Paths of the files in a tree of directories, in ascending order of their bytes. */
export async function* walkFiles(options: WalkOptions): AsyncGenerator<string> {
  const { prefix } = options;
  const directories = prefix.split(SEPARATOR).slice(0, -1);
  // No path of an object has such parts, and what they lead to may lie elsewhere.
  if (directories.some((part) => ["", ".", ".."].includes(part))) return;
  if (directories[0] === options.hidden) return;
  yield* walk(options, directories.map((part) => part + SEPARATOR).join(""));
}

async function* walk(options: WalkOptions, directory: string): AsyncGenerator<string> {
  const { prefix, delimited, hidden } = options;
  for (const path of await inOrder(options, directory)) {
    // The walk begins in the directory of the prefix: what does not begin with it is beside it.
    if (!path.startsWith(prefix) || isOver(options, path)) continue;
    if (path === hidden + SEPARATOR) continue;
    if (path.endsWith(SEPARATOR) && !delimited) yield* walk(options, path);
    else yield path;
  }
}

/** True where nothing at or in `path` comes behind the place where the walk begins. */
function isOver({ after, delimited }: WalkOptions, path: string): boolean {
  if (after === null || comparePaths(path, after) > 0) return false;
  return delimited || !path.endsWith(SEPARATOR) || !after.startsWith(path);
}

/** Entries in order of the paths that they begin: `a.txt` comes before what is in `a/`. */
async function inOrder({ entriesOf }: WalkOptions, directory: string): Promise<string[]> {
  const entries = await entriesOf(directory);
  return entries.map(({ name, isDirectory }) => directory + name + (isDirectory ? SEPARATOR : ""))
    .sort(comparePaths);
}

/** A tree of directories whose files are objects. */
export interface ObjectTree extends Pick<WalkOptions, "entriesOf" | "hidden"> {
  readonly provider: string;
  /** What is at a path; null where it is no object, or not any more. */
  find(path: string): Promise<ListedObject | null>;
}

/** A page of the objects of a tree. What goes away meanwhile is not told. */
export async function listTree(tree: ObjectTree, options: ListOptions): Promise<ListPage> {
  const { prefix = "", delimited = false, signal } = options;
  signal?.throwIfAborted();
  const after = cursorPath(options, tree.provider);
  const { entriesOf, hidden } = tree;
  const paths = walkFiles({ entriesOf, prefix, after, delimited, hidden });
  const page = await pageOf(paths, options, tree.provider);
  const objects: ListedObject[] = [];
  for (const path of page.objects) {
    signal?.throwIfAborted();
    const found = await tree.find(path);
    if (found !== null) objects.push(found);
  }
  return { ...page, objects };
}
