import { ERRNO } from "../../ffi/libc/errno.ts";
import type { MemoryNode } from "./memory_node.ts";
import { fail } from "./posix_failure.ts";

export const FALLOCATE = { keepSize: 1, punchHole: 2, zeroRange: 16 } as const;
const KNOWN = FALLOCATE.keepSize | FALLOCATE.punchHole | FALLOCATE.zeroRange;

/** Refuses what fallocate(2) refuses. */
export function checkFallocate(
  node: MemoryNode,
  range: { offset: number; length: number; mode: number },
  fileBytesMax: number,
): void {
  const { offset, length, mode } = range;
  if (length <= 0) fail(ERRNO.EINVAL);
  if (mode & ~KNOWN) fail(ERRNO.EOPNOTSUPP);
  const punch = (mode & FALLOCATE.punchHole) !== 0;
  if (punch && (mode & FALLOCATE.keepSize) === 0) fail(ERRNO.EOPNOTSUPP);
  if (punch && mode & FALLOCATE.zeroRange) fail(ERRNO.EOPNOTSUPP);
  if (node.isDirectory) fail(ERRNO.EISDIR);
  if (!node.isRegular) fail(ERRNO.ENODEV);
  if (offset + length > fileBytesMax) fail(ERRNO.EFBIG);
}
