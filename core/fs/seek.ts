import { ERRNO } from "./errno.ts";
import { type FileSystem, PosixError } from "./file_system.ts";

/** The next data, as lseek(2) has it. */
export const SEEK_DATA = 3;
/** The next hole. */
export const SEEK_HOLE = 4;

/** Where the next data begins, at `offset` or behind it; null where only a hole follows. */
export function nextData(
  fileSystem: Pick<FileSystem, "lseek">,
  ino: number,
  offset: number,
): number | null {
  try {
    return fileSystem.lseek(ino, offset, SEEK_DATA);
  } catch (error) {
    if (error instanceof PosixError && error.errno === ERRNO.ENXIO) return null;
    throw error;
  }
}
