import { VaultError } from "../errors.ts";
import type { FilePart } from "./file_parts.ts";
import type { FileTree } from "./file_tree.ts";

/** The source is damaged, or the device below it fails: what is beside it may be whole. */
export class Unreadable extends Error {
  declare readonly cause: VaultError;
}

/** What `error` is where it came from reading. */
export function asUnreadable(error: unknown): unknown {
  const isIt = error instanceof VaultError && (error.kind === "corrupt" || error.errno === "EIO");
  return isIt ? new Unreadable("unreadable", { cause: error }) : error;
}

/** Reads something of the source. */
export async function reading<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw asUnreadable(error);
  }
}

/** The content of a file of the source. */
export async function* partsOf(tree: FileTree, path: string): AsyncGenerator<FilePart> {
  try {
    yield* tree.read(path);
  } catch (error) {
    throw asUnreadable(error);
  }
}
