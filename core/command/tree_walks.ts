import { VaultError } from "../errors.ts";
import { type FileTree, joinPath, type NodeStat } from "./file_tree.ts";
import { asUnreadable } from "./unreadable.ts";

/**
 * The directories that a walk has entered. In a vault every directory has one name, so meeting one again means that the vault
 * is damaged, or was made by somebody who wants the walk never to end.
 */
export class EnteredDirectories {
  readonly #identities = new Set<string>();

  /** Notes a directory; throws `corrupt` where it was entered before. */
  enter(tree: FileTree, path: string, { identity }: NodeStat): void {
    if (!tree.namesAreUnique) return;
    if (this.#identities.has(identity)) {
      throw new VaultError(
        "corrupt",
        `Cannot enter "${path}": the directory has a second name, which no vault gives; run check`,
      );
    }
    this.#identities.add(identity);
  }
}

/** Bytes of files in a tree, for a progress bar; of what can be read. */
export async function bytesBelow(
  tree: FileTree,
  path: string,
  entered: EnteredDirectories = new EnteredDirectories(),
): Promise<number> {
  try {
    return await bytesOfAll(tree, path, entered);
  } catch (error) {
    if (asUnreadable(error) !== error) return 0;
    throw error;
  }
}

async function bytesOfAll(
  tree: FileTree,
  path: string,
  entered: EnteredDirectories,
): Promise<number> {
  const stat = await tree.stat(path);
  if (stat.kind === "file") return stat.bytes;
  if (stat.kind !== "directory") return 0;
  entered.enter(tree, path, stat);
  let bytes = 0;
  for (const name of await tree.list(path)) {
    bytes += await bytesBelow(tree, joinPath(path, name), entered);
  }
  return bytes;
}

/** Removes a tree. */
export async function removeTree(
  tree: FileTree,
  path: string,
  entered: EnteredDirectories = new EnteredDirectories(),
): Promise<number> {
  let removed = 1;
  const stat = await tree.stat(path);
  if (stat.kind === "directory") {
    entered.enter(tree, path, stat);
    for (const name of await tree.list(path)) {
      removed += await removeTree(tree, joinPath(path, name), entered);
    }
  }
  await tree.remove(path);
  return removed;
}
