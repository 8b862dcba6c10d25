import { VaultError } from "../errors.ts";
import { bytesOf, type DirectoryEntry, joined } from "./file_access.ts";
import type { VaultFiles } from "./files.ts";
import { type FilePath, shownPath } from "./path_failure.ts";

/** An entry met on a walk. */
export interface WalkedEntry extends DirectoryEntry {
  /** Where it is, beginning with the path that the walk was given. */
  readonly path: string;
  /** The path as it is: for names that are not UTF-8. */
  readonly pathBytes: Uint8Array<ArrayBuffer>;
}

/** Everything below a directory, depth first, a directory before what it holds. */
export async function* walkTree(
  files: Pick<VaultFiles, "list" | "stat">,
  path: FilePath,
): AsyncGenerator<WalkedEntry, void, undefined> {
  const waiting = [{ path: bytesOf(path), entries: (await files.list(path)).values() }];
  const entered = new Set([(await files.stat(path)).ino]);
  while (waiting.length > 0) {
    const at = waiting[waiting.length - 1];
    const { value: entry } = at.entries.next();
    if (entry === undefined) {
      waiting.pop();
      continue;
    }
    const pathBytes = joined(at.path, entry.nameBytes);
    yield { ...entry, path: shownPath(pathBytes), pathBytes };
    if (entry.type !== "directory") continue;
    // A directory has one name: meeting it again, the walk would never end.
    if (entered.has(entry.ino)) {
      throw new VaultError(
        "corrupt",
        `Cannot enter "${shownPath(pathBytes)}": it has a second name`,
      );
    }
    entered.add(entry.ino);
    const below = await listIfThere(files, pathBytes);
    waiting.push({ path: pathBytes, entries: below.values() });
  }
}

/** A directory that was there a moment ago may have been removed since. */
async function listIfThere(
  files: Pick<VaultFiles, "list">,
  path: Uint8Array,
): Promise<DirectoryEntry[]> {
  try {
    return await files.list(path);
  } catch (error) {
    if (error instanceof VaultError && error.kind === "missing") return [];
    throw error;
  }
}
