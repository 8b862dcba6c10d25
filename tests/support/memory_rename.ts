import type { RenameFlags } from "../../core/fs/file_system.ts";
import { ERRNO } from "../../ffi/libc/errno.ts";
import type { MemoryNode } from "./memory_node.ts";
import { fail } from "./posix_failure.ts";

/** A rename with its nodes found. */
export interface Move {
  readonly node: MemoryNode;
  readonly source: MemoryNode;
  readonly goal: MemoryNode;
  /** What has the new name already. */
  readonly other: MemoryNode | null;
  readonly flags: RenameFlags;
}

/** True where `directory` is `ancestor` or lies below it. */
function lies(
  directory: MemoryNode,
  ancestor: MemoryNode,
  find: (ino: number) => MemoryNode,
): boolean {
  for (let at = directory;; at = find(at.parent)) {
    if (at === ancestor) return true;
    if (at.parent === at.ino) return false;
  }
}

/** Refuses what rename(2) refuses; `"nothing"` where both names are the same file already. */
export function checkRename(move: Move, find: (ino: number) => MemoryNode): "move" | "nothing" {
  const { node, source, goal, other, flags } = move;
  if (flags.noReplace && flags.exchange) fail(ERRNO.EINVAL);
  if (flags.noReplace && other !== null) fail(ERRNO.EEXIST);
  if (flags.exchange && other === null) fail(ERRNO.ENOENT);
  if (goal.nlink === 0) fail(ERRNO.ENOENT);
  if (node.isDirectory && lies(goal, node, find)) fail(ERRNO.EINVAL);
  if (other === null) return "move";
  if (other === node) return "nothing";
  if (flags.exchange) {
    if (other.isDirectory && lies(source, other, find)) fail(ERRNO.EINVAL);
    return "move";
  }
  if (other.isDirectory && lies(source, other, find)) fail(ERRNO.ENOTEMPTY);
  if (node.isDirectory && !other.isDirectory) fail(ERRNO.ENOTDIR);
  if (!node.isDirectory && other.isDirectory) fail(ERRNO.EISDIR);
  if (other.isDirectory && other.entries.size > 0) fail(ERRNO.ENOTEMPTY);
  return "move";
}
