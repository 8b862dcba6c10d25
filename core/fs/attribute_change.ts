import type { Admission } from "./admission.ts";
import type { Clock } from "./clock.ts";
import { fail } from "./errno.ts";
import type { DirtyData } from "./dirty_data.ts";
import { HalfChanges } from "./half_changes.ts";
import type { VolumeStore } from "../volume/volume_store.ts";
import type { FileSpace } from "./file_space.ts";
import type { AttributeChange, Time } from "./file_system.ts";
import { INODE_FLAG } from "../format/inode.ts";
import { isDirectory, isRegular } from "./mode.ts";
import type { Node } from "./node.ts";
import type { NodeTable } from "./node_table.ts";
import type { Privileges } from "./privileges.ts";
import type { StoredData } from "./stored_data.ts";

/** Longest file: 16 TiB. */
export const FILE_BYTES_MAX = 2 ** 44;
const NANOSECONDS_MAX = 999_999_999;

/** The parts of the filesystem that setattr needs. */
export interface ChangeParts {
  readonly clock: Clock;
  readonly nodes: NodeTable;
  readonly space: FileSpace;
  readonly privileges: Privileges;
  readonly admission: Admission;
  readonly stored: StoredData;
  readonly store: VolumeStore;
  readonly dirty: DirtyData;
}

/** setattr: size, owner, mode and times, each only where present. */
export function changeAttributes(parts: ChangeParts, node: Node, change: AttributeChange): void {
  check(node, change);
  if (change.size !== undefined) parts.stored.requireWritable(node);
  const { space, admission } = parts;
  const { size } = change;
  if (size === undefined) admission.write(0);
  else if (size < node.size) admission.cut(space.truncateCells(node, size));
  else admission.write(0);
  HalfChanges.ofFile(parts, node, () => make(parts, node, change));
}

function make(parts: ChangeParts, node: Node, change: AttributeChange): void {
  const { clock, nodes, space, privileges } = parts;
  const { inode } = node;
  const { size } = change;
  const isOwned = change.uid !== undefined || change.gid !== undefined;
  if (isOwned || size !== undefined || change.killSetId) {
    privileges.drop(node, isOwned || change.killSetId === true);
  }
  if (change.uid !== undefined) inode.uid = change.uid;
  if (change.gid !== undefined) inode.gid = change.gid;
  if (change.mode !== undefined) privileges.setMode(node, change.mode);
  if (change.shreddable === true) inode.flags |= INODE_FLAG.shreddable;
  if (change.shreddable === false) inode.flags &= ~INODE_FLAG.shreddable;
  if (size === undefined) clock.changed(inode);
  else clock.modified(inode);
  if (size !== undefined) space.truncate(node, size);
  setTimes(clock, node, change);
  nodes.save(node);
}

function check(node: Node, change: AttributeChange): void {
  if (change.size !== undefined) {
    if (isDirectory(node.inode.mode)) fail("EISDIR");
    if (!isRegular(node.inode.mode) || change.size < 0) fail("EINVAL");
    if (change.size > FILE_BYTES_MAX) fail("EFBIG");
  }
  if (change.shreddable !== undefined && !isDirectory(node.inode.mode)) fail("ENOTDIR");
  checkTime(change.atime);
  checkTime(change.mtime);
  checkTime(change.ctime);
}

function checkTime(time: Time | "now" | undefined): void {
  if (time === undefined || time === "now") return;
  if (!(time.nanoseconds >= 0 && time.nanoseconds <= NANOSECONDS_MAX)) fail("EINVAL");
}

function setTimes(clock: Clock, node: Node, change: AttributeChange): void {
  const { inode } = node;
  if (change.atime !== undefined) {
    const { seconds, nanoseconds } = clock.resolve(change.atime);
    inode.atime = seconds;
    inode.atimeNs = nanoseconds;
  }
  if (change.mtime !== undefined) {
    const { seconds, nanoseconds } = clock.resolve(change.mtime);
    inode.mtime = seconds;
    inode.mtimeNs = nanoseconds;
  }
  if (change.ctime !== undefined) {
    const { seconds, nanoseconds } = clock.resolve(change.ctime);
    inode.ctime = seconds;
    inode.ctimeNs = nanoseconds;
  }
}
