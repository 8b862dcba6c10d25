import { assert } from "../assert.ts";
import type { Clock } from "./clock.ts";
import type { Directories } from "./directory.ts";
import type { DirtyData } from "./dirty_data.ts";
import { fail } from "./errno.ts";
import type { Attributes, Caller, Place } from "./file_system.ts";
import { directoryType } from "./mode.ts";
import type { Names } from "./names.ts";
import type { NodeTable } from "./node_table.ts";
import type { Removal } from "./removal.ts";

/** Files that are written whole before they have a name. */
export interface UnnamedFileSystem {
  /** Makes a regular file without a name, open: it goes with its `release`, or with a crash. */
  makeUnnamed(caller: Caller, parent: number, mode: number, out: Attributes): void;
  /** Gives such a file its name, in place of the file that has it: a crash leaves that, or all of the new one. */
  nameUnnamed(ino: number, to: Place): void;
}

/** What unnamed files need of the filesystem. */
export interface UnnamedParts {
  readonly names: Names;
  readonly nodes: NodeTable;
  readonly dirty: DirtyData;
  readonly removal: Removal;
  readonly directories: Directories;
  readonly clock: Clock;
}

/** Enters an unnamed file under a name. The caller makes one group of it. */
export function nameUnnamed(parts: UnnamedParts, ino: number, { parent, name }: Place): void {
  const { names, nodes, dirty, removal, directories, clock } = parts;
  const node = nodes.get(ino);
  assert(node.inode.nlink === 0, "the file has no name yet");
  const directory = names.directory(parent);
  if (directory.inode.nlink === 0) fail("ENOENT");
  dirty.flush(node);
  if (directories.find(parent, name).ino !== 0) names.unlink(parent, name);
  directories.insert(parent, name, { ino, type: directoryType(node.inode.mode) });
  directory.inode.size++;
  clock.modified(directory.inode);
  nodes.save(directory);
  removal.named(node);
  node.inode.nlink = 1;
  clock.changed(node.inode);
  nodes.save(node);
}
